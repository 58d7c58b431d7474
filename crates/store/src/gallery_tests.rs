use std::time::Instant;

use tempfile::TempDir;

use super::*;

const RESULTS: i64 = 5_000;

/// Two seats with thousands of results each, of ten workflows, over ten days.
async fn full_store() -> (Store, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("test.sqlite")).await.unwrap();
    let counter = std::sync::atomic::AtomicU32::new(0);
    let mint = || format!("token{}", counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    store.ensure_seats(2, Timestamp::from_unix_ms(0), mint).await.unwrap();
    for seat in 1..=2 {
        sqlx::query(
            "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 9)
             INSERT INTO jobs (id, seat, sequence, number, is_front, title, created_at, phase)
             SELECT printf('%08d-0000-4000-8000-%012d', ?1, n), ?1, ?1 * 100 + n, n, 0, 'Job ' || n, 0, 'cancelled'
             FROM numbers",
        )
        .bind(seat)
        .execute(&store.writer)
        .await
        .unwrap();
        sqlx::query(
            "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2 - 1)
             INSERT INTO artifacts (job_id, seat, attempt, node, output_key, position, filename, subfolder, kind,
                 media_type, bytes, sha256, created_at, media, workflow, is_favourite)
             SELECT printf('%08d-0000-4000-8000-%012d', ?1, n % 10), ?1, 1, '1', 'images', n, n || '.png', '',
                 'output', 'image/png', 10, 'x', n * (10 * 86400000 / ?2),
                 CASE WHEN n % 50 = 0 THEN 'video' ELSE 'image' END, 'w' || (n % 10), n % 100 = 0
             FROM numbers",
        )
        .bind(seat)
        .bind(RESULTS)
        .execute(&store.writer)
        .await
        .unwrap();
    }
    (store, folder)
}

fn seat() -> SeatId {
    SeatId::new(1).unwrap()
}

fn filters() -> Vec<(GalleryFilter, &'static str, usize)> {
    let day = |day: i64| Timestamp::from_unix_ms(day * MS_PER_DAY);
    vec![
        (GalleryFilter::default(), "artifacts_in_gallery", 5_000),
        (GalleryFilter { media: Some(Media::Video), ..Default::default() }, "artifacts_by_media", 100),
        (GalleryFilter { workflow: Some("w3".into()), ..Default::default() }, "artifacts_by_workflow", 500),
        (GalleryFilter { is_favourite: true, ..Default::default() }, "artifacts_favourite", 50),
        (GalleryFilter { made: Some((day(2), day(3))), ..Default::default() }, "artifacts_", 500),
    ]
}

#[tokio::test]
async fn every_listing_of_a_full_gallery_comes_from_an_index() {
    let (store, _folder) = full_store().await;
    for (filter, index, _) in filters() {
        let sql = gallery_query(seat(), &filter, Some(4_000), 49).into_sql();
        let plan = sqlx::query(&format!("EXPLAIN QUERY PLAN {sql}"))
            .bind(1)
            .bind(4_000)
            .bind("w3")
            .fetch_all(&store.reader)
            .await
            .unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        let plan = plan.join("; ");
        assert!(plan.contains(&format!("SEARCH artifacts USING INDEX {index}")), "{filter:?}: {plan}");
        if filter.made.is_none() {
            assert!(!plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
        }
    }
}

#[tokio::test]
async fn pages_follow_each_other_to_the_end() {
    let (store, _folder) = full_store().await;
    for (filter, _, expected) in filters() {
        let started = Instant::now();
        let (mut seen, mut before, mut pages) = (Vec::new(), None, 0_u32);
        loop {
            let page = store.gallery(seat(), &filter, before, 48).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            pages += 1;
            seen.extend(page.iter().map(|artifact| artifact.id));
        }
        assert_eq!(seen.len(), expected, "{filter:?}");
        assert!(seen.is_sorted_by(|newer, older| newer > older));
        // Generous for a loaded machine; a scan of all rows for each page takes longer.
        assert!(started.elapsed() / pages < std::time::Duration::from_millis(100), "{filter:?}");
    }
}

#[tokio::test]
async fn the_filters_tell_what_there_is_to_choose() {
    let (store, _folder) = full_store().await;
    let workflows = store.gallery_workflows(seat(), 100).await.unwrap();
    assert_eq!(workflows.len(), 10);
    assert_eq!(workflows[0], WorkflowCount { workflow: "w9".into(), title: "Job 9".into(), results: 500 });
    let days = store.gallery_days(seat(), 0, 100).await.unwrap();
    assert_eq!((days.len(), days[0]), (10, DayCount { day: 9, results: 500 }));
    let further_east = store.gallery_days(seat(), MS_PER_DAY / 2, 100).await.unwrap();
    assert_eq!((further_east.len(), further_east[0]), (11, DayCount { day: 10, results: 250 }));
    assert_eq!(store.gallery_totals(seat()).await.unwrap(), (5_000, 50_000));
}

#[tokio::test]
async fn favourites_are_the_seats_own() {
    let (store, _folder) = full_store().await;
    let own = store.gallery(seat(), &GalleryFilter::default(), None, 2).await.unwrap();
    let ids: Vec<i64> = own.iter().map(|artifact| artifact.id).collect();
    assert_eq!(store.set_favourite(SeatId::new(2).unwrap(), &ids, true).await.unwrap(), 0);
    assert_eq!(store.set_favourite(seat(), &ids, true).await.unwrap(), 2);
    let favourites = GalleryFilter { is_favourite: true, ..Default::default() };
    let listed = store.gallery(seat(), &favourites, None, 2).await.unwrap();
    assert_eq!(listed.iter().map(|artifact| artifact.id).collect::<Vec<_>>(), ids);
    assert!(listed.iter().all(|artifact| artifact.is_favourite));
}
