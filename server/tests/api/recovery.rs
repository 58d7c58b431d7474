//! What happens when things die: nothing is lost, nothing is seen twice.

use std::time::Duration;

use queue::report::{Outcome, ServerFrame};
use serde_json::{Map, json};

use crate::support::{DELIVERY_TIMEOUT, LEASE, TestApp, outputs, picture};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_queue_outlives_the_server_and_redis_losing_everything() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let seat = app.seat(1).await;
    let (first, second) = (seat.queue(&picture(1)).await, seat.queue(&picture(2)).await);
    app.dispatch().await;
    while app.queue.try_take().is_some() {}

    let app = app.restart().await;
    let mut worker = app.worker().await;
    app.dispatch().await;
    assert!(worker.take().is_none(), "the leases still stand");
    app.clock.advance(DELIVERY_TIMEOUT + SECOND);
    app.dispatch().await;
    for _ in 0..2 {
        let task = worker.take().expect("handed out again");
        assert_eq!(task.attempt, 2);
        worker.run(&task, b"png").await;
    }
    let seat = app.seat(1).await;
    let history = seat.comfy("/api/history").await.json();
    assert_eq!(history.as_object().unwrap().keys().collect::<Vec<_>>(), [&first, &second]);
}

#[tokio::test]
async fn a_lost_workers_job_runs_again_first_with_one_result() {
    let app = TestApp::start().await;
    let mut lost = app.worker().await;
    let seat = app.seat(1).await;
    let id = seat.queue(&picture(1)).await;
    let later = seat.queue(&picture(2)).await;
    app.dispatch().await;
    let task = lost.take().unwrap();
    let staged = lost.take().unwrap();
    let assignment = lost.claim(&task).await;
    let mut socket = seat.socket("").await;
    lost.start(&task).await;
    socket.until(|frame| frame["type"] == "execution_start").await;
    lost.upload(&task, &assignment, b"half done").await;

    let mut worker = app.worker().await;
    app.clock.advance(LEASE + SECOND);
    app.dispatch().await;
    let again = worker.take().expect("handed out again");
    assert_eq!((again.job, again.attempt), (task.job, 2));

    // The lost worker comes back: nothing that it says counts.
    assert_eq!(lost.try_claim(&task).await.unwrap_err(), 409);
    assert_eq!(lost.try_upload(&task, &assignment.output_folder, b"late").await.unwrap_err(), 409);
    assert_eq!(lost.report(&task, Outcome::Succeeded, Map::new()).await, 409);
    assert_eq!(lost.release(&task, domain::ReturnReason::WorkerStopped).await, 409);
    lost.heartbeat(&[&task, &staged]).await;
    assert!(matches!(lost.hear().await, ServerFrame::Drop { job, .. } if job == task.job));

    worker.run(&again, b"whole").await;
    let view = "/api/view?filename=picture_00001_.png&type=output";
    assert_eq!(seat.comfy(view).await.bytes, b"whole");
    assert_eq!(
        seat.comfy("/api/view?filename=picture_00002_.png&type=output").await.status,
        404,
        "one visible result"
    );
    let history = seat.comfy("/api/history").await.json();
    assert_eq!(history.as_object().unwrap().len(), 1);
    assert_eq!(history[&id]["outputs"]["2"]["images"].as_array().unwrap().len(), 1);
    let next = worker.take().expect("the other one follows");
    assert_eq!(next.job.to_string(), later);
}

