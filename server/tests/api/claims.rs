//! A join link opens its seat in one browser at a time, and everybody concerned is told.

use domain::{AccessMode, SeatId};

use crate::support::{Client, Frame, Reply, Socket, TestApp, picture};

const QUEUE: &str = "/user/user001/comfy/api/queue";

fn link(app: &TestApp) -> String {
    let seat = SeatId::new(1).unwrap();
    app.workshop.join_links().into_iter().find(|link| link.seat == seat).unwrap().join_path
}

/// The seat's page, open: the server has sent its first view.
async fn open_page(client: &Client) -> Socket {
    let mut page = client.try_open("/user/user001/live").await.unwrap();
    page.next().await;
    page
}

async fn follow_link(app: &TestApp) -> (Client, Reply) {
    let mut client = app.anonymous();
    client.base = "/user/user001/comfy".into();
    let reply = client.get(&link(app)).await;
    client.keep_cookie(&reply);
    (client, reply)
}

#[tokio::test]
async fn a_second_browser_is_told_that_the_seat_is_in_use_and_may_take_it_over() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let first = app.seat(1).await;
    let mut page = open_page(&first).await;
    let mut editor = first.socket("").await;
    first.queue(&picture(1)).await;

    let (mut second, reply) = follow_link(&app).await;
    assert_eq!(reply.header("location").as_deref(), Some("/user/user001"));
    let shown = second.get("/user/user001").await;
    assert_eq!(shown.status, 409);
    assert!(shown.text().contains("is in use elsewhere"), "{}", shown.text());
    let refused = second.get(QUEUE).await;
    assert_eq!(refused.status, 409);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("another browser"));
    assert_eq!(second.try_socket("").await.err(), Some(409));
    assert_eq!(first.get(QUEUE).await.status, 200, "nobody is put out by a second look");

    let taken = second.post_form("/user/user001/take", "").await;
    assert_eq!((taken.status, taken.header("location").as_deref()), (303, Some("/user/user001")));
    second.keep_cookie(&taken);
    assert!(page.is_closed_by_server().await && editor.is_closed_by_server().await);
    assert_eq!(first.get(QUEUE).await.status, 409);
    assert_eq!(first.try_open("/user/user001/live").await.err(), Some(409));
    let queue = second.get(QUEUE).await.json();
    assert_eq!(queue["queue_pending"].as_array().unwrap().len(), 1, "jobs are the seat's");

    // The first may take it back in the same way.
    let mut first = first;
    let taken = first.post_form("/user/user001/take", "").await;
    first.keep_cookie(&taken);
    assert_eq!(first.get(QUEUE).await.status, 200);
    assert_eq!(second.get(QUEUE).await.status, 409);
}

#[tokio::test]
async fn a_participant_may_have_two_devices_and_end_the_other() {
    let app = TestApp::start().await;
    let mut first = app.seat(1).await;
    let _page = open_page(&first).await;
    let (mut second, _) = follow_link(&app).await;
    let taken = second.post_form("/user/user001/take", "too=true").await;
    assert_eq!(taken.status, 303);
    second.keep_cookie(&taken);
    assert_eq!((first.get(QUEUE).await.status, second.get(QUEUE).await.status), (200, 200));
    let mut second_page = second.try_open("/user/user001/live").await.unwrap();
    let Frame::Text(view) = second_page.next().await else { panic!("a view") };
    assert_eq!(view["is_shared"], true, "both are told");
    let app = app.restart().await;
    let cookie = second.cookie().unwrap().to_owned();
    let mut again = app.anonymous();
    again.set_cookie(&cookie);
    assert_eq!(again.get(QUEUE).await.status, 200, "a restart does not put one out");

    let app_first = {
        let mut again = app.anonymous();
        again.take_cookie_of(&first);
        again
    };
    first = app_first;
    let ended = first.post_form("/user/user001/take", "").await;
    first.keep_cookie(&ended);
    assert_eq!((first.get(QUEUE).await.status, again.get(QUEUE).await.status), (200, 409));
    let mut page = first.try_open("/user/user001/live").await.unwrap();
    let Frame::Text(view) = page.next().await else { panic!("a view") };
    assert_eq!(view["is_shared"], false);
}

