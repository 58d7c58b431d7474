use serde_json::{Value, json};

use super::*;

fn capture(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A job from a recorded history entry.
fn job(entry: &Value, phase: JobPhase) -> JobRecord {
    let map = |value: &Value| value.as_object().unwrap().clone();
    let prompt = &entry["prompt"];
    JobRecord {
        id: prompt[1].as_str().unwrap().to_owned(),
        number: prompt[0].as_i64().unwrap(),
        prompt: map(&prompt[2]),
        extra_data: map(&prompt[3]),
        outputs_to_execute: serde_json::from_value(prompt[4].clone()).unwrap(),
        create_time: 1000,
        execution_start: Some(2000),
        execution_end: Some(3000),
        phase,
        outputs: map(&entry["outputs"]),
        meta: map(&entry["meta"]),
        messages: entry["status"]["messages"].as_array().unwrap().clone(),
        error: None,
    }
}

fn recorded_success() -> Value {
    capture(include_str!("../../tests/captures/history_one_cached.json"))["body"]["491871f2-acbe-4693-82a3-5747bc0dc5a4"].take()
}

fn recorded_failure() -> Value {
    capture(include_str!("../../tests/captures/history_error.json"))["body"]["88030f23-c277-4d2c-a42d-49c7576ddfe5"].take()
}

#[test]
fn history_is_written_as_the_real_server_writes_it() {
    let interrupts = capture(include_str!("../../tests/captures/interrupt.json"));
    let interrupted =
        interrupts["history_interrupted"]["body"]["7b4a9bc5-4145-4b24-a863-57c450a677b9"].clone();
    for (entry, phase) in [
        (recorded_success(), JobPhase::Completed),
        (recorded_failure(), JobPhase::Failed),
        (interrupted, JobPhase::Cancelled),
    ] {
        let mut ours = history_entry(&job(&entry, phase));
        // The newest server adds the time of submission.
        assert_eq!(ours["prompt"][3].as_object_mut().unwrap().shift_remove("create_time"), Some(json!(1000)));
        assert_eq!(ours.to_string(), entry.to_string());
    }
}

#[test]
fn the_queue_is_written_as_the_real_server_writes_it() {
    let capture = capture(include_str!("../../tests/captures/queue_running.json"));
    let theirs = &capture["body"]["queue_running"][0];
    let entry = json!({"prompt": theirs, "outputs": {}, "meta": {}, "status": {"messages": []}});
    let mut job = job(&entry, JobPhase::InProgress);
    job.extra_data.insert("api_key_comfy_org".to_owned(), json!("secret"));
    let mut ours = queue_item(&job);
    ours[3].as_object_mut().unwrap().shift_remove("create_time");
    assert_eq!(&ours, theirs);
    assert_eq!(history_entry(&job)["status"], Value::Null);
}

#[test]
fn summaries_have_the_shape_that_the_newest_frontend_accepted() {
    let examples = capture(include_str!("../../tests/captures/jobs_api_examples.json"));
    let accepted = &examples["GET /api/jobs?status=completed,failed,cancelled&limit=64&offset=0"]["jobs"];
    let done = job_summary(&job(&recorded_success(), JobPhase::Completed));
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&done), members(&accepted[0]));
    assert_eq!(done["preview_output"]["mediaType"], "images");
    assert_eq!(done["preview_output"]["nodeId"], "9");
    assert_eq!(done["workflow_id"], "wf-1");
    let failed = job_summary(&job(&recorded_failure(), JobPhase::Failed));
    assert_eq!(members(&failed["execution_error"]), members(&accepted[1]["execution_error"]));
    assert_eq!(failed["execution_error"]["node_id"], "5");
    let detail = job_detail(&job(&recorded_success(), JobPhase::Completed));
    assert_eq!(members(&detail), members(&examples["GET /api/jobs/{id}"]));
    let page = jobs_page(vec![done], 3, Some(1), 5);
    assert_eq!(page["pagination"], json!({"offset": 3, "limit": 1, "total": 5, "has_more": true}));
    assert_eq!(jobs_page(Vec::new(), 0, None, 0)["pagination"]["limit"], 0);
}

