//! Who gets in, and what everyone else is told.

use domain::AccessMode;
use reqwest::Method;
use serde_json::json;

use crate::support::{TestApp, WORKER_TOKEN};

#[tokio::test]
async fn without_a_session_nothing_is_answered_and_the_message_says_what_to_do() {
    let app = TestApp::start().await;
    let mut stranger = app.anonymous();
    stranger.base = "/user/user001/comfy".into();
    for path in [
        "/",
        "/api/queue",
        "/queue",
        "/api/history",
        "/api/jobs",
        "/api/settings",
        "/api/object_info",
        "/api/userdata?dir=workflows",
        "/api/view?filename=a.png",
    ] {
        let reply = stranger.comfy(path).await;
        assert_eq!(reply.status, 401, "{path}: {}", reply.text());
        assert!(reply.text().contains("join link"), "{path}: {}", reply.text());
    }
    let reply = stranger.comfy_post("/api/prompt", &json!({"prompt": {}})).await;
    assert_eq!(reply.status, 401);
    assert!(reply.json()["error"]["message"].as_str().unwrap().contains("join link"));
    assert_eq!(stranger.try_socket("").await.err(), Some(401));
}

#[tokio::test]
async fn a_forged_session_is_no_session() {
    let app = TestApp::start().await;
    let mut forger = app.anonymous();
    forger.base = "/user/user001/comfy".into();
    forger.set_cookie("comfy_multi=AAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(forger.comfy("/api/queue").await.status, 401);
    forger.set_cookie("comfy_multi=%00garbage; comfy_multi=user001");
    assert_eq!(forger.comfy("/api/queue").await.status, 401);
}

#[tokio::test]
async fn another_seats_address_is_not_found() {
    let app = TestApp::start().await;
    let mut seat = app.seat(1).await;
    seat.base = "/user/user002/comfy".into();
    for path in ["/", "/api/queue", "/api/history", "/api/jobs", "/api/object_info", "/internal/files/input"]
    {
        assert_eq!(seat.comfy(path).await.status, 404, "{path}");
    }
    assert_eq!(seat.comfy_post("/api/prompt", &json!({"prompt": {}})).await.status, 404);
    assert_eq!(seat.try_socket("").await.err(), Some(404));
    seat.base = "/user/user999/comfy".into();
    assert_eq!(seat.comfy("/api/queue").await.status, 404);
}

#[tokio::test]
async fn a_wrong_join_link_says_so() {
    let app = TestApp::start().await;
    let reply = app.anonymous().get("/join/secret-of-somebody").await;
    assert_eq!((reply.status, reply.header("location").as_deref()), (303, Some("/?notice=bad-link")));
    assert_eq!(reply.header("set-cookie"), None);
}

#[tokio::test]
async fn a_session_outlives_the_server() {
    let app = TestApp::start().await;
    let seat = app.seat(1).await;
    let cookie = seat.clone();
    let app = app.restart().await;
    let mut again = app.anonymous();
    again.base = "/user/user001/comfy".into();
    again.take_cookie_of(&cookie);
    assert_eq!(again.comfy("/api/queue").await.status, 200);
}

#[tokio::test]
async fn in_an_open_room_choosing_a_seat_is_enough() {
    let app = TestApp::start_in(AccessMode::Open).await;
    let mut visitor = app.anonymous();
    let reply = visitor.post_form("/open", "seat=2").await;
    assert_eq!((reply.status, reply.header("location").as_deref()), (303, Some("/user/user002")));
    visitor.keep_cookie(&reply);
    visitor.base = "/user/user002/comfy".into();
    assert_eq!(visitor.comfy("/api/queue").await.status, 200);
    let reply = visitor.post_form("/open", "seat=77").await;
    assert_eq!(reply.header("location").as_deref(), Some("/?notice=no-such-seat"));
}

#[tokio::test]
async fn in_a_closed_room_seats_cannot_be_chosen() {
    let app = TestApp::start().await;
    let reply = app.anonymous().post_form("/open", "seat=2").await;
    assert_eq!(reply.header("location").as_deref(), Some("/?notice=no-such-seat"));
    assert_eq!(reply.header("set-cookie"), None);
}

#[tokio::test]
async fn only_the_password_makes_an_instructor() {
    let app = TestApp::start().await;
    let reply = app.anonymous().post_form("/admin/login", "password=guess").await;
    assert_eq!(reply.header("location").as_deref(), Some("/admin/login?notice=wrong-password"));
    assert_eq!(reply.header("set-cookie"), None);
    let admin = app.admin().await;
    assert_eq!(admin.get("/admin/live").await.status, 400, "a socket, not a page: but let in");
    assert_eq!(app.seat(1).await.get("/admin/live").await.status, 404);
    assert_eq!(app.anonymous().get("/admin/live").await.status, 401);
}

#[tokio::test]
async fn another_sites_page_cannot_act_for_a_participant() {
    let app = TestApp::start().await;
    let seat = app.seat(1).await;
    let headers = [("origin", "https://evil.example"), ("content-type", "application/json")];
    let reply = seat.send(Method::POST, "/user/user001/comfy/api/interrupt", &headers, b"{}".to_vec()).await;
    assert_eq!(reply.status, 403);
    let own = format!("http://{}", app.address);
    let headers = [("origin", own.as_str()), ("content-type", "application/json")];
    let reply = seat.send(Method::POST, "/user/user001/comfy/api/interrupt", &headers, b"{}".to_vec()).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn workers_need_the_token_and_participants_are_not_workers() {
    let app = TestApp::start().await;
    let seat = app.seat(1).await;
    assert_eq!(seat.get("/worker/v1/config").await.status, 401);
    let wrong = [("authorization", "Bearer wrong")];
    assert_eq!(seat.send(Method::GET, "/worker/v1/config", &wrong, Vec::new()).await.status, 401);
    let bearer = format!("Bearer {WORKER_TOKEN}");
    let right = [("authorization", bearer.as_str())];
    assert_eq!(seat.send(Method::GET, "/worker/v1/config", &right, Vec::new()).await.status, 200);
}

#[tokio::test]
async fn typed_seat_addresses_lead_to_the_seats_own() {
    let app = TestApp::start().await;
    for typed in ["1", "001", "user1", "user001/"] {
        let reply = app.anonymous().get(&format!("/user/{typed}")).await;
        assert_eq!(
            (reply.status, reply.header("location").as_deref()),
            (308, Some("/user/user001")),
            "{typed}"
        );
    }
    let seat = app.seat(1).await;
    let reply = seat.get("/user/user001/comfy").await;
    assert_eq!((reply.status, reply.header("location").as_deref()), (308, Some("/user/user001/comfy/")));
}

#[tokio::test]
async fn health_is_the_process_and_ready_is_what_it_needs() {
    let app = TestApp::start().await;
    let anyone = app.anonymous();
    assert_eq!(anyone.get("/health").await.status, 200);
    let reply = anyone.get("/ready").await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.json()["dependencies"]["database"], "ok");
    assert_ne!(reply.json()["dependencies"]["worker"], "ok");
    let _worker = app.worker().await;
    let reply = anyone.get("/ready").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    app.queue.set_away(true);
    let reply = anyone.get("/ready").await;
    assert_eq!(reply.status, 503);
    assert_ne!(reply.json()["dependencies"]["redis"], "ok");
}

#[tokio::test]
async fn the_admin_password_cannot_be_guessed_at_leisure() {
    let app = TestApp::start().await;
    let guess = || async { app.anonymous().post_form("/admin/login", "password=guess").await };
    for _ in 0..20 {
        assert_eq!(guess().await.status, 303);
    }
    let refused = guess().await;
    assert_eq!((refused.status, refused.header("retry-after").as_deref()), (429, Some("60")));
    assert!(refused.text().contains("Wait a minute"), "{}", refused.text());
    let right = app.anonymous().post_form("/admin/login", "password=instructor").await;
    assert_eq!(right.status, 429, "the right one is not told from a wrong one");
}

#[tokio::test]
async fn over_tls_the_session_belongs_to_this_very_host() {
    let app = TestApp::start_with(AccessMode::Link, "PUBLIC_URL=https://workshop.example\n").await;
    let link = app.workshop.join_links().remove(0);
    let reply = app.anonymous().get(&link.join_path).await;
    let cookie = reply.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-comfy_multi="), "{cookie}");
    for part in ["; HttpOnly", "; Secure", "; SameSite=Lax", "; Path=/"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(!cookie.to_lowercase().contains("domain="), "{cookie}");
}

#[tokio::test]
async fn a_name_that_a_stranger_pointed_here_is_not_answered() {
    let app = TestApp::start_in(AccessMode::Open).await;
    let mut rebound = app.anonymous();
    rebound.host = Some("evil.example".into());
    // In an open room nobody needs a session: the name is all that gives such a page away.
    let origin = [("origin", "http://evil.example")];
    for path in ["/", "/admin/login", "/user/user001/comfy/api/queue", "/user/user001"] {
        let reply = rebound.send(Method::GET, path, &origin, Vec::new()).await;
        assert_eq!(reply.status, 421, "{path}");
        assert!(reply.text().contains(&app.address.to_string()), "it says where to go: {}", reply.text());
    }
    rebound.base = "/user/user001/comfy".into();
    let reply = rebound.send(Method::POST, "/user/user001/comfy/api/interrupt", &origin, Vec::new()).await;
    assert_eq!(reply.status, 421);
    assert_eq!(rebound.get("/health").await.status, 200, "monitors call it what they like");
    rebound.host = Some("gpu-box.local".into());
    assert_eq!(rebound.get("/").await.status, 200);
}
