//! Results looked at, chosen, marked and taken away.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::PathBuf;
use std::time::Duration;

use domain::{Clock, SeatId, Viewer};
use reqwest::Method;
use serde_json::{Value, json};
use workshop::gallery::GalleryFilter;
use workshop::overview::GalleryItem;
use zip::ZipArchive;

use crate::support::{Client, FakeWorker, Reply, TestApp, picture};

fn seat(number: u16) -> SeatId {
    SeatId::new(number).unwrap()
}

/// An opaque PNG of this size.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(width, height).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A PNG that claims to be far larger than it may be, in a few bytes.
fn bomb() -> Vec<u8> {
    let mut bytes = png(1, 1);
    bytes[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    bytes
}

/// Runs a job of the seat to its end, with a result of this name.
async fn run(
    app: &TestApp,
    seat: &Client,
    worker: &mut FakeWorker,
    graph: &Value,
    name: &str,
    content: &[u8],
) {
    seat.queue(graph).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    worker.run_named(&task, name, content).await;
}

/// A graph that the editor saved as a workflow with this id.
fn of_workflow(id: &str) -> Value {
    let mut graph = picture(1);
    graph["extra_data"] = json!({"extra_pnginfo": {"workflow": {"id": id, "nodes": []}}});
    graph
}

/// The results, newest first.
async fn results(app: &TestApp, number: u16) -> Vec<GalleryItem> {
    app.workshop.gallery(seat(number), &GalleryFilter::default(), None, 100).await.unwrap()
}

/// The files of an archive.
fn unpacked(reply: &Reply) -> BTreeMap<String, Vec<u8>> {
    assert_eq!((reply.status, reply.header("content-type").as_deref()), (200, Some("application/zip")));
    let mut archive = ZipArchive::new(Cursor::new(&reply.bytes)).unwrap();
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        let name = file.name().unwrap().into_owned();
        assert!(files.insert(name.clone(), content).is_none(), "{name} is there twice");
    }
    files
}

fn kept_thumbnails(app: &TestApp) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(app.folder.path().join("seats/user001/thumbs")) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn a_thumbnail_is_small_and_made_once() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let mut worker = app.worker().await;
    app.run(&anna, &mut worker, picture(1), &png(1600, 800)).await;
    let path = format!("/user/user001/results/{}/thumbnail", results(&app, 1).await[0].id);
    assert!(kept_thumbnails(&app).is_empty());

    let (first, second) = tokio::join!(anna.get(&path), anna.get(&path));
    assert_eq!((first.status, first.header("content-type").as_deref()), (200, Some("image/jpeg")));
    let small = image::load_from_memory(&first.bytes).unwrap();
    assert_eq!((small.width(), small.height()), (384, 192));
    assert_eq!(second.bytes, first.bytes);
    let cache = first.header("cache-control").unwrap();
    assert!(cache.contains("private") && cache.contains("immutable"), "{cache}");
    let [kept] = &kept_thumbnails(&app)[..] else { panic!("one thumbnail") };

    // What lies there is served, not made again.
    std::fs::write(kept, b"kept").unwrap();
    let again = anna.get(&path).await;
    assert_eq!(again.bytes, b"kept");
    let tag = again.header("etag").unwrap();
    let unchanged = anna.send(Method::GET, &path, &[("if-none-match", &tag)], Vec::new()).await;
    assert_eq!((unchanged.status, unchanged.bytes.len()), (304, 0));
}

#[tokio::test]
async fn what_cannot_be_made_small_is_said_and_remembered() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let mut worker = app.worker().await;
    let whole = png(600, 600);
    for content in [&b"no picture at all"[..], &whole[..whole.len() / 2], &bomb()] {
        app.run(&anna, &mut worker, picture(1), content).await;
    }
    run(&app, &anna, &mut worker, &picture(1), "sound.flac", b"fLaC").await;
    let results = results(&app, 1).await;
    assert_eq!(results.len(), 4);
    for result in results {
        let path = format!("/user/user001/results/{}/thumbnail", result.id);
        for _ in 0..2 {
            let reply = anna.get(&path).await;
            assert_eq!((reply.status, reply.bytes.len()), (204, 0), "{}", result.file.filename);
        }
    }
    assert_eq!(kept_thumbnails(&app).len(), 4);
    for unknown in ["999", "0", "-1", "x"] {
        let status = anna.get(&format!("/user/user001/results/{unknown}/thumbnail")).await.status;
        assert!(matches!(status, 400 | 404), "{unknown}: {status}");
    }
}

