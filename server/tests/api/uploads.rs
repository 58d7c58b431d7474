//! Uploads in pieces, as any tus client makes them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::AccessMode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Reply, TestApp, picture};

const TUS: (&str, &str) = ("tus-resumable", "1.0.0");
const STREAM: (&str, &str) = ("content-type", "application/offset+octet-stream");
const PNG_HEAD: &[u8] = b"\x89PNG\r\n\x1a\n";

fn metadata(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(key, value)| format!("{key} {}", STANDARD.encode(value)));
    pairs.collect::<Vec<_>>().join(",")
}

/// A safetensors file with one tensor of so many bytes.
fn model(bytes: usize) -> Vec<u8> {
    let header = json!({
        "__metadata__": {"made": "here"},
        "weight": {"dtype": "U8", "shape": [bytes], "data_offsets": [0, bytes]},
    })
    .to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.resize(file.len() + bytes, 7);
    file
}

fn sha256(content: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    format!("{:x}", Sha256::digest(content))
}

async fn create(client: &Client, seat: &str, length: usize, pairs: &[(&str, &str)]) -> Reply {
    let (length, metadata) = (length.to_string(), metadata(pairs));
    let headers = [TUS, ("upload-length", &length), ("upload-metadata", &metadata)];
    client.send(Method::POST, &format!("/user/{seat}/uploads"), &headers, Vec::new()).await
}

/// Begins an upload of seat 1 and gives its address.
async fn begin(client: &Client, length: usize, pairs: &[(&str, &str)]) -> String {
    let reply = create(client, "user001", length, pairs).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert_eq!(reply.header("tus-resumable").as_deref(), Some("1.0.0"));
    reply.header("location").unwrap()
}

async fn patch(client: &Client, upload: &str, offset: usize, content: &[u8]) -> Reply {
    let offset = offset.to_string();
    client.send(Method::PATCH, upload, &[TUS, STREAM, ("upload-offset", &offset)], content.to_vec()).await
}

async fn head(client: &Client, upload: &str) -> (u16, Option<String>) {
    let reply = client.send(Method::HEAD, upload, &[TUS], Vec::new()).await;
    (reply.status, reply.header("upload-offset"))
}

