//! A seat's own programs: what a token opens, and what ends it.

use std::time::Duration;

use domain::{AccessMode, Admin, SeatId, Viewer};
use reqwest::Method;
use serde_json::json;

use crate::support::{Client, METRICS_TOKEN, TestApp, WORKER_TOKEN, is_run_end, picture};

fn seat(number: u16) -> SeatId {
    SeatId::new(number).unwrap()
}

fn instructor() -> Admin {
    Viewer::new([], true).require_admin().unwrap()
}

/// A program of the seat, with a token and nothing else.
async fn program(app: &TestApp, number: u16) -> Client {
    let made = app.workshop.make_api_token(seat(number), "my script").await.unwrap();
    let mut client = app.anonymous();
    client.bearer = Some(made.secret);
    client.base = format!("/user/user00{number}/comfy");
    client
}

#[tokio::test]
async fn a_program_queues_follows_and_fetches_with_a_token_alone() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let program = program(&app, 1).await;
    assert_eq!(program.upload("in.png", b"\x89PNG\r\n\x1a\n").await.status, 200);
    let mut socket = program.socket("?clientId=its-own-name").await;
    assert_eq!(socket.until(|_| true).await[0]["data"]["sid"], "its-own-name");
    let mut graph = picture(1);
    graph["client_id"] = json!("its-own-name");
    let reply = program.comfy_post("/prompt", &graph).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let id = reply.json()["prompt_id"].as_str().unwrap().to_owned();
    app.dispatch().await;
    let task = worker.take().unwrap();
    worker.run(&task, b"picture").await;
    let frames = socket.until(is_run_end).await;
    assert_eq!(frames.last().unwrap()["data"]["prompt_id"], id.as_str());
    let history = program.comfy(&format!("/history/{id}")).await.json();
    let image = &history[&id]["outputs"]["2"]["images"][0];
    let path = format!(
        "/view?filename={}&subfolder={}&type=output",
        image["filename"].as_str().unwrap(),
        image["subfolder"].as_str().unwrap()
    );
    assert_eq!(program.comfy(&path).await.bytes, b"picture");
    for path in ["/queue", "/prompt", "/system_stats", "/object_info/SaveImage", "/api/features"] {
        assert_eq!(program.comfy(path).await.status, 200, "{path}");
    }
    assert_eq!(program.comfy_post("/interrupt", &json!({})).await.status, 200);
}

#[tokio::test]
async fn a_token_opens_its_own_seats_comfyui_and_nothing_else() {
    let app = TestApp::start().await;
    let mut program = program(&app, 1).await;
    program.base = "/user/user002/comfy".into();
    assert_eq!(program.comfy("/queue").await.status, 404);
    assert_eq!(program.comfy_post("/prompt", &picture(1)).await.status, 404);
    assert_eq!(program.try_socket("").await.err(), Some(404));
    for path in ["/user/user001/live", "/admin/live", "/user/user001"] {
        assert_eq!(program.get(path).await.status, 401, "{path}");
    }
    assert_eq!(program.get("/metrics").await.status, 404);
    assert_eq!(program.get("/worker/v1/config").await.status, 401);
    let reply = program.get("/api/read-api-access?seat=user001").await;
    assert_eq!(reply.status, 401, "{}", reply.text());
}

#[tokio::test]
async fn a_token_beside_a_session_takes_its_place() {
    let app = TestApp::start().await;
    let mut both = app.seat(2).await;
    both.bearer = program(&app, 1).await.bearer;
    assert_eq!(both.comfy("/queue").await.status, 404, "user002's session does not count");
    both.base = "/user/user001/comfy".into();
    assert_eq!(both.comfy("/queue").await.status, 200);
    let mut admin = app.admin().await;
    admin.bearer = both.bearer.clone();
    assert_eq!(admin.get("/user/user002/comfy/queue").await.status, 404, "nor does the instructor's");
}