#[tokio::test]
async fn a_result_gives_back_the_workflow_that_made_it() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let mut worker = app.worker().await;
    run(&app, &anna, &mut worker, &of_workflow("w1"), "picture_00001_.png", b"one").await;
    run(&app, &anna, &mut worker, &picture(2), "picture_00001_.png", b"two").await;
    let [plain, saved] = &results(&app, 1).await[..] else { panic!("two results") };
    let reply = anna.get(&format!("/user/user001/jobs/{}/workflow.json", saved.job)).await;
    assert_eq!(reply.json(), json!({"id": "w1", "nodes": []}));
    let disposition = reply.header("content-disposition").unwrap();
    assert!(disposition.starts_with("attachment") && disposition.contains(".json"), "{disposition}");
    // A program sent it without one: the graph itself opens as well.
    let reply = anna.get(&format!("/user/user001/jobs/{}/workflow.json", plain.job)).await;
    assert_eq!(reply.json()["2"]["class_type"], "SaveImage");
    for unknown in ["00000000-0000-4000-8000-00000000ffff", "x"] {
        assert_eq!(anna.get(&format!("/user/user001/jobs/{unknown}/workflow.json")).await.status, 404);
    }
}

#[tokio::test]
async fn an_archive_holds_exactly_what_was_chosen() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let mut worker = app.worker().await;
    for content in [&b"one"[..], b"two", b"three"] {
        app.run(&anna, &mut worker, picture(1), content).await;
    }
    let listed = results(&app, 1).await;
    let ids: Vec<_> = listed.iter().map(|result| result.id).collect();
    let expected = |results: &[GalleryItem], contents: &[&[u8]]| {
        let names = results.iter().map(|result| result.file.filename.clone());
        names.zip(contents.iter().map(|content| content.to_vec())).collect::<BTreeMap<_, _>>()
    };
    let all = expected(&listed, &[b"three", b"two", b"one"]);
    let archive = "/user/user001/download.zip";

    assert_eq!(unpacked(&anna.get(archive).await), all);
    let query = format!("ids={},{}", ids[0], ids[2]);
    let two = anna.get(&format!("{archive}?{query}")).await;
    assert_eq!(unpacked(&two), expected(&[listed[0].clone(), listed[2].clone()], &[b"three", b"one"]));
    assert_eq!(
        two.header("content-disposition").unwrap(),
        "attachment; filename=\"user001-results.zip\"; filename*=UTF-8''user001-results.zip"
    );
    // Named twice, a result is there once; thousands of ids do not fit an address.
    let form = format!("ids={}", vec![ids[1].to_string(); 2_000].join(","));
    assert_eq!(unpacked(&anna.post_form(archive, &form).await), expected(&listed[1..2], &[b"two"]));
    for (query, status) in [("ids=", 400), ("ids=x", 400), ("ids=99999", 404), ("type=video", 404)] {
        assert_eq!(anna.get(&format!("{archive}?{query}")).await.status, status, "{query}");
        assert_eq!(anna.post_form(archive, query).await.status, status, "{query}");
    }

    // What lost its file is left out, the others are whole.
    std::fs::remove_file(app.folder.path().join("seats/user001/output").join(&listed[0].file.filename))
        .unwrap();
    assert_eq!(unpacked(&anna.get(archive).await), expected(&listed[1..], &[b"two", b"one"]));
}