fn error_type(reply: &Reply) -> String {
    reply.json()["error"]["type"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_file_comes_in_pieces_and_is_there() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let content = [PNG_HEAD, &[5; 3000]].concat();
    let hash = sha256(&content);
    let upload = begin(&anna, content.len(), &[("filename", "C:\\x\\face.png"), ("sha256", &hash)]).await;
    assert_eq!(head(&anna, &upload).await, (200, Some("0".into())));
    let reply = patch(&anna, &upload, 0, &content[..1000]).await;
    assert_eq!((reply.status, reply.header("upload-offset")), (204, Some("1000".into())));
    assert!(reply.header("upload-expires").is_some());

    let wrong = patch(&anna, &upload, 999, &content[999..]).await;
    assert_eq!((wrong.status, error_type(&wrong).as_str()), (409, "wrong_offset"));
    let too_much = patch(&anna, &upload, 1000, &[0; 5000]).await;
    assert_eq!(too_much.status, 413);
    assert_eq!(anna.comfy("/api/view?filename=face.png&type=input").await.status, 404);

    // The open ones are listed, for a page that was reloaded.
    let listed = anna.get("/user/user001/uploads").await.json();
    assert_eq!(listed[0]["filename"], "face.png");
    assert_eq!((&listed[0]["offset"], &listed[0]["length"]), (&json!(1000), &json!(content.len())));

    assert_eq!(patch(&anna, &upload, 1000, &content[1000..]).await.status, 204);
    assert_eq!(anna.comfy("/api/view?filename=face.png&type=input").await.bytes, content);
    assert_eq!(head(&anna, &upload).await, (200, Some(content.len().to_string())));
    let read = anna.get(&upload).await.json();
    assert_eq!(read["outcome"], json!({"stored": {"folder": "", "name": "face.png"}}));
    assert_eq!(anna.get("/user/user001/uploads").await.json(), json!([]));
    // A client that missed the answer asks again, and nothing is stored twice.
    assert_eq!(patch(&anna, &upload, content.len(), b"").await.status, 204);
}

#[tokio::test]
async fn a_cut_connection_and_a_restart_lose_nothing_that_arrived() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let content = vec![3; 2_500_000];
    let hash = sha256(&content);
    let upload = begin(&anna, content.len(), &[("filename", "clip.mp4"), ("sha256", &hash)]).await;
    cut_off(app.address, &anna, &upload, content.len(), &content[..1_200_000]).await;
    // The server has seen the end of the connection once it lets another go on.
    let arrived = loop {
        let (status, offset) = head(&anna, &upload).await;
        assert_eq!(status, 200);
        let offset: usize = offset.unwrap().parse().unwrap();
        if offset == 1_200_000 && patch(&anna, &upload, offset, b"").await.status == 204 {
            break offset;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(patch(&anna, &upload, arrived, &content[arrived..1_300_000]).await.status, 204);

    let app = app.restart().await;
    let mut again = app.anonymous();
    again.take_cookie_of(&anna);
    again.base.clone_from(&anna.base);
    assert_eq!(head(&again, &upload).await, (200, Some("1300000".into())));
    assert_eq!(patch(&again, &upload, 1_300_000, &content[1_300_000..]).await.status, 204);
    assert_eq!(again.comfy("/api/view?filename=clip.mp4&type=input").await.bytes, content);
}

/// Sends the beginning of a body that is announced as the whole, then hangs up.
async fn cut_off(
    address: std::net::SocketAddr,
    client: &Client,
    upload: &str,
    length: usize,
    beginning: &[u8],
) {
    use tokio::io::AsyncWriteExt;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = patch_head(address, client, upload, length);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(beginning).await.unwrap();
    stream.shutdown().await.unwrap();
}

#[tokio::test]
async fn only_one_request_sends_an_upload_at_a_time() {
    use tokio::io::AsyncWriteExt;
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let upload = begin(&anna, 3 << 20, &[("filename", "a.bin")]).await;
    let mut first = tokio::net::TcpStream::connect(app.address).await.unwrap();
    first.write_all(patch_head(app.address, &anna, &upload, 3 << 20).as_bytes()).await.unwrap();
    first.write_all(&vec![0; 1 << 20]).await.unwrap();
    while head(&anna, &upload).await.1 != Some((1 << 20).to_string()) {
        tokio::task::yield_now().await;
    }
    let busy = patch(&anna, &upload, 1 << 20, b"x").await;
    assert_eq!((busy.status, error_type(&busy).as_str()), (423, "upload_busy"));
    let cancelled = anna.send(Method::DELETE, &upload, &[TUS], Vec::new()).await;
    assert_eq!(cancelled.status, 423);
}

/// The head of a request that announces a body of so many bytes.
fn patch_head(address: std::net::SocketAddr, client: &Client, upload: &str, length: usize) -> String {
    format!(
        "PATCH {upload} HTTP/1.1\r\nHost: {address}\r\nCookie: {}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n\
         Content-Type: application/offset+octet-stream\r\nContent-Length: {length}\r\n\r\n",
        client.cookie().unwrap()
    )
}

#[tokio::test]
async fn a_wrong_hash_is_refused_and_the_bytes_are_dropped() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let upload = begin(&anna, 3, &[("filename", "a.txt"), ("sha256", &sha256(b"abd"))]).await;
    let refused = patch(&anna, &upload, 0, b"abc").await;
    assert_eq!((refused.status, error_type(&refused).as_str()), (460, "wrong_hash"));
    assert!(refused.text().contains(&sha256(b"abc")), "{}", refused.text());
    assert_eq!(head(&anna, &upload).await.0, 410);
    assert_eq!(anna.comfy("/api/view?filename=a.txt&type=input").await.status, 404);
    let seat_folder = app.folder.path().join("seats/user001/uploads");
    while std::fs::read_dir(&seat_folder).unwrap().next().is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(create(&anna, "user001", 3, &[("filename", "a"), ("sha256", "xyz")]).await.status, 400);
}

#[tokio::test]
async fn a_model_is_judged_before_it_is_offered() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let lora = |name| [("filename", name), ("kind", "model"), ("folder", "loras")];
    let no_engine = create(&anna, "user001", 10, &lora("a.safetensors")).await;
    assert_eq!(no_engine.status, 400, "{}", no_engine.text());
    let _worker = app.worker().await;

    for name in ["a.ckpt", "a.pt", "a.pth", "a.bin", "a.pkl"] {
        let pickle = create(&anna, "user001", 10, &lora(name)).await;
        assert_eq!((pickle.status, error_type(&pickle).as_str()), (415, "pickle"), "{name}");
        assert!(pickle.text().contains("run code") && pickle.text().contains(".safetensors"));
    }
    assert_eq!(create(&anna, "user001", 10, &lora("a.zip")).await.status, 415);
    for folder in ["nowhere", "..", "a/b", ""] {
        let pairs = [("filename", "a.safetensors"), ("kind", "model"), ("folder", folder)];
        let status = create(&anna, "user001", 10, &pairs).await.status;
        assert!((400..=403).contains(&status), "{folder}: {status}");
    }

    let mut broken = model(100);
    broken.truncate(150);
    let upload = begin(&anna, broken.len(), &lora("cut.safetensors")).await;
    let refused = patch(&anna, &upload, 0, &broken).await;
    assert_eq!((refused.status, error_type(&refused).as_str()), (422, "bad_model"), "{}", refused.text());

    let sound = model(100);
    let upload = begin(&anna, sound.len(), &lora("mine.safetensors")).await;
    assert_eq!(patch(&anna, &upload, 0, &sound).await.status, 204);
    let again = create(&anna, "user001", sound.len(), &lora("mine.safetensors")).await;
    assert_eq!((again.status, error_type(&again).as_str()), (422, "name_taken"));
    let seat = domain::SeatId::new(1).unwrap();
    let models = app.workshop.seat_models(seat).await.unwrap();
    assert_eq!(models.len(), 1);
    assert_eq!((models[0].folder.as_str(), models[0].name.as_str()), ("loras", "mine.safetensors"));
    assert_eq!(models[0].sha256, sha256(&sound));
    assert_eq!(models[0].metadata.as_deref(), Some(r#"{"made":"here"}"#));
}

#[tokio::test]
async fn a_page_named_as_a_picture_is_refused_with_the_reason() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let page = b"<!DOCTYPE html><script>alert(1)</script>";
    let upload = begin(&anna, page.len(), &[("filename", "a.png")]).await;
    let refused = patch(&anna, &upload, 0, page).await;
    assert_eq!((refused.status, error_type(&refused).as_str()), (415, "wrong_content"));
    assert!(refused.text().contains("web page"), "{}", refused.text());
    let editors = anna.upload("a.png", page).await;
    assert_eq!((editors.status, error_type(&editors).as_str()), (415, "wrong_content"));
    // Under its own name it is kept as plain bytes.
    let upload = begin(&anna, page.len(), &[("filename", "a.html")]).await;
    assert_eq!(patch(&anna, &upload, 0, page).await.status, 204);
    let kept = anna.comfy("/api/view?filename=a.html&type=input").await;
    assert_eq!(kept.header("content-type").as_deref(), Some("application/octet-stream"));
}

#[tokio::test]
async fn the_editors_videos_and_sounds_keep_their_types() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    for (name, media_type) in [
        ("a.png", "image/png"),
        ("a.mp4", "video/mp4"),
        ("a.webm", "video/webm"),
        ("a.mov", "video/quicktime"),
        ("a.wav", "audio/wav"),
        ("a.mp3", "audio/mpeg"),
        ("a.flac", "audio/flac"),
    ] {
        assert_eq!(anna.upload(name, b"content").await.status, 200, "{name}");
        let shown = anna.comfy(&format!("/api/view?filename={name}&type=input")).await;
        assert_eq!(shown.header("content-type").as_deref(), Some(media_type), "{name}");
        assert_eq!(shown.header("x-content-type-options").as_deref(), Some("nosniff"));
    }
}

