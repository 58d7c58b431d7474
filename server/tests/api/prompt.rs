//! What is refused when it is queued, and how the editor is told.

use domain::AccessMode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{MAX_PROMPT_BYTES, TestApp, picture};

async fn post(app: &TestApp, body: impl Into<Vec<u8>>) -> (u16, Value) {
    let seat = app.seat(1).await;
    let headers = [("content-type", "application/json")];
    let reply = seat.send(Method::POST, "/user/user001/comfy/api/prompt", &headers, body.into()).await;
    (reply.status, reply.json())
}

/// Every refusal has ComfyUI's shape, which both editors show.
fn assert_shape(body: &Value) {
    for field in ["type", "message", "details"] {
        assert!(body["error"][field].is_string(), "{field} in {body}");
    }
    assert!(body["error"]["extra_info"].is_object(), "{body}");
    assert!(body["node_errors"].is_object(), "{body}");
    assert!(!body["error"]["message"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn malformed_json_is_a_clear_400() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    for body in ["", "{", "[]", "{\"prompt\": 1}", "\u{0}", "{\"prompt\": {\"1\": null}}"] {
        let (status, answer) = post(&app, body).await;
        assert_eq!(status, 400, "{body:?}: {answer}");
        assert_shape(&answer);
    }
    let deep = "[".repeat(20_000);
    assert_eq!(post(&app, deep).await.0, 400);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_and_names_the_limit() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let (status, answer) = post(&app, vec![b' '; MAX_PROMPT_BYTES + 1]).await;
    assert_eq!(status, 413);
    assert_shape(&answer);
    assert!(answer["error"]["message"].as_str().unwrap().contains("MB"), "{answer}");
}

#[tokio::test]
async fn an_unknown_node_class_is_refused_by_name() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let (status, answer) =
        post(&app, r#"{"prompt": {"1": {"class_type": "NoSuchNode", "inputs": {}}}}"#).await;
    assert_eq!((status, &answer["error"]["type"]), (400, &json!("invalid_prompt")));
    assert_shape(&answer);
    assert!(answer["error"]["message"].as_str().unwrap().contains("NoSuchNode"));
}

#[tokio::test]
async fn validation_answers_at_once_although_the_gpu_is_away() {
    let app = TestApp::start().await;
    drop(app.worker().await);
    let (status, answer) =
        post(&app, json!({"prompt": {"1": {"class_type": "EmptyImage", "inputs": {}}}}).to_string()).await;
    assert_eq!((status, &answer["error"]["type"]), (400, &json!("prompt_no_outputs")));
    let mut graph = picture(0);
    graph["prompt"]["1"]["inputs"]["width"] = json!(0);
    let (status, answer) = post(&app, graph.to_string()).await;
    assert_eq!(status, 400);
    assert_eq!(answer["node_errors"]["1"]["errors"][0]["type"], "value_smaller_than_min");
    let (status, _) = post(&app, picture(0).to_string()).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn before_any_engine_was_seen_the_refusal_says_to_wait() {
    let app = TestApp::start().await;
    let (status, answer) = post(&app, picture(0).to_string()).await;
    assert_eq!(status, 503);
    assert_shape(&answer);
}

#[tokio::test]
async fn a_path_out_of_the_seat_is_refused_with_node_and_input() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    for path in ["../user002/input/a.png", "/etc/passwd", "a/../../b.png", "..\\b.png", "nope.png"] {
        let graph = json!({"prompt": {
            "1": {"class_type": "LoadImage", "inputs": {"image": path}},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
        }});
        let (status, answer) = post(&app, graph.to_string()).await;
        assert_eq!(status, 400, "{path}: {answer}");
        assert!(answer["node_errors"]["1"]["errors"][0].is_object(), "{path}: {answer}");
    }
    for prefix in ["../../x", "/abs/x"] {
        let mut graph = picture(0);
        graph["prompt"]["2"]["inputs"]["filename_prefix"] = json!(prefix);
        let (status, answer) = post(&app, graph.to_string()).await;
        if status == 200 {
            // Brought into the job's folder instead: then it must really be there.
            app.dispatch().await;
            let worker = app.worker().await;
            let task = worker.take().unwrap();
            let assignment = worker.claim(&task).await;
            let rewritten = assignment.prompt["2"]["inputs"]["filename_prefix"].as_str().unwrap().to_owned();
            assert!(
                rewritten.starts_with(&assignment.output_folder) && !rewritten.contains(".."),
                "{rewritten}"
            );
        } else {
            assert_eq!(status, 400, "{prefix}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_job_id_may_be_chosen_once_and_must_be_one() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let mut graph = picture(0);
    graph["prompt_id"] = json!("a6e1a5a0-5d9a-4b52-8a3b-0a1f1e3b7c11");
    let (status, answer) = post(&app, graph.to_string()).await;
    assert_eq!((status, &answer["prompt_id"]), (200, &graph["prompt_id"]));
    for id in ["a6e1a5a0-5d9a-4b52-8a3b-0a1f1e3b7c11", "my-own-id", "A6E1A5A0-5D9A-4B52-8A3B-0A1F1E3B7C12"] {
        graph["prompt_id"] = json!(id);
        let (status, answer) = post(&app, graph.to_string()).await;
        assert_eq!((status, &answer["error"]["type"]), (400, &json!("invalid_prompt_id")), "{id}");
    }
}

#[tokio::test]
async fn secrets_of_the_editor_are_not_kept() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let mut graph = picture(0);
    graph["extra_data"] = json!({"auth_token_comfy_org": "topsecret", "api_key_comfy_org": "topsecret"});
    assert_eq!(post(&app, graph.to_string()).await.0, 200);
    let seat = app.seat(1).await;
    assert!(!seat.comfy("/api/queue").await.text().contains("topsecret"));
}

#[tokio::test]
async fn unknown_routes_are_a_clear_404() {
    let app = TestApp::start().await;
    let seat = app.seat(1).await;
    for path in ["/api/nope", "/nope", "/api/manager/reboot", "/assets/none.js", "/v2/manager/queue"] {
        let reply = seat.comfy(path).await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(
            reply.json()["error"].is_object() || reply.json()["error"].is_string(),
            "{path}: {}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn a_node_that_reaches_beyond_the_workspace_is_refused_and_not_offered() {
    let settings = "DENIED_NODES=\"Empty*, Load Text File\"\n";
    let app = TestApp::start_with(AccessMode::Link, settings).await;
    let _worker = app.worker().await;
    let (status, answer) = post(&app, picture(0).to_string()).await;
    assert_eq!((status, &answer["error"]["type"]), (400, &json!("node_not_allowed")), "{answer}");
    assert_shape(&answer);
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("EmptyImage") && message.contains("Take it out"), "{message}");
    let seat = app.seat(1).await;
    let offered = seat.comfy("/api/object_info").await.json();
    assert!(offered.get("EmptyImage").is_none());
    assert!(offered.get("SaveImage").is_some());
    assert_eq!(seat.comfy("/api/queue").await.json()["queue_pending"], json!([]));
}