#[tokio::test]
async fn a_browser_that_has_gone_leaves_the_seat_to_the_next() {
    let app = TestApp::start().await;
    let first = app.seat(1).await;
    let (second, _) = follow_link(&app).await;
    assert_eq!(second.get(QUEUE).await.status, 200, "no page of the first is open");
    assert_eq!(first.get(QUEUE).await.status, 409, "and it learns of it");
}

#[tokio::test]
async fn ones_own_link_opens_again_and_again() {
    let app = TestApp::start().await;
    let mut seat = app.seat(1).await;
    let page = open_page(&seat).await;
    let reply = seat.get(&link(&app)).await;
    seat.keep_cookie(&reply);
    assert_eq!(seat.get(QUEUE).await.status, 200);
    assert_eq!(seat.get("/user/user001").await.status, 200);
    drop(page);
}

#[tokio::test]
async fn a_claim_outlives_the_server() {
    let app = TestApp::start().await;
    let first = app.seat(1).await;
    let (second, _) = follow_link(&app).await;
    let app = app.restart().await;
    let with_session_of = |client: &Client| {
        let mut again = app.anonymous();
        again.take_cookie_of(client);
        again
    };
    assert_eq!(with_session_of(&second).get(QUEUE).await.status, 200);
    assert_eq!(with_session_of(&first).get(QUEUE).await.status, 409);
}

#[tokio::test]
async fn nobody_takes_over_a_seat_whose_link_they_do_not_have() {
    let app = TestApp::start().await;
    let owner = app.seat(1).await;
    assert_eq!(app.anonymous().post_form("/user/user001/take", "").await.status, 404);
    assert_eq!(app.seat(2).await.post_form("/user/user001/take", "").await.status, 404);
    assert_eq!(app.admin().await.post_form("/user/user001/take", "").await.status, 404);

    // Who had an older link does not come back with it.
    let admin = domain::Viewer::new([], true).require_admin().unwrap();
    app.workshop.rotate_link(admin, SeatId::new(1).unwrap()).await.unwrap();
    assert_eq!(owner.get(QUEUE).await.status, 401);
    assert_eq!(owner.post_form("/user/user001/take", "").await.status, 404);
}

#[tokio::test]
async fn another_sites_page_takes_nothing_over() {
    let app = TestApp::start().await;
    let first = app.seat(1).await;
    let _page = open_page(&first).await;
    let (second, _) = follow_link(&app).await;
    let origin = [("origin", "https://evil.example")];
    let reply = second.send(reqwest::Method::POST, "/user/user001/take", &origin, Vec::new()).await;
    assert_eq!(reply.status, 403);
    assert_eq!(first.get(QUEUE).await.status, 200);
}

#[tokio::test]
async fn the_instructor_who_looks_on_is_nobody_at_the_seat() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let _look = open_page(&admin).await;
    let (participant, _) = follow_link(&app).await;
    assert_eq!(participant.get(QUEUE).await.status, 200);
    let second_look = open_page(&admin).await;
    drop(second_look);
    assert_eq!(participant.get(QUEUE).await.status, 200);
}

#[tokio::test]
async fn in_an_open_room_nobody_holds_a_seat() {
    let app = TestApp::start_in(AccessMode::Open).await;
    let (one, other) = (app.anonymous(), app.anonymous());
    for client in [&one, &other] {
        assert_eq!(client.post_form("/open", "seat=1").await.status, 303);
        assert_eq!(client.get(QUEUE).await.status, 200);
    }
    assert_eq!(one.get(QUEUE).await.status, 200);
}

#[tokio::test]
async fn what_was_on_its_way_with_the_old_session_does_not_sign_the_browser_out() {
    let app = TestApp::start().await;
    let mut first = app.seat(1).await;
    let old = first.clone();
    let taken = first.post_form("/user/user001/take", "").await;
    first.keep_cookie(&taken);
    // As the page's own requests, sent before the answer came.
    let late = old.get(QUEUE).await;
    assert_eq!((late.status, late.header("set-cookie")), (401, None));
    assert_eq!(first.get(QUEUE).await.status, 200);
    let left = first.post_form("/leave", "").await;
    assert!(left.header("set-cookie").unwrap().starts_with("comfy_multi=;"), "who leaves is signed out");
    assert_eq!(first.get(QUEUE).await.status, 401);
}