#[tokio::test]
async fn an_upload_is_its_seats_alone() {
    let app = TestApp::start().await;
    let (anna, ben, admin) = (app.seat(1).await, app.seat(2).await, app.admin().await);
    let upload = begin(&anna, 10, &[("filename", "a.bin")]).await;
    for client in [&ben, &app.anonymous()] {
        let status = head(client, &upload).await.0;
        assert!(matches!(status, 401 | 404), "{status}");
        let status = patch(client, &upload, 0, b"x").await.status;
        assert!(matches!(status, 401 | 404), "{status}");
    }
    // Nor is it under his own address.
    let id = upload.rsplit('/').next().unwrap();
    let elsewhere = format!("/user/user002/uploads/{id}");
    assert_eq!(head(&ben, &elsewhere).await.0, 404);
    assert_eq!(patch(&ben, &elsewhere, 0, b"x").await.status, 404);
    assert_eq!(ben.send(Method::DELETE, &elsewhere, &[TUS], Vec::new()).await.status, 404);
    assert_eq!(head(&ben, "/user/user002/uploads/not-an-id").await.0, 404);
    // The instructor looks and changes nothing.
    assert_eq!(head(&admin, &upload).await.0, 200);
    assert_eq!(patch(&admin, &upload, 0, b"x").await.status, 403);
    assert_eq!(create(&admin, "user001", 10, &[("filename", "a.bin")]).await.status, 403);
    assert_eq!(head(&anna, &upload).await, (200, Some("0".into())));
}

