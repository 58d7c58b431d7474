//! A worker that lies: about which job it runs, where its files go and how long they are.

use std::collections::BTreeSet;
use std::path::Path;

use domain::{JobId, LeaseToken};
use queue::TaskMessage;
use queue::report::{Outcome, WorkerFrame};
use reqwest::Method;
use serde_json::{Map, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::support::{DELIVERY_TIMEOUT, LEASE, TestApp, WORKER_TOKEN, outputs, picture};

fn files_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.insert(path.display().to_string());
        }
    }
}

/// All files of all seats.
fn files(app: &TestApp) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    files_below(&app.folder.path().join("seats"), &mut found);
    found
}

#[tokio::test]
async fn a_lease_is_good_for_its_own_job_and_once() {
    let app = TestApp::start().await;
    let (mut worker, mut other) = (app.worker().await, app.worker().await);
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    let (annas, bens) = (anna.queue(&picture(1)).await, ben.queue(&picture(2)).await);
    app.dispatch().await;
    let (first, second) = (worker.take().unwrap(), worker.take().unwrap());
    let assignment = worker.claim(&first).await;
    worker.start(&first).await;
    let no_job = JobId::from_uuid(Uuid::from_u128(7));
    let no_token = LeaseToken::from_uuid(Uuid::from_u128(8));
    for forged in [
        TaskMessage { token: no_token, ..first.clone() },
        TaskMessage { job: second.job, ..first.clone() },
        TaskMessage { job: no_job, ..first.clone() },
        TaskMessage { token: first.token, ..second.clone() },
    ] {
        assert_eq!(other.try_claim(&forged).await.err(), Some(409));
        assert_eq!(other.try_upload(&forged, &assignment.output_folder, b"forged").await.err(), Some(409));
        assert_eq!(other.report(&forged, Outcome::Succeeded, Map::new()).await, 409);
        assert_eq!(other.release(&forged, domain::ReturnReason::WorkerStopped).await, 409);
        assert_eq!(other.input(&forged, 0).await.0, 409);
        other
            .event(
                &forged,
                json!({"type": "executed", "data": {"node": "2", "output": {"images": [{"filename": "x"}]}}}),
            )
            .await;
        other.say_binary(&forged, b"\0\0\0\x01forged").await;
    }
    assert_eq!(other.try_claim(&first).await.err(), Some(409), "claimed by another worker");
    other.flush().await;

    let placed = worker.upload(&first, &assignment, b"true").await;
    assert_eq!(worker.report(&first, Outcome::Succeeded, outputs(&placed)).await, 204);
    let kept = files(&app);
    assert_eq!(worker.report(&first, Outcome::Succeeded, Map::new()).await, 409, "a result after the end");
    assert_eq!(worker.try_upload(&first, &assignment.output_folder, b"late").await.err(), Some(409));
    assert_eq!(worker.release(&first, domain::ReturnReason::WorkerStopped).await, 409);
    assert_eq!(files(&app), kept);
    assert_eq!(anna.comfy("/api/view?filename=picture_00001_.png").await.bytes, b"true");
    let history = anna.comfy("/api/history").await.json();
    assert_eq!(history[&annas]["outputs"]["2"]["images"].as_array().unwrap().len(), 1);
    assert_eq!(ben.comfy(&format!("/api/jobs/{bens}")).await.json()["status"], "pending");
}

#[tokio::test]
async fn heartbeats_for_what_one_does_not_hold_renew_nothing() {
    let app = TestApp::start().await;
    let (worker, mut liar) = (app.worker().await, app.worker().await);
    let anna = app.seat(1).await;
    anna.queue(&picture(1)).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    worker.claim(&task).await;
    let forged = TaskMessage { token: LeaseToken::from_uuid(Uuid::from_u128(8)), ..task.clone() };
    app.clock.advance(LEASE / 2);
    liar.heartbeat(&[&forged]).await;
    liar.flush().await;
    app.clock.advance(LEASE / 2 + DELIVERY_TIMEOUT);
    app.dispatch().await;
    assert_eq!(worker.take().expect("the lease has lapsed").attempt, 2);
}

