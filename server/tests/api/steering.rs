//! The instructor's hand on the queue, and what participants are told of it.

use domain::job::JobPhase;
use domain::{Admin, Priority, ReturnReason, SchedulingMode, SeatId, Viewer, WaitReason};
use queue::report::{Outcome, ServerFrame};
use serde_json::{Value, json};
use workshop::gallery::GalleryFilter;
use workshop::overview::{AdminOverview, HealthOverview, JobOverview};

use crate::support::{Client, FakeWorker, METRICS_TOKEN, TestApp, outputs, picture};

fn instructor() -> Admin {
    Viewer::new([], true).require_admin().unwrap()
}

fn seat(number: u16) -> SeatId {
    SeatId::new(number).unwrap()
}

/// The active jobs in their order: by name as given, else by id.
async fn order(app: &TestApp, names: &[(&str, &str)]) -> String {
    let overview = app.workshop.admin_overview(instructor()).await.unwrap();
    let name = |job: &JobOverview| {
        let id = job.id.to_string();
        names.iter().find(|(_, known)| *known == id).map_or(id.clone(), |(name, _)| (*name).to_owned())
    };
    overview.active.iter().map(name).collect::<Vec<_>>().join(" ")
}

async fn job(app: &TestApp, id: &str) -> JobOverview {
    let overview = app.workshop.admin_overview(instructor()).await.unwrap();
    let mut jobs = overview.active.into_iter().chain(overview.ended);
    jobs.find(|job| job.id.to_string() == id).unwrap()
}

/// Three seats queue A1 A2 B1 C1 C2 A3 with nobody to run them.
async fn queued(app: &TestApp) -> Vec<(&'static str, String)> {
    let (anna, ben, cara) = (app.seat(1).await, app.seat(2).await, app.seat(3).await);
    let mut jobs = Vec::new();
    let line: [(&str, &Client); 6] =
        [("A1", &anna), ("A2", &anna), ("B1", &ben), ("C1", &cara), ("C2", &cara), ("A3", &anna)];
    for (number, (name, client)) in (1..).zip(line) {
        jobs.push((name, client.queue(&picture(number)).await));
    }
    jobs
}

#[tokio::test]
async fn switching_the_mode_changes_the_order_as_the_policy_says() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let jobs = queued(&app).await;
    let names: Vec<_> = jobs.iter().map(|(name, id)| (*name, id.as_str())).collect();
    let admin = instructor();
    assert_eq!(order(&app, &names).await, "A1 A2 B1 C1 C2 A3");
    app.workshop.set_mode(admin, SchedulingMode::RoundRobin).await.unwrap();
    assert_eq!(order(&app, &names).await, "A1 B1 C1 A2 C2 A3");
    app.workshop.set_mode(admin, SchedulingMode::Fifo).await.unwrap();
    assert_eq!(order(&app, &names).await, "A1 A2 B1 C1 C2 A3");

    let id = |name: &str| names.iter().find(|(known, _)| *known == name).unwrap().1.parse().unwrap();
    app.workshop.prioritise(admin, id("C2"), Priority::Raised, false).await.unwrap();
    app.workshop.prioritise(admin, id("A3"), Priority::Demo, false).await.unwrap();
    assert_eq!(order(&app, &names).await, "A3 C2 A1 A2 B1 C1");
    app.workshop.pause_seat(admin, seat(1), true).await.unwrap();
    assert_eq!(order(&app, &names).await, "C2 B1 C1 A3 A1 A2", "a paused seat holds nobody up");
    assert_eq!(job(&app, &jobs[0].1).await.wait.unwrap().reason, WaitReason::SeatPaused);
}

#[tokio::test]
async fn mode_pauses_and_priorities_outlive_a_restart() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let jobs = queued(&app).await;
    let admin = instructor();
    app.workshop.set_mode(admin, SchedulingMode::RoundRobin).await.unwrap();
    app.workshop.pause_queue(admin, true).await.unwrap();
    app.workshop.announce(admin, "  Lunch\nuntil two ").await.unwrap();
    app.workshop.rename_seat(admin, seat(2), "Ben").await.unwrap();
    drop(worker);

    let app = app.restart().await;
    let worker = app.worker().await;
    app.dispatch().await;
    assert!(worker.take().is_none(), "a paused queue hands nothing out");
    let view = app.workshop.seat_overview(seat(2)).await.unwrap();
    assert_eq!((view.name.as_str(), view.queue.mode), ("Ben", SchedulingMode::RoundRobin));
    assert_eq!(view.queue.announcement.as_deref(), Some("Lunch until two"));
    assert_eq!(view.jobs[0].wait.unwrap().reason, WaitReason::QueuePaused);
    app.workshop.pause_queue(admin, false).await.unwrap();
    app.dispatch().await;
    assert_eq!(worker.take().unwrap().job.to_string(), jobs[0].1);
    assert_eq!(worker.take().unwrap().job.to_string(), jobs[2].1, "B1, as seats take turns");
}

