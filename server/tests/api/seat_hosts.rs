//! Seats at host names of their own.

use domain::{AccessMode, SeatId};
use reqwest::Method;
use serde_json::json;

use crate::support::{Client, TestApp, picture};

const HOSTS: &str = "PUBLIC_URL=http://workshop.example\nSEAT_HOST_PATTERN={seat}.workshop.example\n";
const MAIN: &str = "workshop.example";

async fn start() -> TestApp {
    TestApp::start_with(AccessMode::Link, HOSTS).await
}

fn at(app: &TestApp, host: &str) -> Client {
    let mut client = app.anonymous();
    client.host = Some(host.to_owned());
    client
}

fn join_path(app: &TestApp, number: u16) -> String {
    let seat = SeatId::new(number).unwrap();
    app.workshop.join_links().into_iter().find(|link| link.seat == seat).unwrap().join_path
}

/// A browser that has opened the seat's join link.
async fn joined(app: &TestApp, number: u16) -> Client {
    let mut client = at(app, &format!("user00{number}.{MAIN}"));
    let reply = client.get(&join_path(app, number)).await;
    assert_eq!(reply.header("location"), Some(format!("/user/user00{number}")));
    client.keep_cookie(&reply);
    client.base = format!("/user/user00{number}/comfy");
    client
}

async fn instructor(app: &TestApp) -> Client {
    let mut client = at(app, MAIN);
    let reply = client.post_form("/admin/login", "password=instructor").await;
    client.keep_cookie(&reply);
    client
}

fn location(reply: &crate::support::Reply) -> (u16, String) {
    (reply.status, reply.header("location").unwrap_or_default())
}

#[tokio::test]
async fn a_join_link_leads_to_the_seats_host_and_opens_it_there_alone() {
    let app = start().await;
    let path = join_path(&app, 1);
    let main = at(&app, MAIN).get(&path).await;
    assert_eq!(location(&main), (303, format!("http://user001.workshop.example{path}")));
    assert_eq!(main.header("set-cookie"), None);
    let wrong = at(&app, "user002.workshop.example").get(&path).await;
    assert_eq!(location(&wrong), (303, format!("http://user001.workshop.example{path}")));
    assert_eq!(wrong.header("set-cookie"), None);

    let reply = at(&app, "user001.workshop.example").get(&path).await;
    assert_eq!(location(&reply), (303, "/user/user001".into()));
    let cookie = reply.header("set-cookie").unwrap();
    assert!(!cookie.to_lowercase().contains("domain="), "of this host only: {cookie}");
    let unknown = at(&app, MAIN).get("/join/nobodys").await;
    assert_eq!(location(&unknown), (303, "http://workshop.example/?notice=bad-link".into()));
}

