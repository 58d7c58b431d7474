//! A job from Run to result, as the editor sees it.

use queue::report::Outcome;
use serde_json::{Map, Value, json};

use crate::support::{Frame, TestApp, is_run_end, outputs, picture};

fn types(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_editor_hears_a_run_in_comfyuis_order() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let seat = app.seat(1).await;
    let mut socket = seat.socket("").await;
    let first = socket.until(|_| true).await;
    let sid = first[0]["data"]["sid"].as_str().unwrap().to_owned();
    assert!(sid.starts_with("user001-"), "{sid}");
    socket.send(&json!({"type": "feature_flags", "data": {"supports_preview_metadata": true}})).await;
    let flags = socket.until(|frame| frame["type"] == "feature_flags").await;
    assert_eq!(flags.last().unwrap()["data"]["supports_preview_metadata"], true);

    let mut graph = picture(1);
    graph["client_id"] = json!(sid);
    let id = seat.queue(&graph).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    let assignment = worker.claim(&task).await;
    worker.start(&task).await;
    worker
        .event(
            &task,
            json!({"type": "executing", "data": {"node": "1", "display_node": "1", "prompt_id": id}}),
        )
        .await;
    let placed = worker.upload(&task, &assignment, b"png").await;
    let shown = outputs(&placed);
    worker.event(&task, json!({"type": "executed", "data": {"node": "2", "display_node": "2", "prompt_id": id, "output": shown["2"]}})).await;
    // Frames of one socket keep their order; the report goes another way, so it waits for them.
    let mut frames = socket.until(|frame| frame["type"] == "executed").await;
    assert_eq!(worker.report(&task, Outcome::Succeeded, shown).await, 204);
    frames.extend(socket.until(is_run_end).await);
    assert_eq!(
        types(&frames),
        [
            "status",
            "execution_start",
            "status",
            "executing",
            "executed",
            "execution_success",
            "status",
            "executing"
        ]
    );
    assert_eq!(frames[0]["data"]["status"]["exec_info"]["queue_remaining"], 1);
    assert_eq!(frames[6]["data"]["status"]["exec_info"]["queue_remaining"], 0);
    assert!(
        frames
            .iter()
            .filter(|frame| frame["type"] != "status")
            .all(|frame| frame["data"]["prompt_id"] == id.as_str())
    );
}

#[tokio::test]
async fn a_job_of_a_program_fills_no_open_graph() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let seat = app.seat(1).await;
    let mut socket = seat.socket("").await;
    // No client_id: nobody's tab waits for it.
    let mut graph = picture(1);
    graph["client_id"] = json!("");
    seat.queue(&graph).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    let assignment = worker.claim(&task).await;
    worker.start(&task).await;
    let placed = worker.upload(&task, &assignment, b"png").await;
    assert_eq!(worker.report(&task, Outcome::Succeeded, outputs(&placed)).await, 204);
    let is_empty = |frame: &Value| frame["data"]["status"]["exec_info"]["queue_remaining"] == 0;
    let mut frames = socket.until(is_empty).await;
    // The first tells of the empty queue before the job.
    frames.extend(socket.until(is_empty).await);
    assert!(types(&frames).iter().all(|kind| *kind == "status"), "{frames:?}");
}