/// The next command of the server for the worker.
async fn commanded(worker: &mut FakeWorker) -> (String, ReturnReason) {
    match worker.hear().await {
        ServerFrame::GiveBack { job, reason, .. } => (job.to_string(), reason),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_demo_interrupts_what_runs_which_then_runs_again_once() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    let (running, staged) = (anna.queue(&picture(1)).await, anna.queue(&picture(2)).await);
    app.dispatch().await;
    let (first, second) = (worker.take().unwrap(), worker.take().unwrap());
    worker.claim(&first).await;
    worker.start(&first).await;
    worker.claim(&second).await;

    let demo = ben.queue(&picture(3)).await;
    app.workshop.prioritise(instructor(), demo.parse().unwrap(), Priority::Demo, true).await.unwrap();
    app.dispatch().await;
    assert_eq!(commanded(&mut worker).await, (staged.clone(), ReturnReason::Recalled));
    assert_eq!(commanded(&mut worker).await, (running.clone(), ReturnReason::Demo));
    for (task, reason) in [(&second, ReturnReason::Recalled), (&first, ReturnReason::Demo)] {
        assert_eq!(worker.release(task, reason).await, 204);
    }
    app.dispatch().await;
    let task = worker.take().unwrap();
    assert_eq!(task.job.to_string(), demo, "the demo goes first");
    let back = job(&app, &running).await;
    assert_eq!(back.wait.unwrap().returned, Some(ReturnReason::Demo));
    worker.run(&task, b"png").await;

    app.dispatch().await;
    let again = worker.take().unwrap();
    assert_eq!(again.job.to_string(), running, "what was interrupted is the next");
    worker.run(&again, b"png").await;
    let ended = job(&app, &running).await;
    assert_eq!((ended.phase, ended.attempt), (JobPhase::Succeeded, 2));
    let results = app.workshop.gallery(seat(1), &GalleryFilter::default(), None, 10).await.unwrap();
    assert_eq!(results.iter().filter(|item| item.job == again.job).count(), 1, "one result");
}

#[tokio::test]
async fn a_demo_seat_queues_demonstrations_until_it_is_switched_off() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let ben = app.seat(2).await;
    app.workshop.demo_seat(instructor(), seat(2), true).await.unwrap();
    let demo = ben.queue(&picture(1)).await;
    assert_eq!(job(&app, &demo).await.priority, Priority::Demo);
    app.workshop.demo_seat(instructor(), seat(2), false).await.unwrap();
    let plain = ben.queue(&picture(2)).await;
    assert_eq!(job(&app, &plain).await.priority, Priority::Normal);
}

#[tokio::test]
async fn a_seat_over_its_cap_is_told_so_in_comfyuis_shape() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let anna = app.seat(1).await;
    app.workshop.set_caps(instructor(), Some(1), Some(1)).await.unwrap();
    anna.queue(&picture(1)).await;
    let refused = anna.comfy_post("/api/prompt", &picture(2)).await;
    assert_eq!(refused.status, 429);
    let body = refused.json();
    assert_eq!(body["error"]["type"], "too_many_jobs");
    assert!(body["error"]["message"].as_str().unwrap().contains("as many as the instructor allows"));
    assert_eq!(body["node_errors"], json!({}));
    app.workshop.set_caps(instructor(), None, None).await.unwrap();
    anna.queue(&picture(2)).await;
    assert!(app.workshop.set_caps(instructor(), Some(0), None).await.is_err());
}

#[tokio::test]
async fn a_draining_worker_gets_nothing_more_also_after_it_reconnects() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let anna = app.seat(1).await;
    app.workshop.drain_worker(instructor(), "gpu", true).await.unwrap();
    let id = anna.queue(&picture(1)).await;
    app.dispatch().await;
    assert!(worker.take().is_none());
    assert_eq!(job(&app, &id).await.wait.unwrap().reason, WaitReason::NoWorker);
    drop(worker);
    let worker = app.worker().await;
    app.dispatch().await;
    assert!(worker.take().is_none());
    app.workshop.drain_worker(instructor(), "gpu", false).await.unwrap();
    app.dispatch().await;
    assert!(worker.take().is_some());
    assert!(app.workshop.drain_worker(instructor(), "nobody", true).await.is_err());
}

#[tokio::test]
async fn an_engine_restart_reaches_the_worker() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    app.workshop.restart_engine(instructor(), worker.id).await.unwrap();
    assert_eq!(worker.hear().await, ServerFrame::RestartEngine);
}

