//! The record of jobs over a real database file.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect fails")]

use std::time::Duration;

use domain::job::JobPhase;
use domain::{
    Failure, FailureKind, JobId, JobState, LeaseToken, Priority, ReturnReason, SchedulingMode, SeatId,
    Timestamp, TraceId, WorkerId,
};
use serde_json::{Map, json};
use store::{
    Event, EventFilter, EventKind, GalleryFilter, JobGraph, JobResult, JobShape, Media, NewArtifact, NewJob,
    Policy, SeatService, Store, StoreError,
};
use tempfile::TempDir;
use uuid::Uuid;

struct Fixture {
    store: Store,
    folder: TempDir,
}

async fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("test.sqlite")).await.unwrap();
    let counter = std::sync::atomic::AtomicU32::new(0);
    let mint = move || format!("token{}", counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    store.ensure_seats(2, at(0), mint).await.unwrap();
    Fixture { store, folder }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn seat(number: u16) -> SeatId {
    SeatId::new(number).unwrap()
}

fn job_id(number: u128) -> JobId {
    JobId::from_uuid(Uuid::from_u128(number))
}

fn token(number: u128) -> LeaseToken {
    LeaseToken::from_uuid(Uuid::from_u128(number))
}

fn shape() -> JobShape {
    JobShape { keys: vec!["exact".into(), "model".into()], work: 64 }
}

fn trace(number: u128) -> TraceId {
    TraceId::from_uuid(&Uuid::from_u128(!number))
}

fn new_job(number: u128, owner: u16) -> NewJob {
    NewJob {
        trace: trace(number),
        id: job_id(number),
        seat: seat(owner),
        is_front: false,
        priority: Priority::Normal,
        interrupts: false,
        shape: Some(shape()),
        client_id: Some("tab".into()),
        title: "Save Image".into(),
        workflow_id: None,
        created_at: at(1),
        graph: JobGraph {
            prompt: json!({"9": {"class_type": "SaveImage"}, "1": {"class_type": "EmptyImage"}})
                .as_object()
                .unwrap()
                .clone(),
            extra_data: Map::new(),
            outputs_to_execute: vec!["9".into()],
        },
    }
}

async fn run(store: &Store, id: JobId, attempt: u128) {
    let worker = WorkerId::from_uuid(Uuid::from_u128(7));
    let second = Duration::from_secs(1);
    store.update_job(id, None, |job| job.dispatch(token(attempt), at(2), second)).await.unwrap();
    store.update_job(id, None, |job| job.claim(token(attempt), worker, at(3), second)).await.unwrap();
    store.update_job(id, None, |job| job.start(token(attempt), at(4))).await.unwrap();
}

#[tokio::test]
async fn jobs_are_numbered_per_seat_and_ordered_over_all() {
    let Fixture { store, folder: _folder } = fixture().await;
    let first = store.insert_job(&new_job(1, 1)).await.unwrap();
    let other = store.insert_job(&new_job(2, 2)).await.unwrap();
    let second = store.insert_job(&new_job(3, 1)).await.unwrap();
    assert_eq!((first.number, other.number, second.number), (0, 0, 1));
    let order: Vec<_> = store.active_jobs().await.unwrap().into_iter().map(|stored| stored.job.id).collect();
    assert_eq!(order, [job_id(1), job_id(2), job_id(3)]);
    assert!(matches!(store.insert_job(&new_job(1, 2)).await, Err(StoreError::DuplicateJob(_))));
}

#[tokio::test]
async fn every_state_survives_being_stored() {
    let Fixture { store, folder } = fixture().await;
    for number in 1..=6 {
        store.insert_job(&new_job(number, 1)).await.unwrap();
    }
    for number in 2..=6 {
        run(&store, job_id(number), number).await;
    }
    let failure = Failure {
        kind: FailureKind::Node,
        message: "no".into(),
        advice: "try".into(),
        detail: Some("{}".into()),
    };
    store.update_job(job_id(3), None, |job| job.succeed(token(3), at(9))).await.unwrap();
    store.update_job(job_id(4), None, |job| job.fail(token(4), failure.clone(), at(9))).await.unwrap();
    store.update_job(job_id(5), None, |job| job.interrupted(token(5), at(9))).await.unwrap();
    store.update_job(job_id(6), None, |job| job.release(token(6), ReturnReason::Demo, at(9))).await.unwrap();
    store.close().await;

    let store = Store::open(&folder.path().join("test.sqlite")).await.unwrap();
    let mut states = Vec::new();
    for number in 1..=6 {
        states.push(store.job(job_id(number)).await.unwrap().job.state);
    }
    assert_eq!(states[0], JobState::Queued);
    assert!(matches!(states[1], JobState::Running { started_at, .. } if started_at == at(4)));
    assert_eq!(states[2], JobState::Succeeded { started_at: at(4), finished_at: at(9) });
    assert_eq!(states[3], JobState::Failed { started_at: Some(at(4)), finished_at: at(9), failure });
    assert_eq!(states[4], JobState::Cancelled { started_at: Some(at(4)), finished_at: at(9) });
    assert_eq!(states[5], JobState::Queued);
    assert_eq!(store.job(job_id(6)).await.unwrap().job.returned, Some(ReturnReason::Demo));
}

#[tokio::test]
async fn a_stale_report_writes_nothing() {
    let Fixture { store, folder: _folder } = fixture().await;
    store.insert_job(&new_job(1, 1)).await.unwrap();
    run(&store, job_id(1), 1).await;
    let before = store.job(job_id(1)).await.unwrap();
    let result = JobResult { outputs: json!({"9": {}}).as_object().unwrap().clone(), ..JobResult::default() };
    let event = Event::new(EventKind::Succeeded, at(9));
    let stale = store.close_job(job_id(1), Some(&event), &result, |job| job.succeed(token(99), at(9))).await;
    assert!(stale.unwrap_err().is_stale_lease());
    assert_eq!(store.job(job_id(1)).await.unwrap(), before);
    assert!(store.results(&[job_id(1)]).await.unwrap().is_empty());
}

#[tokio::test]
async fn two_reports_on_one_job_cannot_both_win() {
    let Fixture { store, folder: _folder } = fixture().await;
    store.insert_job(&new_job(1, 1)).await.unwrap();
    run(&store, job_id(1), 1).await;
    let report = || store.update_job(job_id(1), None, |job| job.succeed(token(1), at(9)));
    let (left, right) = tokio::join!(report(), report());
    assert_eq!([left.is_ok(), right.is_ok()].iter().filter(|won| **won).count(), 1);
}

#[tokio::test]
async fn a_seat_reads_only_its_own() {
    let Fixture { store, folder: _folder } = fixture().await;
    store.insert_job(&new_job(1, 1)).await.unwrap();
    run(&store, job_id(1), 1).await;
    store.update_job(job_id(1), None, |job| job.succeed(token(1), at(9))).await.unwrap();
    assert!(store.seat_job(seat(1), job_id(1)).await.is_ok());
    assert!(matches!(store.seat_job(seat(2), job_id(1)).await, Err(StoreError::NoSuchJob(_))));
    assert_eq!(store.seat_history(seat(1), 10).await.unwrap().len(), 1);
    assert_eq!(store.seat_history(seat(2), 10).await.unwrap().len(), 0);
    store.remove_from_history(seat(2), None, at(10)).await.unwrap();
    assert_eq!(store.seat_history(seat(1), 10).await.unwrap().len(), 1);
    store.remove_from_history(seat(1), Some(&[job_id(1)]), at(10)).await.unwrap();
    assert_eq!(store.seat_history(seat(1), 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_was_cancelled_before_it_ran_is_no_history() {
    let Fixture { store, folder: _folder } = fixture().await;
    store.insert_job(&new_job(1, 1)).await.unwrap();
    store.update_job(job_id(1), None, |job| Ok(job.cancel(at(2)))).await.unwrap();
    assert_eq!(store.job(job_id(1)).await.unwrap().job.phase(), JobPhase::Cancelled);
    assert!(store.seat_history(seat(1), 10).await.unwrap().is_empty());
    assert_eq!(store.seat_ended(seat(1), 10).await.unwrap().len(), 1, "the portal still tells of it");
    assert_eq!(store.active_count(seat(1)).await.unwrap(), 0);
}

fn artifact(attempt: u32, node: &str, filename: &str) -> NewArtifact {
    NewArtifact {
        job: job_id(1),
        seat: seat(1),
        attempt,
        node: node.into(),
        output_key: "images".into(),
        position: 0,
        filename: filename.into(),
        subfolder: String::new(),
        kind: "output".into(),
        media_type: "image/png".into(),
        bytes: 10,
        media: Media::Image,
        sha256: "00".into(),
        created_at: at(5),
    }
}

#[tokio::test]
async fn a_second_attempt_shows_one_result() {
    let Fixture { store, folder: _folder } = fixture().await;
    store.insert_job(&new_job(1, 1)).await.unwrap();
    run(&store, job_id(1), 1).await;
    store.save_artifact(&artifact(1, "9", "a_00001_.png"), token(1)).await.unwrap();
    store.save_artifact(&artifact(1, "10", "only_in_first_00001_.png"), token(1)).await.unwrap();
    store
        .update_job(job_id(1), None, |job| job.release(token(1), ReturnReason::WorkerStopped, at(6)))
        .await
        .unwrap();
    run(&store, job_id(1), 2).await;
    store.save_artifact(&artifact(2, "9", "a_00001_.png"), token(2)).await.unwrap();
    store
        .close_job(job_id(1), None, &JobResult::default(), |job| job.succeed(token(2), at(9)))
        .await
        .unwrap();
    let names: Vec<_> = store
        .gallery(seat(1), &GalleryFilter::default(), None, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|item| item.filename)
        .collect();
    assert_eq!(names, ["a_00001_.png"]);
    assert!(store.gallery(seat(2), &GalleryFilter::default(), None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_stale_workers_file_leaves_no_trace() {
    let Fixture { store, folder: _folder } = fixture().await;
    store.insert_job(&new_job(1, 1)).await.unwrap();
    run(&store, job_id(1), 1).await;
    let stale = store.save_artifact(&artifact(1, "9", "a_00001_.png"), token(2)).await.unwrap_err();
    assert!(stale.is_stale_lease(), "{stale}");
    assert!(store.unfinished_artifacts().await.unwrap().is_empty());
    store.save_artifact(&artifact(1, "9", "a_00001_.png"), token(1)).await.unwrap();
    let unfinished = store.unfinished_artifacts().await.unwrap();
    assert_eq!(unfinished.len(), 1);
    store.forget_artifact(unfinished[0].1.id).await.unwrap();
    assert!(store.unfinished_artifacts().await.unwrap().is_empty());
}

#[tokio::test]
async fn graphs_that_are_listed_together_are_not_more_than_memory_has() {
    let Fixture { store, folder: _folder } = fixture().await;
    for number in 1..=5 {
        let mut job = new_job(number, 1);
        let bytes = if number == 3 { 10 } else { 5 << 20 };
        job.graph.extra_data.insert("padding".into(), json!("x".repeat(bytes)));
        store.insert_job(&job).await.unwrap();
    }
    let ids: Vec<_> = (1..=5).map(job_id).collect();
    let listed = store.graphs(&ids).await.unwrap();
    assert!(listed.contains_key(&job_id(3)), "the small one is among them");
    assert_eq!(listed.len(), 3);
    assert_eq!(store.graphs(&ids[4..]).await.unwrap().len(), 1, "one alone is always told");
}

#[tokio::test]
async fn the_order_of_a_graphs_nodes_is_kept() {
    let Fixture { store, folder: _folder } = fixture().await;
    store.insert_job(&new_job(1, 1)).await.unwrap();
    let graph = store.graph(job_id(1)).await.unwrap();
    assert_eq!(graph.prompt.keys().collect::<Vec<_>>(), ["9", "1"]);
}

#[tokio::test]
async fn seats_keep_their_links() {
    let Fixture { store, folder: _folder } = fixture().await;
    let before = store.seats(2).await.unwrap();
    store.ensure_seats(3, at(1), || "new".into()).await.unwrap();
    let after = store.seats(3).await.unwrap();
    assert_eq!(after[..2], before[..]);
    assert_eq!(after[2].join_token, "new");
}

#[tokio::test]
async fn what_the_instructor_decides_is_kept() {
    let Fixture { store, folder } = fixture().await;
    assert_eq!(store.policy().await.unwrap(), Policy::default());
    let policy = Policy {
        mode: SchedulingMode::Fair,
        is_paused: true,
        max_queued_per_seat: Some(5),
        max_running_per_seat: Some(1),
        announcement: Some("Lunch".into()),
    };
    store.save_policy(&policy).await.unwrap();
    let mut first = store.seats(1).await.unwrap().remove(0);
    first.name = "Anna".into();
    first.is_paused = true;
    first.is_demo = true;
    first.message = Some("Look here".into());
    first.session_generation += 1;
    store.save_seat(&first).await.unwrap();
    first.service = SeatService { last_served: 3, account_ms: 4, floor_ms: 5 };
    store.save_service(first.id, first.service).await.unwrap();
    store.insert_job(&new_job(1, 1)).await.unwrap();
    store.update_job(job_id(1), None, |job| Ok(job.prioritise(Priority::Demo, true))).await.unwrap();
    store.close().await;

    let store = Store::open(&folder.path().join("test.sqlite")).await.unwrap();
    assert_eq!(store.policy().await.unwrap(), policy);
    assert_eq!(store.seats(1).await.unwrap(), [first]);
    let stored = store.job(job_id(1)).await.unwrap();
    assert_eq!((stored.job.priority, stored.job.interrupts), (Priority::Demo, true));
    assert_eq!(stored.shape, Some(shape()));
}

#[tokio::test]
async fn ended_jobs_tell_how_long_such_graphs_take_and_what_seats_used() {
    let Fixture { store, folder: _folder } = fixture().await;
    for number in 1..=3 {
        store.insert_job(&new_job(number, 1)).await.unwrap();
        run(&store, job_id(number), number).await;
    }
    store.update_job(job_id(1), None, |job| job.succeed(token(1), at(1004))).await.unwrap();
    let no = Failure { kind: FailureKind::Node, message: String::new(), advice: String::new(), detail: None };
    store.update_job(job_id(2), None, |job| job.fail(token(2), no, at(504))).await.unwrap();
    let runs = store.finished_runs(10).await.unwrap();
    assert_eq!(runs.len(), 1, "a failure says nothing of a duration");
    assert_eq!((&runs[0].shape, runs[0].duration_ms), (&shape(), 1000));
    let totals = store.ended_totals().await.unwrap()[&seat(1)];
    assert_eq!((totals.succeeded, totals.failed, totals.gpu_ms), (1, 1, 1500));
    let executions = async |since| {
        let submitted = store.submitted_since(at(since)).await.unwrap();
        let has_shape = submitted.iter().map(|submitted| submitted.shape.is_some());
        let has_executed = submitted.iter().map(|submitted| submitted.execution_ms.is_some());
        assert!(has_shape.zip(has_executed).all(|(shape, executed)| shape != executed), "{submitted:?}");
        submitted.into_iter().map(|submitted| submitted.execution_ms).collect::<Vec<_>>()
    };
    assert_eq!(executions(1).await, [Some(1000), Some(500), None]);
    assert_eq!(executions(600).await, [Some(1000), None], "the second ended before");
}

#[tokio::test]
async fn events_are_read_latest_first_and_by_seat_and_by_problem() {
    let Fixture { store, folder: _folder } = fixture().await;
    for (number, owner) in [(1, 1), (2, 2)] {
        store.insert_job(&new_job(number, owner)).await.unwrap();
        let event = Event { detail: Some("Node".into()), ..Event::new(EventKind::Failed, at(9)) };
        let no =
            Failure { kind: FailureKind::Node, message: String::new(), advice: String::new(), detail: None };
        run(&store, job_id(number), number).await;
        store
            .update_job(job_id(number), Some(&event), |job| job.fail(token(number), no, at(9)))
            .await
            .unwrap();
    }
    let kinds = async |filter: EventFilter| {
        let events = store.events(filter, 10).await.unwrap();
        events.into_iter().map(|recorded| (recorded.event.kind, recorded.event.seat)).collect::<Vec<_>>()
    };
    let (one, two) = (Some(seat(1)), Some(seat(2)));
    use EventKind::{Failed, Submitted};
    let all = kinds(EventFilter::default()).await;
    assert_eq!(all, [(Failed, two), (Submitted, two), (Failed, one), (Submitted, one)]);
    let of_one = kinds(EventFilter { seat: one, ..EventFilter::default() }).await;
    assert_eq!(of_one, [(Failed, one), (Submitted, one)]);
    let problems = kinds(EventFilter { problems_only: true, ..EventFilter::default() }).await;
    assert_eq!(problems, [(Failed, two), (Failed, one)]);
    let last = store.events(EventFilter::default(), 1).await.unwrap().remove(0);
    assert_eq!((last.title.as_deref(), last.event.detail.as_deref()), (Some("Save Image"), Some("Node")));
    assert_eq!(last.failure.map(|failure| failure.kind), Some(FailureKind::Node));
    let older = kinds(EventFilter { before: Some(last.id), ..EventFilter::default() }).await;
    assert_eq!(older.len(), 3);
}

#[tokio::test]
async fn an_erased_seat_leaves_nothing_and_the_others_everything() {
    let Fixture { store, folder: _folder } = fixture().await;
    for (number, owner) in [(1, 1), (2, 2)] {
        store.insert_job(&new_job(number, owner)).await.unwrap();
    }
    run(&store, job_id(1), 1).await;
    store.save_artifact(&artifact(1, "9", "a_00001_.png"), token(1)).await.unwrap();
    store
        .close_job(job_id(1), None, &JobResult::default(), |job| job.succeed(token(1), at(9)))
        .await
        .unwrap();
    let things = [store::NewTrashItem::Input { folder: "input".into(), name: "a.png".into() }];
    store.begin_trash(seat(1), at(9), &things).await.unwrap();
    let before = store.seats(2).await.unwrap();

    store.erase_seats(&[seat(1)]).await.unwrap();
    assert!(store.gallery(seat(1), &GalleryFilter::default(), None, 10).await.unwrap().is_empty());
    assert!(matches!(store.job(job_id(1)).await, Err(StoreError::NoSuchJob(_))));
    assert!(matches!(store.graph(job_id(1)).await, Err(StoreError::NoSuchJob(_))));
    assert!(store.seat_trash(seat(1)).await.unwrap().is_empty());
    assert!(store.job(job_id(2)).await.is_ok());
    let after = store.seats(2).await.unwrap();
    assert_eq!(after[0].join_token, before[0].join_token);
    assert_eq!((after[0].take_home_token.as_str(), &after[1]), ("", &before[1]));

    let mint = || "new".to_owned();
    store.ensure_seats(1, at(10), mint).await.unwrap();
    assert_eq!(store.seats(1).await.unwrap()[0].take_home_token, "new", "the next start gives another");
    assert_eq!(store.insert_job(&new_job(3, 1)).await.unwrap().number, 0);
}