#[tokio::test]
async fn results_are_filtered_by_type_workflow_day_and_mark() {
    const HOUR: Duration = Duration::from_secs(3600);
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let mut worker = app.worker().await;
    // The clock stands at 08:00 UTC on 2027-01-15.
    run(&app, &anna, &mut worker, &of_workflow("w1"), "picture_00001_.png", &png(2, 2)).await;
    app.clock.advance(12 * HOUR);
    let mut worker = app.worker().await;
    run(&app, &anna, &mut worker, &of_workflow("w2"), "clip_00001_.mp4", b"video").await;
    app.clock.advance(12 * HOUR);
    let mut worker = app.worker().await;
    run(&app, &anna, &mut worker, &of_workflow("w1"), "move_00001_.gif", b"GIF89a").await;
    assert_eq!(app.clock.now().unix_ms(), 1_800_086_400_000);

    let listed = results(&app, 1).await;
    let names: Vec<_> = listed.iter().map(|result| result.file.filename.clone()).collect();
    let [moving, clip, still] = &names[..] else { panic!("three results: {names:?}") };
    app.workshop
        .set_favourite(seat(1), &workshop::gallery::Chosen::These(vec![listed[1].id]), true)
        .await
        .unwrap();
    for (query, expected) in [
        ("type=image", vec![still]),
        ("type=video", vec![clip]),
        ("type=animated", vec![moving]),
        ("workflow=w1", vec![moving, still]),
        ("workflow=w2&type=image", vec![]),
        ("day=2027-01-15", vec![clip, still]),
        ("day=2027-01-16", vec![moving]),
        // By a clock nine hours ahead it was already the next day.
        ("day=2027-01-15&ahead=540", vec![still]),
        ("day=2027-01-16&ahead=540", vec![moving, clip]),
        ("favourites=1", vec![clip]),
        ("favourites=1&workflow=w1", vec![]),
    ] {
        let archive = anna.get(&format!("/user/user001/download.zip?{query}")).await;
        let page = anna
            .get(&format!(
                "/api/read-gallery?seat=user001&query={}",
                query.replace('&', "%26").replace('=', "%3D")
            ))
            .await;
        let shown: Vec<_> = page.json()["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["file"]["filename"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(shown.iter().collect::<Vec<_>>(), expected, "{query}");
        match expected.is_empty() {
            true => assert_eq!(archive.status, 404, "{query}"),
            false => {
                let mut expected: Vec<_> = expected.into_iter().cloned().collect();
                expected.sort();
                assert_eq!(unpacked(&archive).into_keys().collect::<Vec<_>>(), expected, "{query}");
            }
        }
    }
    let choices = anna.get("/api/read-gallery-choices?seat=user001&ahead=540").await.json();
    assert_eq!((&choices["results"], choices["days"].as_array().unwrap().len()), (&json!(3), 2));
    assert_eq!(choices["workflows"][0][0], "w1");
}

#[tokio::test]
async fn deleted_results_are_nowhere_until_they_are_brought_back() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let mut worker = app.worker().await;
    app.run(&anna, &mut worker, picture(1), &png(8, 8)).await;
    app.run(&anna, &mut worker, picture(2), &png(9, 9)).await;
    let listed = results(&app, 1).await;
    let id = listed[0].id;
    let file = &listed[0].file.filename;
    let addresses = [
        format!("/user/user001/comfy/api/view?filename={file}&subfolder=&type=output"),
        format!("/user/user001/results/{id}/thumbnail"),
        format!("/user/user001/download.zip?ids={id}"),
    ];
    let deleted = anna.post_form("/api/discard-results", &format!("seat=user001&chosen=ids%3D{id}")).await;
    assert!(deleted.status < 400, "{}", deleted.text());
    for address in &addresses {
        assert_eq!(anna.get(address).await.status, 404, "{address}");
    }
    assert_eq!(results(&app, 1).await.len(), 1);
    assert_eq!(unpacked(&anna.get("/user/user001/download.zip").await).len(), 1);
    let marked = anna
        .post_form("/api/set-favourite", &format!("seat=user001&chosen=ids%3D{id}&is_favourite=true"))
        .await;
    assert!(marked.status >= 400, "{}", marked.text());

    let (trash, items) = app.workshop.latest_trash(seat(1)).await.unwrap().unwrap();
    assert_eq!(items, 1);
    app.workshop.restore(seat(1), trash).await.unwrap();
    for address in &addresses {
        assert_eq!(anna.get(address).await.status, 200, "{address}");
    }
    assert_eq!(results(&app, 1).await, listed);
}

