//! What the log says, in both formats: enough to follow a job, and no secret.

use domain::{AccessMode, FailureKind, ReturnReason, SeatId, WorkerId};
use queue::TaskMessage;
use queue::report::Outcome;
use runtime::config::Settings;
use runtime::logging::{self, CapturedLog, LogOptions};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::support::binary::{call, text};
use crate::support::{ADMIN_PASSWORD, FakeWorker, LEASE, METRICS_TOKEN, TestApp, WORKER_TOKEN, picture};

/// All that our own crates could ever say.
const EVERYTHING: &str = "app=trace,comfy_api=trace,domain=trace,queue=trace,runtime=trace,scheduler=trace,\
    server=trace,store=trace,workshop=trace";

/// The log of this thread, which in a test is that of the server.
fn capture(filter: &str, format: &str) -> (CapturedLog, tracing::subscriber::DefaultGuard) {
    let mut settings = Settings::from_parts(&format!("LOG={filter}\nLOG_FORMAT={format}\n"), []);
    let (log, subscriber) = logging::capture(&LogOptions::read(&mut settings));
    (log, tracing::subscriber::set_default(subscriber))
}

/// What a line must hold to say this of a job.
fn field(format: &str, name: &str, value: impl ToString) -> String {
    let value = value.to_string();
    match format {
        "json" if value.parse::<u32>().is_ok() => format!("\"{name}\":{value}"),
        "json" => format!("\"{name}\":\"{value}\""),
        _ => format!("{name}={value}"),
    }
}

/// A participant's day: in, a file, a job that is given back, fails, lapses and is repeated.
async fn live(format: &str) {
    let (log, _guard) = capture(EVERYTHING, format);
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let (seat, admin) = (app.seat(1).await, app.admin().await);
    app.anonymous().post_form("/admin/login", "password=a-wrong-guess").await;
    app.anonymous().get("/join/a-wrong-link").await;
    assert_eq!(seat.upload("my-cat.png", b"a picture of a cat").await.status, 200);
    let mut graph = picture(1);
    graph["prompt"]["2"]["inputs"]["filename_prefix"] = "words-of-a-prompt".into();
    graph["extra_data"] = json!({"extra_pnginfo": {"workflow": {"name": "words-of-a-workflow"}}});
    let id = seat.queue(&graph).await;
    let mut tasks: Vec<TaskMessage> = Vec::new();
    app.dispatch().await;
    tasks.push(worker.take().unwrap());
    worker.claim(&tasks[0]).await;
    assert_eq!(worker.release(&tasks[0], ReturnReason::WorkerStopped).await, 204);
    app.dispatch().await;
    tasks.push(worker.take().unwrap());
    worker.claim(&tasks[1]).await;
    worker.start(&tasks[1]).await;
    let failed = Outcome::Failed { kind: FailureKind::Transfer, reason: "the line broke".into() };
    assert_eq!(worker.report(&tasks[1], failed, Map::new()).await, 204);
    app.dispatch().await;
    tasks.push(worker.take().unwrap());
    worker.claim(&tasks[2]).await;
    app.clock.advance(LEASE * 2);
    app.dispatch().await;
    tasks.push(worker.take().unwrap());
    let app = app.restart().await;
    let worker = worker.moved_to(app.address);
    worker.claim(&tasks[3]).await;
    assert_eq!(worker.report(&tasks[3], Outcome::Succeeded, Map::new()).await, 204);
    app.store.close().await;
    let reply = worker.request(reqwest::Method::POST, &format!("/worker/v1/jobs/{id}/release")).send().await;
    let reply = reply.unwrap();
    let request = reply.headers()["x-request-id"].to_str().unwrap().to_owned();
    let words = reply.text().await.unwrap();
    assert!(words.contains(&format!("(Request {request})")), "{words}");

    let text = log.text();
    let join_token = app.workshop.join_links()[0].join_path.trim_start_matches("/join/").to_owned();
    let cookie =
        |client: &crate::support::Client| client.cookie().unwrap().split_once('=').unwrap().1.to_owned();
    let mut secrets = vec![join_token, cookie(&seat), cookie(&admin)];
    secrets.extend(tasks.iter().map(|task| task.token.to_string()));
    secrets.extend(
        [ADMIN_PASSWORD, WORKER_TOKEN, METRICS_TOKEN, "a-wrong-guess", "a-wrong-link"].map(str::to_owned),
    );
    secrets.extend(["words-of-a-prompt", "words-of-a-workflow", "a picture of a cat"].map(str::to_owned));
    for secret in secrets {
        let line = text.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "the secret is {secret}");
    }

    let trace = tasks[0].trace();
    assert!(tasks.iter().all(|task| task.trace == Some(trace)), "one trace over retries: {tasks:?}");
    let fault = text.lines().filter(|line| line.contains(&field(format, "request.id", &request)));
    assert!(fault.count() >= 2, "the fault and its cause: {text}");
    let ids =
        [field(format, "job.id", &id), field(format, "seat.id", "user001"), field(format, "trace.id", trace)];
    let said = |what: &str, attempt: u32, by_worker: bool| {
        let holds = |line: &&str| {
            line.contains(what)
                && ids.iter().all(|id| line.contains(id))
                && line.contains(&field(format, "attempt", attempt))
                && (!by_worker || line.contains(&field(format, "worker.id", worker.id)))
        };
        assert!(text.lines().any(|line| holds(&line)), "no {what:?} of attempt {attempt}: {text}");
    };
    said("job queued", 0, false);
    for attempt in 1..=4 {
        said("job handed out", attempt, false);
        said("job claimed", attempt, true);
        said("attempt ended", attempt, true);
    }
    said("job released by its worker", 1, true);
    said("job started", 2, true);
    said("the worker could not finish the job", 2, true);
    said("lease lapsed", 3, true);
    for line in text.lines().filter(|line| line.contains(&id)) {
        assert!(ids.iter().all(|id| line.contains(id)) && line.contains("attempt"), "{line}");
    }
    if format == "json" {
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{text}");
    }
}