#[tokio::test]
async fn an_ended_job_runs_again_as_a_new_one_and_an_active_one_does_not() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let anna = app.seat(1).await;
    let id = anna.queue(&picture(1)).await;
    assert!(app.workshop.run_again(instructor(), id.parse().unwrap()).await.is_err());
    app.dispatch().await;
    let task = worker.take().unwrap();
    worker.claim(&task).await;
    worker.start(&task).await;
    let error = json!({"node_id": "2", "node_type": "SaveImage", "exception_type": "OSError",
        "exception_message": "disk full", "traceback": []});
    worker.report(&task, Outcome::NodeError { error }, serde_json::Map::new()).await;
    let failure = job(&app, &id).await.failure.unwrap();
    assert!(!failure.advice.is_empty());
    let again = app.workshop.run_again(instructor(), id.parse().unwrap()).await.unwrap();
    assert_ne!(again.to_string(), id);
    app.dispatch().await;
    let task = worker.take().unwrap();
    assert_eq!(task.job, again);
    worker.run(&task, b"png").await;
    assert_eq!(job(&app, &again.to_string()).await.phase, JobPhase::Succeeded);
}

#[tokio::test]
async fn a_new_link_ends_the_old_ones_sessions_and_sockets_at_once() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    let mut hers = anna.socket("").await;
    app.workshop.rotate_link(instructor(), seat(1)).await.unwrap();
    assert_eq!(anna.comfy("/api/queue").await.status, 401);
    assert!(hers.is_closed_by_server().await);
    assert_eq!(ben.comfy("/api/queue").await.status, 200);
    let again = app.seat(1).await;
    assert_eq!(again.comfy("/api/queue").await.status, 200);
}

#[tokio::test]
async fn all_of_a_seats_jobs_are_cancelled_by_it_or_by_the_instructor() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    let mut hers = [anna.queue(&picture(1)).await, anna.queue(&picture(2)).await];
    let his = ben.queue(&picture(3)).await;
    app.workshop.cancel_all(seat(1)).await.unwrap();
    for id in &mut hers {
        assert_eq!(job(&app, id).await.phase, JobPhase::Cancelled);
    }
    assert_eq!(job(&app, &his).await.phase, JobPhase::Queued);
    app.workshop.clear_seat(instructor(), seat(2)).await.unwrap();
    assert_eq!(job(&app, &his).await.phase, JobPhase::Cancelled);
    assert!(app.workshop.clear_seat(instructor(), seat(400)).await.is_err());
}

#[tokio::test]
async fn a_shape_that_was_seen_gives_an_estimate_and_a_new_one_does_not() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let anna = app.seat(1).await;
    let first = anna.queue(&picture(1)).await;
    let behind = anna.queue(&picture(2)).await;
    let before = job(&app, &behind).await;
    assert_eq!(before.wait.unwrap().start, None, "nothing like the first has ever run");
    app.dispatch().await;
    let task = worker.take().unwrap();
    assert_eq!(task.job.to_string(), first);
    let assignment = worker.claim(&task).await;
    worker.start(&task).await;
    app.clock.advance(std::time::Duration::from_secs(12));
    let placed = worker.upload(&task, &assignment, b"png").await;
    assert_eq!(worker.report(&task, Outcome::Succeeded, outputs(&placed)).await, 204);

    // Same shape, other colour: what starts before it is known to take about twelve seconds.
    let third = anna.queue(&picture(3)).await;
    let start = job(&app, &third).await.wait.unwrap().start.unwrap();
    assert!((8_000..=14_000).contains(&start.p50_ms), "{start:?}");
    assert!(start.p90_ms >= start.p50_ms);
}