#[tokio::test]
async fn previews_come_in_the_form_that_the_client_understands() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let seat = app.seat(1).await;
    let (mut modern, mut legacy) = (seat.socket("").await, seat.socket("").await);
    modern.send(&json!({"type": "feature_flags", "data": {"supports_preview_metadata": true}})).await;
    modern.until(|frame| frame["type"] == "feature_flags").await;
    legacy.send(&json!({"type": "feature_flags", "data": {}})).await;
    legacy.until(|frame| frame["type"] == "feature_flags").await;

    let id = seat.queue(&picture(1)).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    worker.claim(&task).await;
    let metadata = json!({"node_id": "1", "prompt_id": id, "image_type": "image/jpeg"}).to_string();
    let mut frame = vec![0, 0, 0, 4];
    frame.extend_from_slice(&u32::try_from(metadata.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(metadata.as_bytes());
    frame.extend_from_slice(b"\xff\xd8jpeg");
    worker.say_binary(&task, &frame).await;
    assert_eq!(next_binary(&mut modern).await, frame);
    assert_eq!(next_binary(&mut legacy).await, b"\0\0\0\x01\0\0\0\x01\xff\xd8jpeg");
}

async fn next_binary(socket: &mut crate::support::Socket) -> Vec<u8> {
    loop {
        if let Frame::Binary(bytes) = socket.next().await {
            return bytes;
        }
    }
}

#[tokio::test]
async fn a_reconnecting_editor_catches_up() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let seat = app.seat(1).await;
    let mut socket = seat.socket("").await;
    let sid = socket.until(|_| true).await[0]["data"]["sid"].as_str().unwrap().to_owned();
    let mut graph = picture(1);
    graph["client_id"] = json!(sid);
    let id = seat.queue(&graph).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    worker.claim(&task).await;
    worker.start(&task).await;
    let nodes = json!({"1": {"value": 1.0, "max": 4.0, "state": "running", "node_id": "1", "prompt_id": id, "display_node_id": "1"}});
    worker.event(&task, json!({"type": "progress_state", "data": {"prompt_id": id, "nodes": nodes}})).await;
    socket.until(|frame| frame["type"] == "progress_state").await;
    drop(socket);

    let mut again = seat.socket(&format!("?clientId={sid}")).await;
    let frames = again.until(|frame| frame["type"] == "progress_state").await;
    assert_eq!(types(&frames), ["status", "execution_start", "progress_state"]);
    assert_eq!(frames[0]["data"]["sid"], sid.as_str());

    let mut foreign = app.seat(2).await.socket(&format!("?clientId={sid}")).await;
    let given = foreign.until(|_| true).await[0]["data"]["sid"].as_str().unwrap().to_owned();
    assert!(given.starts_with("user002-"), "a foreign sid is not taken: {given}");
}

#[tokio::test]
async fn queue_history_and_jobs_tell_the_same_story() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let seat = app.seat(1).await;
    let (done, running, waiting) =
        (seat.queue(&picture(1)).await, seat.queue(&picture(2)).await, seat.queue(&picture(3)).await);
    app.dispatch().await;
    let task = worker.take().unwrap();
    worker.run(&task, b"png").await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    worker.claim(&task).await;
    let mut socket = seat.socket("").await;
    worker.start(&task).await;
    socket.until(|frame| frame["type"] == "execution_start").await;

    let queue = seat.comfy("/queue").await.json();
    assert_eq!(queue["queue_running"][0][1], running.as_str());
    assert_eq!(queue["queue_pending"][0][1], waiting.as_str());
    assert_eq!(queue["queue_running"][0][4], json!(["2"]));
    assert_eq!(
        queue["queue_running"][0][2]["2"]["inputs"]["filename_prefix"], "picture",
        "the participant's own graph"
    );

    let history = seat.comfy("/api/history?max_items=64").await.json();
    assert_eq!(history.as_object().unwrap().keys().collect::<Vec<_>>(), [&done]);
    assert_eq!(history[&done]["status"]["status_str"], "success");
    assert_eq!(history[&done]["status"]["completed"], true);

    let active = seat.comfy("/api/jobs?status=in_progress,pending&limit=200&offset=0").await.json();
    let states: Vec<_> = active["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| (job["id"].as_str().unwrap(), job["status"].as_str().unwrap()))
        .collect();
    assert!(
        states.contains(&(running.as_str(), "in_progress"))
            && states.contains(&(waiting.as_str(), "pending")),
        "{states:?}"
    );
    let ended = seat.comfy("/api/jobs?status=completed,failed,cancelled&limit=64&offset=0").await.json();
    assert_eq!(ended["jobs"][0]["id"], done.as_str());
    assert_eq!(ended["jobs"][0]["preview_output"]["filename"], "picture_00001_.png");
    assert_eq!(ended["pagination"], json!({"offset": 0, "limit": 64, "total": 1, "has_more": false}));
    let detail = seat.comfy(&format!("/api/jobs/{done}")).await.json();
    assert_eq!(detail["workflow"]["prompt"]["2"]["class_type"], "SaveImage");

    assert_eq!(seat.comfy_post("/api/history", &json!({"delete": [done]})).await.status, 200);
    assert_eq!(seat.comfy("/api/history").await.json(), json!({}));
}