#[tokio::test]
async fn a_job_can_be_followed_and_no_secret_is_told_in_text() {
    live("text").await;
}

#[tokio::test]
async fn a_job_can_be_followed_and_no_secret_is_told_in_json() {
    live("json").await;
}

#[tokio::test]
async fn a_line_bears_its_ids_however_little_is_logged() {
    let (log, _guard) = capture("warn", "text");
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let seat = app.seat(1).await;
    let id = seat.queue(&picture(1)).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    worker.claim(&task).await;
    let failed = Outcome::Failed { kind: FailureKind::Transfer, reason: "the line broke".into() };
    assert_eq!(worker.report(&task, failed, Map::new()).await, 204);
    let text = log.text();
    let line = text.lines().find(|line| line.contains("could not finish")).expect(&text);
    for (name, value) in [("job.id", id), ("trace.id", task.trace().to_string())] {
        assert!(line.contains(&format!("{name}={value}")), "{line}");
    }
    assert!(line.contains("request.id=") && !text.contains("job claimed"), "{text}");
}

#[tokio::test]
async fn a_worker_says_which_attempt_it_speaks_of() {
    let (log, _guard) = capture("info", "text");
    let app = TestApp::start().await;
    let worker = app.worker().await;
    app.seat(1).await.queue(&picture(1)).await;
    app.dispatch().await;
    let first = worker.take().unwrap();
    worker.claim(&first).await;
    app.clock.advance(LEASE * 2);
    app.dispatch().await;
    let second = worker.take().unwrap();
    let body = json!({"token": second.token, "reason": "worker_stopped", "detail": "stopping"});
    let path = format!("/worker/v1/jobs/{}/release", second.job);
    for (trace, attempt) in [(first.trace(), 1), ("0".repeat(32).parse().unwrap(), 9)] {
        let request = worker.request(reqwest::Method::POST, &path).json(&body);
        request.header("traceparent", trace.traceparent(attempt)).send().await.unwrap();
    }
    let text = log.text();
    let lines: Vec<_> = text.lines().filter(|line| line.contains("released by its worker")).collect();
    assert!(lines[0].contains("attempt=1") && lines[1].contains("attempt=2"), "{lines:?}");
    assert!(!text.contains(&"0".repeat(32)), "a foreign trace is not taken: {text}");
}

#[tokio::test]
async fn no_link_and_no_token_of_a_program_or_worker_is_told() {
    let (log, _guard) = capture(EVERYTHING, "text");
    let hosts = "PUBLIC_URL=http://workshop.example\nSEAT_HOST_PATTERN={seat}.workshop.example\n";
    let app = TestApp::start_with(AccessMode::Link, hosts).await;
    let seat = SeatId::new(1).unwrap();
    let at = |host: &str| {
        let mut client = app.anonymous();
        client.host = Some(host.to_owned());
        client
    };

    let token = app.workshop.make_api_token(seat, "my script").await.unwrap().secret;
    let mut program = at("user001.workshop.example");
    program.bearer = Some(token.clone());
    assert_eq!(program.get("/user/user001/comfy/queue").await.status, 200);
    let take_home = app.workshop.take_home_path(seat).unwrap();
    let taken = at("workshop.example").get(&format!("{take_home}/download.zip")).await;
    assert_eq!(taken.status, 200, "{}", taken.text());

    let mut admin = at("workshop.example");
    admin.keep_cookie(&admin.post_form("/admin/login", &format!("password={ADMIN_PASSWORD}")).await);
    let look = admin.get("/user/user001").await.header("location").unwrap();
    let word = look.strip_prefix("http://user001.workshop.example").unwrap();
    assert_eq!(at("user001.workshop.example").get(word).await.status, 303);

    let made = call(app.folder.path(), &["worker-token", "add", "box-1"]).await;
    let text = text(&made);
    let own = text.lines().find_map(|line| line.strip_prefix("WORKER_TOKEN=")).expect(&text);
    let id = WorkerId::from_uuid(Uuid::from_u128(1));
    let worker = FakeWorker::connect_as(app.address, app.queue.clone(), own, id).await.unwrap();
    worker.publish_catalog().await;

    let last = |link: &str| link.rsplit('/').next().unwrap().to_owned();
    let log = log.text();
    for secret in [token, last(&take_home), last(word), own.to_owned()] {
        assert!(secret.len() > 15, "{secret}");
        assert_eq!(log.lines().find(|line| line.contains(&secret)), None, "the secret is {secret}");
    }
    assert!(log.contains("worker connected"), "{log}");
}
