//! A seat that asks for more than its share is refused, and nobody else is.

use domain::AccessMode;

use crate::support::{TestApp, picture};

#[tokio::test]
async fn a_flood_of_requests_is_refused_for_that_seat_alone() {
    let app = TestApp::start_with(AccessMode::Link, "SEAT_REQUESTS_PER_SECOND=10\n").await;
    let _worker = app.worker().await;
    let (greedy, other) = (app.seat(1).await, app.seat(2).await);
    let mut refused = None;
    for _ in 0..200 {
        let reply = greedy.comfy("/api/queue").await;
        if reply.status != 200 {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.expect("a burst of a hundred, then no more");
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after").as_deref(), Some("5"));
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("more than its share"));
    assert_eq!(other.comfy("/api/queue").await.status, 200);
    other.queue(&picture(1)).await;
    // The instructor can still look at what that seat does.
    assert_eq!(app.admin().await.get("/user/user001/comfy/api/queue").await.status, 200);
}

#[tokio::test]
async fn a_session_that_floods_the_pages_is_refused_too() {
    let app = TestApp::start_with(AccessMode::Link, "SEAT_REQUESTS_PER_SECOND=10\n").await;
    let seat = app.seat(1).await;
    let mut statuses = Vec::new();
    for _ in 0..150 {
        statuses.push(seat.get("/health-of-nothing").await.status);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn a_seat_has_so_many_sockets_and_no_more() {
    let app = TestApp::start().await;
    let (greedy, other) = (app.seat(1).await, app.seat(2).await);
    let mut open = Vec::new();
    let status = loop {
        match greedy.try_socket("").await {
            Ok(socket) => open.push(socket),
            Err(status) => break status,
        }
        assert!(open.len() < 100, "no limit");
    };
    assert_eq!(status, 429);
    assert!(other.try_socket("").await.is_ok(), "others' sockets open");
    drop(open);
    // The server learns of the ends one after the other.
    while greedy.try_socket("").await.is_err() {
        tokio::task::yield_now().await;
    }
}