#[test]
fn a_job_that_never_reached_the_engine_has_a_readable_ending() {
    let mut job = job(&recorded_success(), JobPhase::Cancelled);
    job.messages.clear();
    job.execution_start = None;
    assert_eq!(
        status_messages(&job),
        [
            json!(["execution_interrupted", {"prompt_id": job.id, "node_id": "", "node_type": "", "executed": [], "timestamp": 3000}])
        ]
    );
    job.phase = JobPhase::Failed;
    job.execution_start = Some(2000);
    job.error = Some(json!("The worker was lost three times."));
    let messages = status_messages(&job);
    assert_eq!(messages[0], json!(["execution_start", {"prompt_id": job.id, "timestamp": 2000}]));
    assert_eq!(messages[1][1], infrastructure_error(&job.id, "The worker was lost three times.", 3000));
    let summary = job_summary(&job);
    assert_eq!(summary["execution_error"], messages[1][1]);
    assert_demanded_members(&summary["execution_error"]);
}

#[test]
fn an_earlier_attempts_ending_does_not_contradict_the_last() {
    let mut job = job(&recorded_failure(), JobPhase::Completed);
    job.messages.push(json!(["execution_success", {"prompt_id": job.id, "timestamp": 9}]));
    let messages = status_messages(&job);
    let names: Vec<&str> = messages.iter().map(|message| message[0].as_str().unwrap()).collect();
    assert_eq!(names, ["execution_start", "execution_cached", "execution_success"]);
    assert!(job_summary(&job).get("execution_error").is_none());
}

#[test]
fn an_incomplete_error_is_completed() {
    for error in [
        json!({"node_id": 5, "traceback": null}),
        json!({}),
        json!([1]),
        json!("x"),
        json!({"traceback": [1, "a"]}),
    ] {
        assert_demanded_members(&execution_error("p", Some(&error), 7));
    }
    let kept = execution_error("p", Some(&json!({"node_id": 5, "exception_message": "m", "extra": 1})), 7);
    assert_eq!(
        (&kept["node_id"], &kept["exception_message"], &kept["extra"]),
        (&json!("5"), &json!("m"), &json!(1))
    );
}

fn assert_demanded_members(error: &Value) {
    for name in ["node_id", "node_type", "exception_message", "exception_type"] {
        assert!(error[name].is_string(), "{name} in {error}");
    }
    assert!(error["traceback"].as_array().unwrap().iter().all(Value::is_string));
    assert!(error["timestamp"].is_number());
}

#[test]
fn media_stand_for_a_job_before_text() {
    let mut job = job(&recorded_success(), JobPhase::Completed);
    let mut preview = |outputs: Value| {
        job.outputs = outputs.as_object().unwrap().clone();
        let summary = job_summary(&job);
        (summary["outputs_count"].clone(), summary.get("preview_output").cloned().unwrap_or_default())
    };
    let file = |name: &str, kind: &str| json!({"filename": name, "subfolder": "", "type": kind});
    let all = json!({
        "1": {"text": ["hello"]},
        "2": {"images": [file("t.png", "temp")], "animated": [true]},
        "3": {"files": [file("notes.md", "output")]},
        "4": {"images": [file("o.png", "output")]},
    });
    assert_eq!(preview(all).1["filename"], "o.png");
    assert_eq!(
        preview(
            json!({"3": {"files": [file("notes.md", "output")]}, "2": {"images": [file("t.png", "temp")]}})
        )
        .1["filename"],
        "t.png"
    );
    let (count, text) = preview(json!({"1": {"text": ["é".repeat(2000)]}}));
    assert_eq!((count, text["content"].as_str().unwrap().chars().count()), (json!(0), 1024));
    assert_eq!(text["truncated"], true);
    let (count, model) = preview(json!({"1": {"result": ["3d/x.glb", null]}}));
    assert_eq!(
        (count, &model["filename"], &model["mediaType"]),
        (json!(1), &json!("3d/x.glb"), &json!("3d"))
    );
    assert_eq!(preview(json!({"1": {"latents": [file("x.latent", "output")]}})), (json!(1), Value::Null));
    assert_eq!(preview(json!({"1": null, "2": [1], "3": {"images": "x"}})), (json!(0), Value::Null));
}