#[tokio::test]
async fn the_protocol_is_spoken_to_the_letter() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let options = anna.send(Method::OPTIONS, "/user/user001/uploads", &[], Vec::new()).await;
    assert_eq!(options.status, 204);
    assert_eq!(options.header("tus-version").as_deref(), Some("1.0.0"));
    assert_eq!(options.header("tus-extension").as_deref(), Some("creation,expiration,termination"));
    assert_eq!(options.header("tus-max-size").as_deref(), Some("107374182400"));

    let unversioned =
        anna.send(Method::POST, "/user/user001/uploads", &[("upload-length", "1")], Vec::new()).await;
    assert_eq!((unversioned.status, unversioned.header("tus-version").as_deref()), (412, Some("1.0.0")));
    let no_length = anna.send(Method::POST, "/user/user001/uploads", &[TUS], Vec::new()).await;
    assert_eq!(no_length.status, 400);
    let no_name = create(&anna, "user001", 1, &[]).await;
    assert_eq!(no_name.status, 400);
    let huge = create(&anna, "user001", 21 << 30, &[("filename", "a.bin")]).await;
    assert_eq!((huge.status, error_type(&huge).as_str()), (413, "too_large"));

    let upload = begin(&anna, 2, &[("filename", "a.bin"), ("note", "x")]).await;
    let plain = [TUS, ("content-type", "text/plain"), ("upload-offset", "0")];
    assert_eq!(anna.send(Method::PATCH, &upload, &plain, b"ab".to_vec()).await.status, 415);
    let overridden = [TUS, STREAM, ("upload-offset", "0"), ("x-http-method-override", "PATCH")];
    assert_eq!(anna.send(Method::POST, &upload, &overridden, b"a".to_vec()).await.status, 204);
    let looked = anna.send(Method::HEAD, &upload, &[TUS], Vec::new()).await;
    assert_eq!(looked.header("upload-length").as_deref(), Some("2"));
    assert_eq!(looked.header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(looked.header("upload-metadata"), Some(metadata(&[("filename", "a.bin"), ("note", "x")])));
    assert_eq!(anna.send(Method::DELETE, &upload, &[TUS], Vec::new()).await.status, 204);
    assert_eq!(head(&anna, &upload).await.0, 404);

    // One without a byte is whole at once.
    let empty = begin(&anna, 0, &[("filename", "empty.txt"), ("subfolder", "notes")]).await;
    assert_eq!(anna.get(&empty).await.json()["outcome"]["stored"]["folder"], "notes");
}