#[tokio::test]
async fn metrics_are_for_the_instructor_and_the_scraper_only() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let anna = app.seat(1).await;
    anna.queue(&picture(1)).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    worker.run(&task, b"png").await;
    assert_eq!(anna.get("/metrics").await.status, 404);
    assert_eq!(app.anonymous().get("/metrics").await.status, 404);
    let mut scraper = app.anonymous();
    scraper.bearer = Some(METRICS_TOKEN.to_owned());
    for reply in [scraper.get("/metrics").await, app.admin().await.get("/metrics").await] {
        assert_eq!(reply.status, 200);
        let text = reply.text();
        for line in [
            "comfy_multi_jobs_submitted_total 1",
            "comfy_multi_jobs_ended_total{outcome=\"succeeded\"} 1",
            "comfy_multi_job_wait_seconds_count 1",
            "comfy_multi_workers{state=\"ready\"} 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
    scraper.bearer = Some("wrong".to_owned());
    assert_eq!(scraper.get("/metrics").await.status, 404);
}

/// Every server function of the instructor's page, with arguments that it would take.
const ADMIN_FUNCTIONS: [(&str, &str); 15] = [
    ("cancel-job-as-admin", "job=JOB"),
    ("prioritise-job", "job=JOB&priority=demo&interrupts=true"),
    ("run-job-again", "job=JOB"),
    ("clear-seat", "seat=user002"),
    ("pause-seat", "seat=user002&is_paused=true"),
    ("demo-seat", "seat=user001&is_demo=true"),
    ("rename-seat", "seat=user002&name=x"),
    ("message-seat", "seat=user002&text=x"),
    ("rotate-link", "seat=user002"),
    ("set-mode", "mode=fair"),
    ("pause-queue", "is_paused=true"),
    ("set-caps", "max_queued=1&max_running=1"),
    ("announce", "text=x"),
    ("drain-worker", "name=gpu&is_draining=true"),
    ("restart-engine", "worker=00000000-0000-4000-8000-000000000001"),
];

#[tokio::test]
async fn participants_and_strangers_get_nothing_of_the_instructors() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    let bens = ben.queue(&picture(1)).await;
    // But for the free disk, which is everybody's.
    let state = async || AdminOverview {
        health: HealthOverview::default(),
        ..app.workshop.admin_overview(instructor()).await.unwrap()
    };
    let before = state().await;
    for (endpoint, form) in ADMIN_FUNCTIONS {
        let (path, form) = (format!("/api/{endpoint}"), form.replace("JOB", &bens));
        assert_eq!(anna.post_form(&path, &form).await.status, 404, "{endpoint} by a participant");
        assert_eq!(app.anonymous().post_form(&path, &form).await.status, 401, "{endpoint} by a stranger");
    }
    for (endpoint, query) in [("read-admin-page", ""), ("read-activity", "problems_only=false")] {
        let path = format!("/api/{endpoint}?{query}");
        assert_eq!(anna.get(&path).await.status, 404, "{endpoint}");
        assert_eq!(app.anonymous().get(&path).await.status, 401, "{endpoint}");
    }
    assert_eq!(state().await, before, "nothing has changed");

    let admin = app.admin().await;
    for (endpoint, form) in ADMIN_FUNCTIONS.iter().filter(|(endpoint, _)| *endpoint != "restart-engine") {
        let reply = admin.post_form(&format!("/api/{endpoint}"), &form.replace("JOB", &bens)).await;
        assert!(
            reply.status < 400 || *endpoint == "run-job-again",
            "{endpoint}: {} {}",
            reply.status,
            reply.text()
        );
    }
}

#[tokio::test]
async fn the_instructor_looks_into_a_workspace_and_changes_nothing() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let anna = app.seat(1).await;
    anna.queue(&picture(1)).await;
    let mut admin = app.admin().await;
    assert_eq!(admin.get("/user/user001").await.status, 200);
    admin.base = "/user/user001/comfy".to_owned();
    let queue = admin.comfy("/api/queue").await;
    assert_eq!(queue.status, 200);
    assert_eq!(queue.json()["queue_pending"].as_array().unwrap().len(), 1);
    for (path, body) in [
        ("/api/prompt", picture(2)),
        ("/api/queue", json!({"clear": true})),
        ("/api/interrupt", Value::Null),
        ("/api/settings", json!({"a": 1})),
    ] {
        let refused = admin.comfy_post(path, &body).await;
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.text().contains("nothing here can be changed"), "{path}");
    }
    let page = admin.get("/user/user001").await.text();
    assert!(page.contains("You are looking at user001"), "the page says so");
    assert_eq!(anna.comfy("/api/queue").await.json()["queue_pending"].as_array().unwrap().len(), 1);
    // No such seat for the instructor either.
    assert_eq!(admin.get("/user/user400").await.status, 404);
    let cancel = admin.post_form("/api/cancel-all-jobs", "seat=user001").await;
    assert_eq!(cancel.status, 404);
}

#[tokio::test]
async fn a_message_reaches_its_seat_alone_and_is_dismissed_there() {
    let app = TestApp::start().await;
    let anna = app.seat(1).await;
    app.workshop.message_seat(instructor(), seat(1), "Well done").await.unwrap();
    assert!(anna.get("/user/user001").await.text().contains("Well done"));
    assert_eq!(app.workshop.seat_overview(seat(2)).await.unwrap().message, None);
    let reply = anna.post_form("/api/dismiss-message", "seat=user001").await;
    assert!(reply.status < 400);
    assert_eq!(app.workshop.seat_overview(seat(1)).await.unwrap().message, None);
    let long = "x".repeat(501);
    assert!(app.workshop.message_seat(instructor(), seat(1), &long).await.is_err());
}