#[tokio::test]
async fn a_wrong_token_is_told_in_comfyuis_words() {
    let app = TestApp::start().await;
    let mut program = app.anonymous();
    program.base = "/user/user001/comfy".into();
    for token in ["cm-wrong", "nothing", WORKER_TOKEN, METRICS_TOKEN] {
        program.bearer = Some(token.to_owned());
        let reply = program.comfy_post("/prompt", &picture(1)).await;
        assert_eq!(reply.status, 401, "{token}");
        let error = &reply.json()["error"];
        assert_eq!(error["type"], "invalid_token");
        assert!(error["message"].as_str().unwrap().contains("Help"), "{error}");
        assert_eq!(reply.json()["node_errors"], json!({}));
        assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer "));
        assert_eq!(program.try_socket("").await.err(), Some(401));
    }
}

#[tokio::test]
async fn a_program_without_headers_gives_the_token_as_a_password() {
    let app = TestApp::start().await;
    let token = program(&app, 1).await.bearer.unwrap();
    let anyone = app.anonymous();
    let queue = |user: &str, password: &str| {
        let request = reqwest::Client::new().get(format!("http://{}/user/user001/comfy/queue", app.address));
        let request = request.basic_auth(user, Some(password));
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(queue("api", &token).await, 200);
    assert_eq!(queue("api", "cm-wrong").await, 401);
    assert_eq!(queue("operator", "of-a-proxy").await, 401, "no token, and no session either");
    let seat = app.seat(1).await;
    let proxy = [("authorization", "Basic b3BlcmF0b3I6c2VjcmV0")];
    let reply = seat.send(Method::GET, "/user/user001/comfy/queue", &proxy, Vec::new()).await;
    assert_eq!(reply.status, 200, "a password for a proxy leaves the session alone");
    assert_eq!(anyone.get("/user/user001/comfy/queue").await.status, 401);
}

#[tokio::test]
async fn revoking_ends_the_token_and_what_it_opened() {
    let app = TestApp::start().await;
    let first = program(&app, 1).await;
    let second = program(&app, 1).await;
    let (mut ending, mut staying) = (first.socket("").await, second.socket("").await);
    let tokens = app.workshop.api_tokens(seat(1));
    assert!(app.workshop.revoke_api_token(seat(2), tokens[0].id).await.is_err(), "another seat's");
    app.workshop.revoke_api_token(seat(1), tokens[0].id).await.unwrap();
    assert_eq!(first.comfy("/queue").await.status, 401);
    assert!(ending.is_closed_by_server().await);
    assert_eq!(second.comfy("/queue").await.status, 200);
    staying.until(|frame| frame["type"] == "status").await;
    let names: Vec<_> = app.workshop.api_tokens(seat(1)).into_iter().map(|token| token.id).collect();
    assert_eq!(names, [tokens[1].id]);
}

#[tokio::test]
async fn a_new_join_link_ends_the_seats_tokens_and_no_others() {
    let app = TestApp::start().await;
    let (ending, staying) = (program(&app, 1).await, program(&app, 2).await);
    app.workshop.rotate_link(instructor(), seat(1)).await.unwrap();
    assert_eq!(ending.comfy("/queue").await.status, 401);
    assert_eq!(staying.comfy("/queue").await.status, 200);
    assert!(app.workshop.api_tokens(seat(1)).is_empty());
    let app = app.restart().await;
    assert!(app.workshop.api_tokens(seat(1)).is_empty());
    assert_eq!(app.workshop.api_tokens(seat(2)).len(), 1);
}

#[tokio::test]
async fn tokens_outlive_the_server_and_are_nowhere_in_its_database() {
    let app = TestApp::start().await;
    let before = program(&app, 1).await;
    let secret = before.bearer.clone().unwrap();
    let app = app.restart().await;
    let mut after = app.anonymous();
    after.base = before.base.clone();
    after.bearer = Some(secret.clone());
    assert_eq!(after.comfy("/queue").await.status, 200);
    for file in std::fs::read_dir(app.folder.path()).unwrap().flatten().filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        let holds = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!holds, "{}", file.path().display());
    }
}