#[tokio::test]
async fn a_seats_host_has_its_page_and_comfyui_below_the_path_and_at_the_root() {
    let app = start().await;
    let _worker = app.worker().await;
    let mut browser = joined(&app, 1).await;
    assert_eq!(location(&browser.get("/").await), (303, "/user/user001".into()));
    assert_eq!(browser.get("/user/user001").await.status, 200);
    assert_eq!(browser.comfy("/").await.status, 200);
    for base in ["/user/user001/comfy", ""] {
        browser.base = base.into();
        for path in ["/queue", "/api/queue", "/object_info/SaveImage", "/system_stats", "/api/userdata?dir=x"]
        {
            let reply = browser.comfy(path).await;
            assert!(matches!(reply.status, 200 | 404), "{base}{path}: {}", reply.text());
            assert!(reply.header("content-type").unwrap().contains("json"), "{base}{path}");
        }
        let reply = browser.comfy_post("/prompt", &picture(1)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        browser.socket("?clientId=mine").await;
    }
    let reply = browser.get("/api/read-seat-page?seat=user001").await;
    assert_eq!(reply.status, 200, "the portal's own functions are there too: {}", reply.text());
    let reply = browser.get("/api/read-api-access?seat=user001").await;
    assert_eq!(reply.json()["base"], "http://user001.workshop.example");
}

#[tokio::test]
async fn a_seats_host_never_serves_another_seat_nor_the_instructor() {
    let app = start().await;
    let mut browser = joined(&app, 1).await;
    for path in
        ["/user/user002", "/user/user002/comfy/", "/user/user002/comfy/api/queue", "/user/2", "/admin"]
    {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
    for path in ["/admin/live", "/admin/login", "/open", "/metrics"] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
    let reply = browser.post_form("/admin/login", "password=instructor").await;
    assert_eq!(reply.status, 404);
    // The session is one record, but at another host it is nobody's.
    browser.host = Some("user002.workshop.example".into());
    assert_eq!(browser.get("/queue").await.status, 401);
    browser.host = Some(MAIN.into());
    assert_eq!(browser.get("/api/read-seat-page?seat=user001").await.status, 401);
    browser.host = Some("user004.workshop.example".into());
    assert_eq!(browser.get("/").await.status, 404, "no such seat");
}

#[tokio::test]
async fn an_instructors_session_counts_at_no_seats_host() {
    let app = start().await;
    let mut admin = instructor(&app).await;
    assert_eq!(admin.get("/admin/live").await.status, 400, "a socket, but let in");
    admin.host = Some("user001.workshop.example".into());
    assert_eq!(admin.get("/queue").await.status, 401);
    let reply = admin.get("/api/read-admin-page").await;
    assert_ne!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn the_instructor_looks_on_at_the_seats_host_by_a_word_for_once() {
    let app = start().await;
    let admin = instructor(&app).await;
    let (status, address) = location(&admin.get("/user/user001").await);
    assert_eq!(status, 303);
    let word = address.strip_prefix("http://user001.workshop.example").unwrap();
    assert!(word.starts_with("/look/"), "{address}");

    let elsewhere = at(&app, "user002.workshop.example").get(word).await;
    assert_eq!(elsewhere.status, 404, "another seat's host uses it up");
    let (_, address) = location(&admin.get("/user/user001").await);
    let word = address.strip_prefix("http://user001.workshop.example").unwrap();
    let mut looking = at(&app, "user001.workshop.example");
    let reply = looking.get(word).await;
    assert_eq!(location(&reply), (303, "/user/user001".into()));
    looking.keep_cookie(&reply);
    assert_eq!(at(&app, "user001.workshop.example").get(word).await.status, 404, "once");

    assert_eq!(looking.get("/user/user001").await.status, 200);
    assert_eq!(looking.get("/queue").await.status, 200);
    let reply = looking.post_json("/prompt", &picture(1)).await;
    assert_eq!(reply.status, 403);
    assert_eq!(reply.json()["error"]["type"], "read_only");
    assert_ne!(looking.get("/api/read-admin-page").await.status, 200, "no instructor here");
    looking.host = Some("user002.workshop.example".into());
    assert_eq!(looking.get("/queue").await.status, 401);
}

#[tokio::test]
async fn a_word_to_look_with_is_too_old_after_a_minute() {
    let app = start().await;
    let (_, address) = location(&instructor(&app).await.get("/user/user001").await);
    app.clock.advance(std::time::Duration::from_secs(60));
    let word = address.strip_prefix("http://user001.workshop.example").unwrap();
    assert_eq!(at(&app, "user001.workshop.example").get(word).await.status, 404);
}

#[tokio::test]
async fn the_workshops_host_serves_no_seats_page() {
    let app = start().await;
    let stranger = at(&app, MAIN);
    for path in ["/user/user001", "/user/user001/comfy/", "/user/user001/comfy/api/queue?x=1"] {
        let expected = (307, format!("http://user001.workshop.example{path}"));
        assert_eq!(location(&stranger.get(path).await), expected);
    }
    let reply = stranger.post_json("/user/user001/comfy/prompt", &picture(1)).await;
    assert_eq!(reply.status, 421);
    assert!(reply.text().contains("http://user001.workshop.example"), "{}", reply.text());
    // The instructor's page shows the seats' pictures.
    let admin = instructor(&app).await;
    assert_eq!(admin.get("/user/user001/comfy/api/queue").await.status, 200);
    assert_eq!(admin.get("/user/user001/comfy/").await.status, 303);
}

#[tokio::test]
async fn a_token_works_at_both_hosts_and_at_no_other_seats() {
    let app = start().await;
    let made = app.workshop.make_api_token(SeatId::new(1).unwrap(), "x").await.unwrap();
    let mut program = at(&app, MAIN);
    program.bearer = Some(made.secret);
    assert_eq!(program.get("/user/user001/comfy/queue").await.status, 200);
    assert_eq!(program.get("/user/user002/comfy/queue").await.status, 404);
    program.host = Some("user001.workshop.example".into());
    assert_eq!(program.get("/queue").await.status, 200);
    program.socket("?clientId=x").await;
    program.host = Some("user002.workshop.example".into());
    assert_eq!(program.get("/queue").await.status, 404);
}

#[tokio::test]
async fn unknown_hosts_are_sent_away_and_programs_of_the_operator_are_not() {
    let app = start().await;
    for host in [
        "evil.example",
        "user1.workshop.example",
        "x.user001.workshop.example",
        "workshop.example.evil.example",
    ] {
        let reply = at(&app, host).get("/").await;
        assert_eq!(reply.status, 421, "{host}");
        assert_eq!(at(&app, host).get("/health").await.status, 200, "{host}");
    }
    assert_eq!(app.anonymous().get("/").await.status, 200, "by its number, as health checks do");
}

#[tokio::test]
async fn another_seats_page_cannot_act_at_this_host() {
    let app = start().await;
    let browser = joined(&app, 1).await;
    for origin in ["http://user002.workshop.example", "http://workshop.example", "null"] {
        let headers = [("origin", origin), ("content-type", "application/json")];
        let reply = browser.send(Method::POST, "/interrupt", &headers, b"{}".to_vec()).await;
        assert_eq!(reply.status, 403, "{origin}");
    }
    let headers = [("origin", "http://user001.workshop.example"), ("content-type", "application/json")];
    assert_eq!(browser.send(Method::POST, "/interrupt", &headers, b"{}".to_vec()).await.status, 200);
    let reply = browser.get("/queue").await;
    assert_eq!(reply.header("cross-origin-resource-policy").as_deref(), Some("same-origin"));
}

#[tokio::test]
async fn in_an_open_room_a_chosen_seat_is_at_its_host_and_opens_no_other() {
    let app = TestApp::start_with(AccessMode::Open, HOSTS).await;
    let reply = at(&app, MAIN).post_form("/open", "seat=2").await;
    assert_eq!(location(&reply), (303, "http://user002.workshop.example/user/user002".into()));
    let mut visitor = at(&app, "user002.workshop.example");
    assert_eq!(visitor.get("/queue").await.status, 200);
    assert_eq!(visitor.get("/api/read-seat-page?seat=user001").await.status, 404);
    visitor.host = Some(MAIN.into());
    let page = visitor.get("/").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self' http://*.workshop.example;"), "{policy}");
}

#[tokio::test]
async fn over_https_the_cookie_is_one_that_no_other_host_can_plant() {
    let settings = HOSTS.replace("http://", "https://");
    let app = TestApp::start_with(AccessMode::Link, &settings).await;
    let reply = at(&app, "user001.workshop.example").get(&join_path(&app, 1)).await;
    let cookie = reply.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-comfy_multi="), "{cookie}");
    assert!(cookie.contains("Secure") && cookie.contains("Path=/"), "{cookie}");
}

#[tokio::test]
async fn without_the_pattern_every_host_name_of_ours_is_the_workshops() {
    let app = TestApp::start_with(AccessMode::Link, "PUBLIC_URL=http://workshop.example\n").await;
    let mut browser = app.seat(1).await;
    browser.host = Some("workshop.example".into());
    assert_eq!(browser.comfy("/queue").await.status, 200);
    assert_eq!(browser.get("/queue").await.status, 404, "and ComfyUI is nowhere at the root");
    assert_eq!(browser.post_json("/prompt", &json!({})).await.status, 404);
    assert_eq!(browser.get("/look/x").await.status, 404);
}
