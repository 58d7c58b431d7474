//! Sessions: planted, stolen, forged and left.

use domain::AccessMode;
use reqwest::Method;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::{Client, TestApp};

async fn is_signed_in(app: &TestApp, cookie: &str, seat: usize) -> bool {
    let mut client = app.anonymous();
    client.set_cookie(cookie);
    client.get(&format!("/user/user{seat:03}/comfy/api/queue")).await.status == 200
}

#[tokio::test]
async fn a_planted_session_gains_nothing() {
    let app = TestApp::start().await;
    let links = app.workshop.join_links();
    let attacker = app.seat(2).await;
    let planted = attacker.cookie().unwrap().to_owned();
    let mut last = app.anonymous();
    for (cookie, seat) in [(planted.as_str(), 1), ("comfy_multi=AAAAAAAAAAAAAAAAAAAAAA", 3)] {
        let link = &links[seat - 1].join_path;
        let mut victim = app.anonymous();
        victim.set_cookie(cookie);
        let reply = victim.get(link).await;
        victim.keep_cookie(&reply);
        assert_ne!(victim.cookie(), Some(cookie), "the id changes with the right");
        assert!(is_signed_in(&app, victim.cookie().unwrap(), seat).await);
        assert!(!is_signed_in(&app, cookie, seat).await, "who planted it is not let in");
        last = victim;
    }
    let mut admin = app.anonymous();
    let before = last;
    admin.take_cookie_of(&before);
    let reply = admin.post_form("/admin/login", "password=instructor").await;
    admin.keep_cookie(&reply);
    assert_ne!(admin.cookie(), before.cookie());
    assert_ne!(before.get("/admin/live").await.status, 400, "no instructor's page for the old id");
}

#[tokio::test]
async fn the_cookie_is_for_this_server_alone() {
    let app = TestApp::start().await;
    let link = app.workshop.join_links().remove(0).join_path;
    let cookie = app.anonymous().get(&link).await.header("set-cookie").unwrap();
    for part in ["; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(!cookie.to_lowercase().contains("domain="), "{cookie}");
    assert!(!cookie.contains("Secure"), "over plain HTTP browsers would drop it: {cookie}");
    let anna = app.seat(1).await;
    let other = TestApp::start().await;
    assert!(!is_signed_in(&other, anna.cookie().unwrap(), 1).await, "another workshop's");
    let flipped = anna.cookie().unwrap().chars().rev().collect::<String>();
    for forged in [flipped.as_str(), "comfy_multi=", "comfy_multi=../../x", "comfy_multi=' OR 1=1 --"] {
        assert!(!is_signed_in(&app, forged, 1).await, "{forged}");
    }
}

#[tokio::test]
async fn leaving_ends_the_session_wherever_it_was_copied_to() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    let stolen = anna.cookie().unwrap().to_owned();
    let (ben, admin) = (app.seat(2).await, app.admin().await);
    let mut hers = [anna.socket("").await, anna.try_open("/user/user001/live").await.unwrap()];
    let mut admins = admin.try_open("/admin/live").await.unwrap();
    let mut his = ben.socket("").await;
    assert_eq!(anna.post_form("/leave", "").await.status, 303);
    assert!(!is_signed_in(&app, &stolen, 1).await);
    for socket in &mut hers {
        assert!(socket.is_closed_by_server().await, "its sockets end with it");
    }
    assert_eq!(admin.post_form("/leave", "").await.status, 303);
    assert!(admins.is_closed_by_server().await);
    // All others stay: his still tells of his queue.
    ben.comfy_post("/api/history", &serde_json::json!({"clear": true})).await;
    his.until(|frame| frame["type"] == "status").await;
    his.until(|frame| frame["type"] == "status").await;
}

#[tokio::test]
async fn another_sites_form_signs_nobody_in_or_out() {
    let app = TestApp::start_in(AccessMode::Open).await;
    let anna = app.anonymous();
    for origin in ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://127.0.0.1:1", ""]
    {
        let headers = [("origin", origin), ("content-type", "application/x-www-form-urlencoded")];
        for (path, form) in [
            ("/open", "seat=1"),
            ("/admin/login", "password=instructor"),
            ("/leave", ""),
            ("/api/announce", "text=x"),
            ("/api/set-theme", "theme=dark"),
        ] {
            let reply = anna.send(Method::POST, path, &headers, form.into()).await;
            assert_eq!((reply.status, reply.header("set-cookie")), (403, None), "{origin}: {path}");
        }
    }
}

#[tokio::test]
async fn nothing_leads_to_another_site() {
    let app = TestApp::start().await;
    let link = app.workshop.join_links().remove(0).join_path;
    let evil =
        "?next=//evil.example&return=https://evil.example&redirect=%2F%2Fevil.example&url=//evil.example";
    let anna = app.seat(1).await;
    for path in [
        format!("{link}{evil}"),
        format!("/join/wrong{evil}"),
        format!("/user/1{evil}"),
        format!("/user/user001/comfy{evil}"),
        "//evil.example/".to_owned(),
        "//evil.example/%2e%2e".to_owned(),
        "/user//evil.example".to_owned(),
        "/user/1//evil.example".to_owned(),
        "/%0d%0aLocation:%20//evil.example".to_owned(),
    ] {
        let reply = anna.get(&path).await;
        let location = reply.header("location").unwrap_or_default();
        let is_local = location.is_empty() || (location.starts_with('/') && !location.starts_with("//"));
        assert!(is_local, "{path}: {location}");
    }
    let reply = anna.post_form(&format!("/leave{evil}"), "next=//evil.example").await;
    assert_eq!(reply.header("location").as_deref(), Some("/"));
}

async fn socket_status(client: &Client, app: &TestApp, path: &str, origin: &str) -> u16 {
    let mut request = format!("ws://{}{path}", app.address).into_client_request().unwrap();
    if let Some(cookie) = client.cookie() {
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
    }
    if !origin.is_empty() {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    match connect_async(request).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{path}: {error}"),
    }
}

#[tokio::test]
async fn no_other_site_and_no_stranger_opens_a_socket() {
    let app = TestApp::start().await;
    let (anna, admin, stranger) = (app.seat(1).await, app.admin().await, app.anonymous());
    let own = format!("http://{}", app.address);
    for path in ["/user/user001/comfy/ws", "/user/user001/live"] {
        assert_eq!(socket_status(&anna, &app, path, &own).await, 101, "{path}");
        for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
            assert_eq!(socket_status(&anna, &app, path, origin).await, 403, "{path} {origin}");
        }
        assert_eq!(socket_status(&stranger, &app, path, &own).await, 401, "{path}");
        assert_eq!(
            socket_status(&anna, &app, &path.replace("user001", "user002"), &own).await,
            404,
            "{path}"
        );
    }
    assert_eq!(socket_status(&admin, &app, "/admin/live", &own).await, 101);
    assert_eq!(socket_status(&admin, &app, "/admin/live", "https://evil.example").await, 403);
    assert_eq!(socket_status(&anna, &app, "/admin/live", &own).await, 404);
    for client in [&anna, &admin, &stranger] {
        assert_eq!(socket_status(client, &app, "/worker/v1/socket", &own).await, 401);
    }
}