#[tokio::test]
async fn the_last_use_is_noted_to_the_minute() {
    let app = TestApp::start().await;
    let program = program(&app, 1).await;
    let last_used = || app.workshop.api_tokens(seat(1))[0].last_used_at;
    assert_eq!(last_used(), None);
    program.comfy("/queue").await;
    let first = last_used().unwrap();
    app.clock.advance(Duration::from_secs(30));
    program.comfy("/queue").await;
    assert_eq!(last_used(), Some(first));
    app.clock.advance(Duration::from_secs(30));
    program.comfy("/queue").await;
    assert_eq!(last_used(), Some(first + Duration::from_secs(60)));
}

#[tokio::test]
async fn a_seat_has_only_so_many_tokens_and_names_are_one_short_line() {
    let app = TestApp::start().await;
    let make = |name: &'static str| app.workshop.make_api_token(seat(1), name);
    assert_eq!(make("  two\n words ").await.unwrap().token.name, "two words");
    assert_eq!(make("").await.unwrap().token.name, "API token");
    assert!(make("12345678901234567890123456789012345678901").await.is_err());
    for _ in 2..20 {
        make("x").await.unwrap();
    }
    assert!(make("one too many").await.is_err());
    assert!(app.workshop.make_api_token(seat(2), "x").await.is_ok());
    assert!(app.workshop.make_api_token(seat(4), "x").await.is_err(), "no such seat");
}

#[tokio::test]
async fn in_an_open_room_no_token_is_needed_and_none_is_wrong() {
    let app = TestApp::start_in(AccessMode::Open).await;
    let mut program = app.anonymous();
    program.base = "/user/user001/comfy".into();
    assert_eq!(program.comfy("/queue").await.status, 200);
    program.socket("?clientId=x").await;
    program.bearer = Some("cm-of-yesterday".into());
    assert_eq!(program.comfy("/queue").await.status, 200);
}

#[tokio::test]
async fn a_program_may_say_any_origin_and_a_page_may_not() {
    let app = TestApp::start().await;
    let program = program(&app, 1).await;
    let headers = [("origin", "https://elsewhere.example"), ("content-type", "application/json")];
    let path = "/user/user001/comfy/interrupt";
    let reply = program.send(Method::POST, path, &headers, b"{}".to_vec()).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("access-control-allow-origin"), None);
    let asks = [
        ("origin", "https://elsewhere.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    let reply = app.anonymous().send(Method::OPTIONS, path, &asks, Vec::new()).await;
    assert_eq!(reply.header("access-control-allow-origin"), None, "CORS stays closed");
    assert_eq!(reply.header("access-control-allow-headers"), None);
    let reply = app.seat(1).await.send(Method::POST, path, &headers, b"{}".to_vec()).await;
    assert_eq!(reply.status, 403);
}

#[tokio::test]
async fn the_page_makes_lists_and_revokes() {
    let app = TestApp::start().await;
    let browser = app.seat(1).await;
    let made = browser.post_form("/api/make-api-token", "seat=user001&name=laptop").await;
    assert_eq!(made.status, 200, "{}", made.text());
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    let list = browser.get("/api/read-api-access?seat=user001").await;
    assert!(!list.text().contains(&secret), "it is shown once");
    let list = list.json();
    assert_eq!(list["base"], "/user/user001/comfy");
    assert_eq!(list["needs_token"], true);
    assert_eq!(list["tokens"][0]["name"], "laptop");
    let id = list["tokens"][0]["id"].as_i64().unwrap();

    let other = app.seat(2).await;
    assert_eq!(other.get("/api/read-api-access?seat=user001").await.status, 404);
    assert_eq!(other.post_form("/api/make-api-token", "seat=user001&name=x").await.status, 404);
    let admin = app.admin().await;
    assert_eq!(admin.get("/api/read-api-access?seat=user001").await.status, 200, "the instructor looks");
    assert_eq!(admin.post_form("/api/make-api-token", "seat=user001&name=x").await.status, 404);
    let revoke = format!("seat=user001&id={id}");
    assert_eq!(admin.post_form("/api/revoke-api-token", &revoke).await.status, 404);
    assert_eq!(other.post_form("/api/revoke-api-token", &format!("seat=user002&id={id}")).await.status, 404);
    assert_eq!(browser.post_form("/api/revoke-api-token", &revoke).await.status, 200);
    assert_eq!(browser.post_form("/api/revoke-api-token", &revoke).await.status, 404);
}