#[tokio::test]
async fn an_upload_that_nobody_goes_on_with_expires_after_a_day() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let upload = begin(&anna, 10, &[("filename", "a.bin")]).await;
    let other = begin(&anna, 10, &[("filename", "b.bin")]).await;
    app.clock.advance(Duration::from_secs(23 * 3600));
    assert_eq!(patch(&anna, &other, 0, b"x").await.status, 204);
    app.clock.advance(Duration::from_secs(2 * 3600));
    assert_eq!(head(&anna, &upload).await.0, 404);
    assert_eq!(head(&anna, &other).await, (200, Some("1".into())));
    app.workshop.expire_uploads().await.unwrap();
    let parts = std::fs::read_dir(app.folder.path().join("seats/user001/uploads")).unwrap();
    assert_eq!(parts.count(), 1);
}

fn message(reply: &Reply) -> String {
    reply.json()["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_seat_over_its_quota_is_told_what_to_delete() {
    let app = TestApp::start_with(AccessMode::Link, "SEAT_QUOTA_BYTES=20000").await;
    let _worker = app.worker().await;
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    assert_eq!(anna.upload("big.png", &[1; 12_000]).await.status, 200);
    let refused = create(&anna, "user001", 10_000, &[("filename", "b.bin")]).await;
    assert_eq!((refused.status, error_type(&refused).as_str()), (507, "no_room"));
    let words = message(&refused);
    assert!(words.contains("12.0 kB of your 20.0 kB"), "{words}");
    assert!(words.contains("needs 10.0 kB more") && words.contains("input/big.png (12.0 kB)"), "{words}");

    // What is announced is reserved; ben's room is his own.
    let upload = begin(&anna, 7_000, &[("filename", "c.bin")]).await;
    assert_eq!(create(&anna, "user001", 7_000, &[("filename", "d.bin")]).await.status, 507);
    assert_eq!(create(&ben, "user002", 7_000, &[("filename", "d.bin")]).await.status, 201);
    // The editor's own uploads and files obey as well.
    let editors = anna.upload("more.png", &[2; 9_000]).await;
    assert_eq!((editors.status, error_type(&editors).as_str()), (507, "no_room"));
    let saved = anna.comfy_post("/api/userdata/workflows%2Fa.json", &json!("x".repeat(9_000))).await;
    assert_eq!(saved.status, 507);
    anna.queue(&picture(1)).await;
    assert_eq!(patch(&anna, &upload, 0, &[0; 7_000]).await.status, 204);

    // Results came on top: what runs finishes, and nothing more is queued.
    std::fs::write(app.folder.path().join("seats/user001/output/result.png"), vec![0; 9_000]).unwrap();
    app.workshop.files_came(domain::SeatId::new(1).unwrap(), 9_000);
    let mut graph = picture(2);
    graph["client_id"] = json!("tab");
    let over = anna.comfy_post("/api/prompt", &graph).await;
    assert_eq!((over.status, error_type(&over).as_str()), (507, "no_room"));
    assert_eq!(over.json()["node_errors"], json!({}));

    // Deleting makes room at once.
    std::fs::remove_file(app.folder.path().join("seats/user001/input/big.png")).unwrap();
    assert_eq!(anna.comfy_post("/api/prompt", &graph).await.status, 200);
}

#[tokio::test]
async fn the_trash_is_emptied_before_anybody_is_refused() {
    use workshop::files::{FileLocation, FolderKind};
    use workshop::trash::Discard;
    let app = TestApp::start_with(AccessMode::Link, "SEAT_QUOTA_BYTES=20000").await;
    let anna = app.seat(1).await;
    let seat = domain::SeatId::new(1).unwrap();
    assert_eq!(anna.upload("big.png", &[1; 15_000]).await.status, 200);
    let location = FileLocation::parse(FolderKind::Input, "", "big.png").unwrap();
    app.workshop.discard(seat, vec![Discard::Input(location)]).await.unwrap();
    assert_eq!(app.workshop.trash(seat).await.unwrap().len(), 1);
    assert_eq!(create(&anna, "user001", 15_000, &[("filename", "b.bin")]).await.status, 201);
    assert!(app.workshop.trash(seat).await.unwrap().is_empty());
}

#[tokio::test]
async fn all_seats_share_the_total_and_the_disk() {
    let app = TestApp::start_with(AccessMode::Link, "TOTAL_QUOTA_BYTES=20000").await;
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    assert_eq!(anna.upload("big.png", &[1; 15_000]).await.status, 200);
    let refused = create(&ben, "user002", 10_000, &[("filename", "b.bin")]).await;
    assert_eq!(refused.status, 507);
    assert!(message(&refused).starts_with("The workshop's files take"), "{}", refused.text());
    assert!(!message(&refused).contains("big.png"), "nobody learns of another's files");

    let app = TestApp::start_with(AccessMode::Link, "MIN_FREE_BYTES=1000000GiB").await;
    let refused = create(&app.seat(1).await, "user001", 1, &[("filename", "b.bin")]).await;
    assert_eq!(refused.status, 507);
    assert!(message(&refused).contains("disk"), "{}", refused.text());
}

#[tokio::test]
async fn open_pages_hear_of_new_files() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let seat = domain::SeatId::new(1).unwrap();
    let revision = async || app.workshop.seat_overview(seat).await.unwrap().files_revision;
    let before = revision().await;
    assert_eq!(anna.upload("a.png", PNG_HEAD).await.status, 200);
    let after_editor = revision().await;
    assert!(after_editor > before);
    let upload = begin(&anna, 1, &[("filename", "b.txt")]).await;
    let after_begin = revision().await;
    assert!(after_begin > after_editor);
    patch(&anna, &upload, 0, b"b").await;
    assert!(revision().await > after_begin);
    let _: Value = anna.get("/user/user001/uploads").await.json();
}

#[tokio::test]
async fn a_deleted_model_leaves_the_list_and_undoing_brings_it_back_whole() {
    use workshop::files::FileName;
    use workshop::trash::Discard;
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let anna = app.seat(1).await;
    let seat = domain::SeatId::new(1).unwrap();
    let content = model(100);
    let pairs = [("filename", "mine.safetensors"), ("kind", "model"), ("folder", "loras")];
    let upload = begin(&anna, content.len(), &pairs).await;
    assert_eq!(patch(&anna, &upload, 0, &content).await.status, 204);
    let before = app.workshop.seat_models(seat).await.unwrap();
    let name = |text: &str| FileName::parse(text).unwrap();
    let discard = Discard::Model { folder: name("loras"), name: name("mine.safetensors") };
    let trash = app.workshop.discard(seat, vec![discard]).await.unwrap();
    assert!(app.workshop.seat_models(seat).await.unwrap().is_empty());
    let file = app.folder.path().join("seats/user001/models/loras/mine.safetensors");
    assert!(!file.exists());
    app.workshop.restore(seat, trash).await.unwrap();
    assert_eq!(app.workshop.seat_models(seat).await.unwrap(), before);
    assert_eq!(std::fs::read(file).unwrap(), content);
}
