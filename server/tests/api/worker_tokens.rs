//! Tokens of single workers: made and revoked while the workshop runs, good for one name only.

use domain::WorkerId;
use queue::report::Outcome;
use serde_json::Map;
use uuid::Uuid;

use crate::support::binary::{call, text};
use crate::support::{FakeWorker, TestApp, WORKER_TOKEN, picture};

/// Makes a token with the operator's command.
async fn token(app: &TestApp, name: &str) -> String {
    let made = call(app.folder.path(), &["worker-token", "add", name]).await;
    assert!(made.status.success(), "{}", text(&made));
    assert!(text(&made).contains(&format!("WORKER_NAME={name}")), "{}", text(&made));
    let line = text(&made).lines().find_map(|line| line.strip_prefix("WORKER_TOKEN=").map(str::to_owned));
    line.expect("a token")
}

async fn connect(app: &TestApp, token: &str) -> Option<FakeWorker> {
    connect_as(app, token, WorkerId::from_uuid(Uuid::from_u128(rand::random()))).await
}

async fn connect_as(app: &TestApp, token: &str, id: WorkerId) -> Option<FakeWorker> {
    FakeWorker::connect_as(app.address, app.queue.clone(), token, id).await
}

#[tokio::test]
async fn a_worker_with_a_token_of_its_own_works_and_is_shut_out_alone() {
    let app = TestApp::start().await;
    let secret = token(&app, "box-1").await;
    let mut own = connect(&app, &secret).await.expect("its token is good at once");
    let seat = app.seat(1).await;
    app.run(&seat, &mut own, picture(1), b"picture").await;
    let overview = app.workshop.admin_overview(domain::Viewer::new([], true).require_admin().unwrap());
    let names: Vec<_> = overview.await.unwrap().workers.into_iter().map(|worker| worker.name).collect();
    assert_eq!(names, ["box-1"], "the token's name, not the one that it gives itself");

    let mut other = connect(&app, WORKER_TOKEN).await.unwrap();
    let revoked = call(app.folder.path(), &["worker-token", "revoke", "box-1"]).await;
    assert!(revoked.status.success(), "{}", text(&revoked));
    let reply = own.request(reqwest::Method::GET, "/worker/v1/config").send().await.unwrap();
    assert_eq!(reply.status(), 401);
    own.heartbeat(&[]).await;
    assert!(own.is_put_out().await);
    assert!(connect(&app, &secret).await.is_none());
    other.heartbeat(&[]).await;
    other.flush().await;
    let reply = other.request(reqwest::Method::GET, "/worker/v1/config").send().await.unwrap();
    assert_eq!(reply.status(), 200, "the others go on");
}

#[tokio::test]
async fn nobody_speaks_of_what_another_worker_holds() {
    let app = TestApp::start().await;
    let (first, second) = (token(&app, "box-1").await, token(&app, "box-2").await);
    let mut holder = connect(&app, &first).await.unwrap();
    let thief = connect(&app, &second).await.unwrap();
    let with_shared = connect(&app, WORKER_TOKEN).await.unwrap();
    let seat = app.seat(1).await;
    seat.queue(&picture(1)).await;
    app.dispatch().await;
    let task = holder.take().unwrap();
    let assignment = holder.claim(&task).await;
    holder.start(&task).await;

    // They know even the lease's token: Redis shows it to all workers.
    for other in [&thief, &with_shared] {
        let upload = other.try_upload(&task, &assignment.output_folder, b"forged").await;
        assert_eq!(upload.unwrap_err(), 409);
        assert_eq!(other.input(&task, 0).await.0, 409);
        assert_eq!(other.report(&task, Outcome::Succeeded, Map::new()).await, 409);
        assert_eq!(other.release(&task, domain::ReturnReason::WorkerStopped).await, 409);
        assert_eq!(other.try_claim(&task).await.unwrap_err(), 409);
    }
    // Nor as if they were it.
    assert!(connect_as(&app, &second, holder.id).await.is_none());
    holder.run(&task, b"genuine").await;
    let shown = seat.comfy("/api/view?filename=picture_00001_.png&type=output").await;
    assert_eq!(shown.bytes, b"genuine");
}

#[tokio::test]
async fn a_claim_names_the_worker_that_makes_it() {
    let app = TestApp::start().await;
    let (first, second) = (token(&app, "box-1").await, token(&app, "box-2").await);
    let victim = connect(&app, &first).await.unwrap();
    let mut thief = connect(&app, &second).await.unwrap();
    app.seat(1).await.queue(&picture(1)).await;
    app.dispatch().await;
    let task = thief.take().unwrap();
    let own = std::mem::replace(&mut thief.id, victim.id);
    assert_eq!(thief.try_claim(&task).await.unwrap_err(), 409);
    thief.id = own;
    assert!(thief.try_claim(&task).await.is_ok());
}

#[tokio::test]
async fn the_command_says_what_is_wrong() {
    let app = TestApp::start().await;
    let data = app.folder.path();
    let listed = call(data, &["worker-token", "list"]).await;
    assert!(text(&listed).contains("No worker has"), "{}", text(&listed));
    let secret = token(&app, "box-1").await;
    let again = call(data, &["worker-token", "add", "box-1"]).await;
    assert!(!again.status.success() && text(&again).contains("has a token already"), "{}", text(&again));
    let bad = call(data, &["worker-token", "add", "a box"]).await;
    assert!(!bad.status.success() && text(&bad).contains("is no name"), "{}", text(&bad));
    let listed = call(data, &["worker-token", "list"]).await;
    assert_eq!(text(&listed), "box-1\n");
    assert!(!text(&listed).contains(&secret));
    let absent = call(data, &["worker-token", "revoke", "box-9"]).await;
    assert!(!absent.status.success() && text(&absent).contains("has no token"), "{}", text(&absent));
}

#[tokio::test]
async fn what_the_server_tells_of_its_workers_is_for_the_operators_token() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let told = worker.request(reqwest::Method::GET, "/worker/v1/status").send().await.unwrap();
    let told: serde_json::Value = told.json().await.unwrap();
    assert_eq!((&told["workers"][0]["name"], &told["comfyui_version"]), (&"gpu".into(), &"0.3.75".into()));
    let own = token(&app, "box-1").await;
    for token in [own.as_str(), "guessed"] {
        let mut client = app.anonymous();
        client.bearer = Some(token.to_owned());
        assert_eq!(client.get("/worker/v1/status").await.status, 401, "{token}");
    }
}
