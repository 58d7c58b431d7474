//! Small requests that would make the server work or remember much.

use domain::AccessMode;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Client, MAX_PROMPT_BYTES, Reply, TestApp};

async fn post(client: &Client, path: &str, body: impl Into<Vec<u8>>) -> Reply {
    let headers = [("content-type", "application/json")];
    client.send(Method::POST, &format!("{}{path}", client.base), &headers, body.into()).await
}

/// A graph whose picture has this width, as JSON writes it.
fn of_width(width: &str) -> String {
    format!(
        r#"{{"prompt":{{"1":{{"class_type":"EmptyImage","inputs":{{"width":{width},"height":64,"batch_size":1,"color":0}}}},
        "2":{{"class_type":"PreviewImage","inputs":{{"images":["1",0]}}}}}}}}"#
    )
}

#[tokio::test]
async fn json_that_no_editor_writes_is_refused() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let anna = app.seat(1).await;
    for (what, body) in [
        ("a number beyond all", of_width("1e999999")),
        ("a number of 50,000 digits", of_width(&"9".repeat(50_000))),
        ("a fraction of 50,000 digits", of_width(&format!("0.{}", "1".repeat(50_000)))),
        ("lists in lists", of_width(&("[".repeat(30_000) + &"]".repeat(30_000)))),
        ("objects in objects", of_width(&(r#"{"a":"#.repeat(5_000) + "1" + &"}".repeat(5_000)))),
        ("half a surrogate", r#"{"prompt":{"\ud800":{"class_type":"X","inputs":{}}}}"#.to_owned()),
        ("one key many times", format!(r#"{{"prompt":{{{}"1":{{}}}}}}"#, r#""1":{},"#.repeat(9_000))),
        ("a NaN", of_width("NaN")),
        ("an unfinished text", r#"{"prompt":""#.to_owned()),
    ] {
        let reply = post(&anna, "/api/prompt", body).await;
        assert_eq!(reply.status, 400, "{what}: {}", reply.text());
    }
    let reply = post(&anna, "/api/prompt", b"{\"prompt\":{\"\xff\xfe\":1}}".to_vec()).await;
    assert_eq!(reply.status, 400, "no UTF-8");
    assert_eq!(post(&anna, "/api/prompt", vec![b' '; MAX_PROMPT_BYTES + 1]).await.status, 413);
    for path in ["/api/queue", "/api/history", "/api/jobs/cancel", "/api/settings", "/api/settings/x"] {
        let nested = "[".repeat(30_000) + &"]".repeat(30_000);
        assert_eq!(post(&anna, path, nested).await.status, 400, "{path}");
        assert_eq!(post(&anna, path, vec![b' '; 3 << 20]).await.status, 413, "{path}");
    }
    let many = format!("[{}0]", "0,".repeat(100_000));
    assert_eq!(post(&anna, "/api/settings/x", many).await.status, 413);
    assert_eq!(post(&anna, "/api/interrupt", vec![b' '; 3 << 20]).await.status, 413);
}

#[tokio::test]
async fn long_chains_and_rings_of_nodes_are_walked_to_their_end() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let anna = app.seat(1).await;
    let invert = |source: String| json!({"class_type": "ImageInvert", "inputs": {"image": [source, 0]}});
    let mut ring: Map<String, Value> =
        (0..700).map(|node: u32| (node.to_string(), invert(((node + 1) % 700).to_string()))).collect();
    ring.insert("out".into(), json!({"class_type": "PreviewImage", "inputs": {"images": ["0", 0]}}));
    let reply = anna.comfy_post("/api/prompt", &json!({"prompt": ring.clone()})).await;
    assert_eq!(reply.status, 400, "a ring: {}", reply.text());
    ring["699"] = json!({"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}});
    let reply = anna.comfy_post("/api/prompt", &json!({"prompt": ring})).await;
    assert_eq!(reply.status, 200, "a chain: {}", reply.text());
    let id = "a".repeat(5_000);
    let mut picture = crate::support::picture(1);
    picture["client_id"] = id.clone().into();
    picture["prompt"]["2"]["_meta"]["title"] = "t".repeat(20_000).into();
    assert_eq!(anna.comfy_post("/api/prompt", &picture).await.status, 200);
    let queue = anna.comfy("/api/jobs").await.text();
    assert!(!queue.contains(&id), "what names no tab is not kept");
}

/// Sends a form's body piece by piece until the server has had enough, and gives its answer.
async fn endless_form(
    app: &TestApp,
    client: &Client,
    first: &str,
    then: &[u8],
    most: usize,
) -> Option<String> {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let head = format!(
        "POST /user/user001/comfy/api/upload/image HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nContent-Type: multipart/form-data; boundary=X\r\nContent-Length: 99999999999\r\n\r\n{first}",
        app.address,
        client.cookie().unwrap()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut sent = 0;
    let mut answer = vec![0; 4096];
    while sent < most {
        if stream.write_all(then).await.is_err() {
            return Some(String::new());
        }
        sent += then.len();
        if let Ok(read) = stream.try_read(&mut answer) {
            return Some(String::from_utf8_lossy(&answer[..read]).into_owned());
        }
    }
    let read = tokio::time::timeout(std::time::Duration::from_secs(2), stream.read(&mut answer)).await;
    read.ok().map(|read| String::from_utf8_lossy(&answer[..read.unwrap_or(0)]).into_owned())
}

#[tokio::test]
async fn a_form_without_end_is_not_kept() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let name = "--X\r\nContent-Disposition: form-data; name=\"";
    for (what, first, then) in [
        ("a header without end", name, "a".repeat(64 << 10)),
        ("headers without end", "--X\r\n", "X-Y: z\r\n".repeat(8 << 10)),
        ("what comes before the first part", "", "a".repeat(64 << 10)),
        (
            "parts without end",
            "--X\r\n",
            "Content-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n--X\r\n".repeat(100),
        ),
        (
            "a text without end",
            "--X\r\nContent-Disposition: form-data; name=\"subfolder\"\r\n\r\n",
            "a".repeat(64 << 10),
        ),
        (
            "a file without end",
            "--X\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n",
            "a".repeat(64 << 10),
        ),
    ] {
        let answer = endless_form(&app, &anna, first, then.as_bytes(), 16 << 20).await;
        let answer = answer.unwrap_or_else(|| panic!("{what}: the server goes on listening"));
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{what}: {answer}");
    }
    let whole = anna.upload("fine.png", &[0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 3]).await;
    assert_eq!(whole.status, 200, "{}", whole.text());
}

#[tokio::test]
async fn a_picture_that_claims_to_be_huge_is_not_opened() {
    let app = TestApp::start_in(AccessMode::Open).await;
    let mut anna = app.anonymous();
    anna.base = "/user/user001/comfy".into();
    let png = |width: u32, height: u32| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::DynamicImage::new_rgb8(1, 1).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        let mut bytes = bytes.into_inner();
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        // The checksum of the header, so that it is believed.
        let divide = |rest: u32, _| if rest & 1 == 1 { rest >> 1 ^ 0xEDB8_8320 } else { rest >> 1 };
        let sum =
            !bytes[12..29].iter().fold(u32::MAX, |rest, byte| (0..8).fold(rest ^ u32::from(*byte), divide));
        bytes[29..33].copy_from_slice(&sum.to_be_bytes());
        bytes
    };
    for (width, height) in [(65_536, 65_536), (60_000, 1), (1, 60_000), (16_000, 16_000)] {
        let name = format!("{width}-{height}.png");
        assert_eq!(anna.upload(&name, &png(width, height)).await.status, 200);
        for query in ["preview=webp;90", "preview=jpeg", "channel=rgb", "channel=a"] {
            let reply = anna.comfy(&format!("/api/view?filename={name}&type=input&{query}")).await;
            assert_eq!(reply.status, 413, "{width} × {height}: {query}: {}", reply.text());
        }
        let body = format!(
            "--X\r\nContent-Disposition: form-data; name=\"original_ref\"\r\n\r\n{{\"filename\":\"{name}\",\"type\":\"input\"}}\r\n--X\r\nContent-Disposition: form-data; name=\"image\"; filename=\"m.png\"\r\n\r\n"
        );
        let mut body = body.into_bytes();
        body.extend(png(width, height));
        body.extend(b"\r\n--X--\r\n");
        let headers = [("content-type", "multipart/form-data; boundary=X")];
        let reply = anna.send(Method::POST, "/user/user001/comfy/api/upload/mask", &headers, body).await;
        assert_eq!(reply.status, 413, "{width} × {height}: {}", reply.text());
    }
}

#[tokio::test]
async fn participants_bodies_are_never_unpacked() {
    use std::io::Write;
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b' '; 4 << 20]).unwrap();
    let packed = packed.finish().unwrap();
    for path in ["/api/prompt", "/api/queue", "/api/settings", "/api/userdata/x.json"] {
        for coding in ["gzip", "deflate", "br", "zstd"] {
            let headers = [("content-encoding", coding), ("content-type", "application/json")];
            let reply =
                anna.send(Method::POST, &format!("{}{path}", anna.base), &headers, packed.clone()).await;
            let kept = reply.status == 200;
            assert!(!kept || path.contains("userdata"), "{path} {coding}: {}", reply.text());
        }
    }
    assert_eq!(anna.comfy("/api/userdata/x.json").await.bytes, packed, "kept as it came");
}