/// As where the server was killed between keeping a result's row and moving its file.
#[tokio::test]
async fn a_result_whose_file_never_came_to_its_place_is_made_again() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let seat = app.seat(1).await;
    let id = seat.queue(&picture(1)).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    let assignment = worker.claim(&task).await;
    worker.start(&task).await;
    worker.upload(&task, &assignment, b"whole").await;
    let file = app.folder.path().join("seats/user001/output/picture_00001_.png");
    std::fs::remove_file(&file).unwrap();

    let app = app.restart().await;
    assert!(app.store.unfinished_artifacts().await.unwrap().is_empty());
    app.clock.advance(LEASE + SECOND);
    app.dispatch().await;
    let mut worker = app.worker().await;
    app.dispatch().await;
    let again = worker.take().expect("handed out again");
    worker.run(&again, b"again").await;
    assert_eq!(std::fs::read(&file).unwrap(), b"again");
    let seat = app.seat(1).await;
    let history = seat.comfy("/api/history").await.json();
    assert_eq!(history[&id]["outputs"]["2"]["images"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_task_delivered_twice_runs_once() {
    let app = TestApp::start().await;
    let (mut first, second) = (app.worker().await, app.worker().await);
    let seat = app.seat(1).await;
    let id = seat.queue(&picture(1)).await;
    app.dispatch().await;
    let task = first.take().unwrap();
    first.claim(&task).await;
    assert_eq!(second.try_claim(&task).await.unwrap_err(), 409);
    first.start(&task).await;
    let assignment = first.claim(&task).await;
    let placed = first.upload(&task, &assignment, b"png").await;
    assert_eq!(
        first.upload(&task, &assignment, b"png").await,
        placed,
        "a repeated upload takes the same name"
    );
    assert_eq!(first.report(&task, Outcome::Succeeded, outputs(&placed)).await, 204);
    assert_eq!(first.report(&task, Outcome::Succeeded, outputs(&placed)).await, 409);
    assert_eq!(seat.comfy("/api/history").await.json()[&id]["status"]["completed"], true);
}

#[tokio::test]
async fn heartbeats_keep_a_long_job_and_a_restart_of_the_server_does_not_end_it() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let seat = app.seat(1).await;
    let id = seat.queue(&picture(1)).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    let assignment = worker.claim(&task).await;
    for _ in 0..20 {
        app.clock.advance(LEASE / 2);
        worker.heartbeat(&[&task]).await;
        // An event goes the same way as the heartbeat: once it is through, so is that.
        worker.start(&task).await;
        let mut socket = seat.socket("").await;
        socket.until(|frame| frame["type"] == "execution_start").await;
        app.dispatch().await;
    }
    assert!(worker.take().is_none());

    app.clock.advance(LEASE * 3);
    let app = app.restart().await;
    app.dispatch().await;
    let worker = worker.moved_to(app.address);
    let placed = worker.upload(&task, &assignment, b"png").await;
    assert_eq!(
        worker.report(&task, Outcome::Succeeded, outputs(&placed)).await,
        204,
        "it was never taken back"
    );
    let seat = app.seat(1).await;
    assert_eq!(seat.comfy("/api/history").await.json()[&id]["status"]["completed"], true);
}

#[tokio::test]
async fn redis_away_keeps_every_job_in_its_place() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let seat = app.seat(1).await;
    app.queue.set_away(true);
    let jobs = [seat.queue(&picture(1)).await, seat.queue(&picture(2)).await];
    for _ in 0..3 {
        app.dispatch().await;
    }
    let pending = seat.comfy("/api/queue").await.json()["queue_pending"].clone();
    assert_eq!([pending[0][1].as_str().unwrap(), pending[1][1].as_str().unwrap()], jobs);
    app.queue.set_away(false);
    app.dispatch().await;
    let task = worker.take().unwrap();
    assert_eq!(task.job.to_string(), jobs[0]);
    worker.run(&task, b"png").await;
}

#[tokio::test]
async fn a_soft_stop_gives_the_job_back_without_a_mark() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let seat = app.seat(1).await;
    seat.queue(&picture(1)).await;
    for _ in 0..10 {
        app.dispatch().await;
        let task = worker.take().expect("as often as it is given back");
        worker.claim(&task).await;
        assert_eq!(worker.release(&task, domain::ReturnReason::WorkerStopped).await, 204);
    }
    app.dispatch().await;
    let task = worker.take().unwrap();
    worker.run(&task, b"png").await;
}

#[tokio::test]
async fn a_job_that_kills_its_engine_twice_is_set_aside_with_a_message() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let seat = app.seat(1).await;
    let id = seat.queue(&picture(1)).await;
    for _ in 0..2 {
        app.dispatch().await;
        let task = worker.take().unwrap();
        worker.claim(&task).await;
        let outcome = Outcome::Failed { kind: domain::FailureKind::EngineDied, reason: "exit 137".into() };
        assert_eq!(worker.report(&task, outcome, Map::new()).await, 204);
    }
    app.dispatch().await;
    assert!(worker.take().is_none());
    let job = seat.comfy(&format!("/api/jobs/{id}")).await.json();
    assert_eq!(job["status"], "failed");
    assert!(job["execution_error"]["exception_message"].as_str().unwrap().contains("set aside"), "{job}");
}

#[tokio::test]
async fn nothing_is_dispatched_without_room() {
    let app = TestApp::start().await;
    let seat = app.seat(1).await;
    drop(app.worker().await);
    let mut changes = app.workshop.watch_all();
    while app.workshop.engine_status() != workshop::overview::EngineStatus::Away {
        changes.changed().await.unwrap();
    }
    for color in 0..4 {
        seat.queue(&picture(color)).await;
    }
    app.dispatch().await;
    assert!(app.queue.is_empty(), "no worker");
    let _worker = app.worker().await;
    app.dispatch().await;
    assert_eq!(app.queue.len(), 2, "one slot and one staged");
    assert_eq!(seat.comfy("/api/queue").await.json()["queue_pending"].as_array().unwrap().len(), 4);
    assert_eq!(json!(0), seat.comfy("/api/jobs?status=completed").await.json()["pagination"]["total"]);
}