#[tokio::test]
async fn cancelling_works_in_every_state() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let seat = app.seat(1).await;
    let mut jobs = Vec::new();
    for color in 0..4 {
        jobs.push(seat.queue(&picture(color)).await);
    }
    app.dispatch().await;
    let (running, staged) = (worker.take().unwrap(), worker.take().unwrap());
    worker.claim(&running).await;
    worker.claim(&staged).await;
    let mut socket = seat.socket("").await;
    worker.start(&running).await;
    socket.until(|frame| frame["type"] == "execution_start").await;

    // Waiting: gone at once, and never in the history.
    seat.comfy_post("/api/queue", &json!({"delete": [jobs[3]]})).await;
    // Staged on the worker: the worker is asked.
    seat.comfy_post("/api/queue", &json!({"delete": [jobs[1]]})).await;
    let asked = worker.hear().await;
    assert!(
        matches!(asked, queue::report::ServerFrame::Cancel { job, .. } if job == staged.job),
        "{asked:?}"
    );
    worker.report(&staged, Outcome::Interrupted { data: json!({}) }, Map::new()).await;
    // Deleting a running one does nothing, as in ComfyUI; interrupting it asks the worker.
    seat.comfy_post("/api/queue", &json!({"delete": [jobs[0]]})).await;
    seat.comfy_post("/api/interrupt", &json!({"prompt_id": jobs[0]})).await;
    let asked = worker.hear().await;
    assert!(
        matches!(asked, queue::report::ServerFrame::Cancel { job, .. } if job == running.job),
        "{asked:?}"
    );
    worker.report(&running, Outcome::Interrupted { data: json!({}) }, Map::new()).await;
    let frames = socket.until(is_run_end).await;
    assert!(types(&frames).contains(&"execution_interrupted"), "{frames:?}");

    let history = seat.comfy("/api/history").await.json();
    assert_eq!(history.as_object().unwrap().keys().collect::<Vec<_>>(), [&jobs[0]]);
    assert_eq!(seat.comfy(&format!("/api/jobs/{}", jobs[0])).await.json()["status"], "cancelled");
    let queue = seat.comfy("/api/queue").await.json();
    assert_eq!(queue["queue_pending"].as_array().unwrap().len(), 1);
    seat.comfy_post("/api/queue", &json!({"clear": true})).await;
    assert_eq!(seat.comfy("/api/prompt").await.json()["exec_info"]["queue_remaining"], 0);
}

#[tokio::test]
async fn a_nodes_exception_is_shown_and_not_retried() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let seat = app.seat(1).await;
    let mut socket = seat.socket("").await;
    let id = seat.queue(&picture(1)).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    worker.claim(&task).await;
    worker.start(&task).await;
    socket.until(|frame| frame["type"] == "execution_start").await;
    let error = json!({
        "prompt_id": id, "node_id": "1", "node_type": "EmptyImage", "executed": [], "exception_message": "boom in /opt/ComfyUI/nodes.py",
        "exception_type": "ValueError", "traceback": ["  File \"/opt/ComfyUI/execution.py\", line 1, in execute\n"],
        "current_inputs": {"width": [64]}, "current_outputs": [], "timestamp": 5,
    });
    assert_eq!(worker.report(&task, Outcome::NodeError { error }, Map::new()).await, 204);
    let frames = socket.until(is_run_end).await;
    let shown = frames.iter().find(|frame| frame["type"] == "execution_error").unwrap();
    assert_eq!(
        (&shown["data"]["node_id"], &shown["data"]["exception_type"]),
        (&json!("1"), &json!("ValueError"))
    );
    let words = shown["data"]["exception_message"].as_str().unwrap();
    assert!(words.starts_with("boom") && words.contains("Look at that node's inputs"), "{words}");
    assert!(!shown.to_string().contains("/opt/"), "no path of the engine: {shown}");
    app.dispatch().await;
    assert!(worker.take().is_none(), "not handed out again");
    let history = seat.comfy(&format!("/api/history/{id}")).await.json();
    assert_eq!(history[&id]["status"]["status_str"], "error");
    assert!(!history.to_string().contains("/opt/"));
}
