//! Requests that no client library would send, byte by byte: what one server takes for one
//! request and another for two, and paths that lead around a check.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::TestApp;

/// Far longer than any of these takes; the server closes when it is done.
const LIMIT: Duration = Duration::from_secs(20);

/// All that the server says until it closes.
async fn say(app: &TestApp, request: &str) -> String {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    // It may have heard enough before the end.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut heard = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut heard)).await;
    assert!(read.is_ok(), "{request:.80}: the connection stays open");
    String::from_utf8_lossy(&heard).into_owned()
}

fn statuses(answer: &str) -> Vec<&str> {
    answer.split("HTTP/1.1 ").skip(1).map(|rest| &rest[..3]).collect()
}

#[tokio::test]
async fn a_request_is_never_two() {
    let app = TestApp::start().await;
    let hidden = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for (headers, body, expected) in [
        ("Content-Length: 4\r\nTransfer-Encoding: chunked", "0\r\n\r\n", &["303"][..]),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4", "0\r\n\r\n", &["303"]),
        ("Content-Length: 4\r\nContent-Length: 5", "abcde", &["400"]),
        ("Content-Length: 4, 5", "abcde", &["400"]),
        ("Content-Length: +4", "abcd", &["400"]),
        ("Content-Length: 0x4", "abcd", &["400"]),
        ("Transfer-Encoding: xchunked", "0\r\n\r\n", &["400"]),
        ("Transfer-Encoding: chunked, identity", "0\r\n\r\n", &["400"]),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow", "0\r\n\r\n", &["400"]),
        ("Transfer-Encoding: \x0bchunked", "0\r\n\r\n", &["400"]),
        ("Transfer-Encoding : chunked", "0\r\n\r\n", &["400"]),
        ("X-Folded: a\r\n b", "", &["400"]),
        ("without a colon", "", &["400"]),
        ("X: a\rContent-Length: 5", "", &["400"]),
        ("X: a\0b", "", &["400"]),
    ] {
        let request = format!("POST /leave HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n{body}{hidden}");
        let answer = say(&app, &request).await;
        assert_eq!(statuses(&answer), expected, "{headers:?}");
    }
}

#[tokio::test]
async fn endless_heads_are_cut_off() {
    let app = TestApp::start().await;
    let many: String = (0..500).map(|number| format!("X{number}: a\r\n")).collect();
    for (line, headers, expected) in [
        ("GET /health HTTP/1.1".to_owned(), format!("X: {}\r\n", "a".repeat(1 << 20)), "431"),
        ("GET /health HTTP/1.1".to_owned(), many, "431"),
        (format!("GET /{} HTTP/1.1", "a".repeat(100_000)), String::new(), "414"),
    ] {
        let answer = say(&app, &format!("{line}\r\nHost: x\r\n{headers}\r\n")).await;
        // Where much was still on its way, the connection may be reset before the answer is read.
        assert!(answer.is_empty() || statuses(&answer) == [expected], "{line:.40}: {answer:.80}");
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_leads_to_another_seat_or_out() {
    let app = TestApp::start().await;
    let (anna, host) = (app.seat(1).await, app.address);
    let cookie = anna.cookie().unwrap();
    for path in [
        "/user/user002/comfy/api/queue",
        "//user/user002/comfy/api/queue",
        "/user/user001/../user002/comfy/api/queue",
        "/user/user001/%2e%2e/user002/comfy/api/queue",
        "/user/user001/comfy/..%2f..%2fuser002/comfy/api/queue",
        "/user/user001%2f..%2fuser002/comfy/api/queue",
        "/user/user%30%30%32/comfy/api/queue",
        "/user/USER002/comfy/api/queue",
        "/user/user002;user001/comfy/api/queue",
        "/user/user001\\..\\user002/comfy/api/queue",
        "/user/user001/comfy//api/../../../user002/comfy/api/queue",
        "/pkg/../../../../../../../etc/passwd",
        "/pkg/..%2f..%2f..%2f..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/user/user001/comfy/assets/../../../../../../../etc/passwd",
        "/user/user001/comfy/assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/../comfy-multi.sqlite",
        "http://x/user/user002/comfy/api/queue",
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
        let answer = say(&app, &request).await;
        assert!(["400", "404", "421"].contains(&statuses(&answer)[0]), "{path}: {answer}");
        assert!(!answer.contains("root:") && !answer.contains("SQLite format"), "{path}");
    }
}

#[tokio::test]
async fn no_header_changes_method_path_or_host() {
    let app = TestApp::start().await;
    let (anna, host) = (app.seat(1).await, app.address);
    let cookie = anna.cookie().unwrap();
    for header in ["X-HTTP-Method-Override: POST", "X-HTTP-Method: POST", "X-Method-Override: POST"] {
        let request = format!(
            "GET /user/user001/comfy/api/interrupt HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n{header}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(statuses(&say(&app, &request).await), ["405"], "{header}");
    }
    for header in [
        "X-Original-URL: /user/user002",
        "X-Rewrite-URL: /user/user002",
        "X-Forwarded-Host: evil.example",
        "Forwarded: host=evil.example",
        "X-Forwarded-Prefix: //evil.example",
    ] {
        let request =
            format!("GET /user/1 HTTP/1.1\r\nHost: {host}\r\n{header}\r\nConnection: close\r\n\r\n");
        let answer = say(&app, &request).await;
        assert!(
            answer.contains("\r\nlocation: /user/user001\r\n") && !answer.contains("evil.example"),
            "{header}: {answer}"
        );
    }
}