#[tokio::test]
async fn everything_is_taken_home_by_session_or_link() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let mut worker = app.worker().await;
    app.run(&anna, &mut worker, picture(1), b"picture").await;
    anna.upload("face.png", b"face").await;
    let saved = anna.comfy_post("/api/userdata/workflows%2Fmine.json", &json!({"a": 1})).await;
    assert_eq!(saved.status, 200);

    let own = anna.get("/user/user001/take-home.zip").await;
    let files = unpacked(&own);
    assert_eq!(files["user001/output/picture_00001_.png"], b"picture");
    assert_eq!(files["user001/user/workflows/mine.json"], br#"{"a":1}"#);
    assert!(!files.contains_key("user001/input/face.png"));
    let page = String::from_utf8(files["user001/index.html"].clone()).unwrap();
    assert!(page.contains("output/picture_00001_.png") && page.contains("My picture"), "{page}");
    assert!(files.contains_key("user001/README.txt"));
    let with_inputs = unpacked(&anna.get("/user/user001/take-home.zip?inputs=1").await);
    assert_eq!(with_inputs["user001/input/face.png"], b"face");

    // Without a session, and with nothing else opened by it.
    let link = app.workshop.take_home_path(seat(1)).unwrap();
    let stranger = app.anonymous();
    let taken = stranger.get(&format!("{link}/download.zip")).await;
    assert_eq!(unpacked(&taken), files);
    let cache = taken.header("cache-control").unwrap();
    assert!(cache.contains("no-store"), "{cache}");
    assert!(taken.header("set-cookie").is_none());
    let secret = link.rsplit('/').next().unwrap();
    let joined = stranger.get(&format!("/join/{secret}")).await;
    assert_ne!(joined.header("location").as_deref(), Some("/user/user001"), "it is no join link");
    for wrong in ["/take-home/wrong", "/take-home/%2e%2e", &link[..link.len() - 1]] {
        assert_eq!(stranger.get(&format!("{wrong}/download.zip")).await.status, 404, "{wrong}");
    }
    let joined = app.workshop.join_links()[0].join_path.replace("/join/", "/take-home/");
    assert_eq!(stranger.get(&format!("{joined}/download.zip")).await.status, 404);

    let admin = Viewer::new([], true).require_admin().unwrap();
    app.workshop.rotate_link(admin, seat(1)).await.unwrap();
    assert_eq!(stranger.get(&format!("{link}/download.zip")).await.status, 404);
    let new = app.workshop.take_home_path(seat(1)).unwrap();
    assert_eq!(unpacked(&stranger.get(&format!("{new}/download.zip")).await), files);
}

#[tokio::test]
async fn a_seat_without_results_takes_home_what_it_has() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let files = unpacked(&anna.get("/user/user001/take-home.zip").await);
    assert!(files.contains_key("user001/index.html"));
    assert_eq!(anna.get("/user/user001/download.zip").await.status, 404);
}

#[tokio::test]
async fn results_are_the_seats_own_and_the_instructor_only_looks() {
    let app = TestApp::start().await;
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    let mut worker = app.worker().await;
    app.run(&anna, &mut worker, picture(1), &png(8, 8)).await;
    app.run(&ben, &mut worker, picture(2), &png(9, 9)).await;
    let annas = results(&app, 1).await[0].clone();
    let (id, job) = (annas.id, annas.job);
    let paths = [
        format!("results/{id}/thumbnail"),
        format!("jobs/{job}/workflow.json"),
        format!("download.zip?ids={id}"),
        "take-home.zip".to_owned(),
    ];
    let (stranger, instructor) = (app.anonymous(), app.admin().await);
    for path in &paths {
        let hers = format!("/user/user001/{path}");
        assert_eq!(anna.get(&hers).await.status, 200, "{path}");
        assert_eq!(ben.get(&hers).await.status, 404, "{path} of hers");
        assert_eq!(stranger.get(&hers).await.status, 401, "{path} by a stranger");
        assert_eq!(instructor.get(&hers).await.status, 200, "{path} by the instructor");
    }
    // By his own address, what is hers is not there.
    for path in &paths[..3] {
        assert_eq!(ben.get(&format!("/user/user002/{path}")).await.status, 404, "{path}");
    }
    let mixed = format!("/user/user002/download.zip?ids={id},{}", results(&app, 2).await[0].id);
    assert_eq!(unpacked(&ben.get(&mixed).await).len(), 1);

    for (function, form) in [
        ("set-favourite", format!("chosen=ids%3D{id}&is_favourite=true")),
        ("discard-results", format!("chosen=ids%3D{id}")),
        ("discard-results", "chosen=".to_owned()),
    ] {
        let path = format!("/api/{function}");
        let hers = format!("seat=user001&{form}");
        assert_eq!(ben.post_form(&path, &hers).await.status, 404, "{function}");
        assert_eq!(stranger.post_form(&path, &hers).await.status, 401, "{function} by a stranger");
        let looked = instructor.post_form(&path, &hers).await.status;
        assert!(matches!(looked, 403 | 404), "{function} by the instructor: {looked}");
    }
    let his = ben.post_form("/api/discard-results", &format!("seat=user002&chosen=ids%3D{id}")).await;
    assert_eq!(his.status, 404);
    let posted = instructor.post_form("/user/user001/download.zip", &format!("ids={id}")).await;
    assert!(matches!(posted.status, 403 | 404), "{}", posted.status);
    assert_eq!(results(&app, 1).await, [annas], "nobody changed what is hers");
}