#[tokio::test]
async fn no_name_of_a_result_leads_out_of_its_seat() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let anna = app.seat(1).await;
    app.seat(2).await.comfy_post("/api/userdata/x.json", &json!({})).await;
    anna.queue(&picture(1)).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    let assignment = worker.claim(&task).await;
    worker.start(&task).await;
    let own = assignment.output_folder.as_str();
    let escaping = format!("{own}/../../..");
    let sister = format!("{own}x");
    for (subfolder, name, kind) in [
        (own, "../../../user002/output/x.png", "output"),
        (own, "..%2F..%2Fx.png", "output"),
        (own, "%2Fetc%2Fcron.d%2Fx", "output"),
        (own, "a%2Fb.png", "output"),
        (own, "a%5C..%5Cb.png", "output"),
        (own, "x%00.png", "output"),
        (own, "..", "output"),
        (own, "", "output"),
        (escaping.as_str(), "x.png", "output"),
        (sister.as_str(), "x.png", "output"),
        ("", "x.png", "output"),
        ("cm/other/1", "x.png", "output"),
        ("../user002", "x.png", "output"),
        (own, "x.png", "input"),
        (own, "x.png", "user"),
        (own, "x.png", "models"),
        (own, "x.png", "../input"),
    ] {
        let path = format!(
            "/worker/v1/jobs/{}/artifacts?token={}&node=2&key=images&index=0&filename={name}&subfolder={subfolder}&kind={kind}",
            task.job, task.token
        );
        let reply = worker.request(Method::PUT, &path).body("forged").send().await.unwrap();
        assert!(reply.status().is_client_error(), "{subfolder}/{name} in {kind}: {}", reply.status());
    }
    for file in files(&app) {
        assert_ne!(std::fs::read(&file).unwrap(), b"forged", "{file}");
    }
    for query in ["index=-1", "index=99999999999999999999", "token=x"] {
        let path = format!(
            "/worker/v1/jobs/{}/artifacts?token={}&node=2&key=images&index=0&filename=x.png&subfolder={own}&kind=output&{query}",
            task.job, task.token
        );
        let reply = worker.request(Method::PUT, &path).body("forged").send().await.unwrap();
        assert!(reply.status().is_client_error(), "{query}: {}", reply.status());
    }
}

#[tokio::test]
async fn a_result_that_is_cut_short_is_no_result() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let anna = app.seat(1).await;
    anna.queue(&picture(1)).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    let assignment = worker.claim(&task).await;
    worker.start(&task).await;
    let head = format!(
        "PUT /worker/v1/jobs/{}/artifacts?token={}&node=2&key=images&index=0&filename=picture_00001_.png&subfolder={}&kind=output HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {WORKER_TOKEN}\r\n",
        task.job, task.token, assignment.output_folder
    );
    for (length, body) in
        [("Content-Length: 1000", "only this"), ("Transfer-Encoding: chunked", "9\r\nonly this\r\n3\r\nno")]
    {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(format!("{head}{length}\r\n\r\n{body}").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
        let answer = String::from_utf8_lossy(&rest);
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(anna.comfy("/api/view?filename=picture_00001_.png").await.status, 404);
    assert!(files(&app).iter().all(|file| std::fs::read(file).unwrap() != b"only this"));
}

#[tokio::test]
async fn frames_that_make_no_sense_harm_nobody_else() {
    let app = TestApp::start().await;
    let mut liar = app.worker().await;
    let anna = app.seat(1).await;
    let job = JobId::from_uuid(Uuid::from_u128(1));
    let token = LeaseToken::from_uuid(Uuid::from_u128(2));
    let nested = (0..60).fold(json!(1), |inner, _| json!([inner]));
    for event in
        [json!(null), json!("x"), json!({"type": 1, "data": []}), json!({"type": "status", "data": nested})]
    {
        liar.say(&WorkerFrame::Event { job, token, event }).await;
    }
    let task = TaskMessage::new(job, 1, token);
    liar.say_binary(&task, b"").await;
    liar.flush().await;
    let mut worker = app.worker().await;
    let id = app.run(&anna, &mut worker, picture(1), b"picture").await;
    assert_eq!(anna.comfy("/api/history").await.json()[&id]["status"]["completed"], true);
}
