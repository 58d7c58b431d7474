//! One seat sees nothing of another's.

use serde_json::{Value, json};

use crate::support::{TestApp, is_run_end, picture};

const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0, 0,
    1, 8, 2, 0, 0, 0, 0x90, 0x77, 0x53, 0xde, 0, 0, 0, 12, 0x49, 0x44, 0x41, 0x54, 0x08, 0xd7, 0x63, 0xf8,
    0xcf, 0xc0, 0, 0, 3, 1, 1, 0, 0x18, 0xdd, 0x8d, 0xb0, 0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42,
    0x60, 0x82,
];

#[tokio::test]
async fn a_job_and_its_result_are_the_seats_own() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    let mut bens_socket = ben.socket("").await;
    bens_socket.until(|frame| frame["type"] == "status").await;

    let id = anna.queue(&picture(1)).await;
    let other = anna.queue(&picture(2)).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    worker.run(&task, PNG).await;

    let finished = anna.comfy(&format!("/api/history/{id}")).await.json();
    let file = &finished[&id]["outputs"]["2"]["images"][0];
    assert_eq!(file, &json!({"filename": "picture_00001_.png", "subfolder": "", "type": "output"}));
    let view = "/api/view?filename=picture_00001_.png&subfolder=&type=output";
    assert_eq!(anna.comfy(view).await.bytes, PNG);

    assert_eq!(ben.comfy(view).await.status, 404);
    assert_eq!(ben.comfy("/api/queue").await.json(), json!({"queue_running": [], "queue_pending": []}));
    assert_eq!(ben.comfy("/api/history").await.json(), json!({}));
    assert_eq!(ben.comfy(&format!("/api/history/{id}")).await.json(), json!({}));
    assert_eq!(ben.comfy("/api/jobs").await.json()["jobs"], json!([]));
    assert_eq!(ben.comfy(&format!("/api/jobs/{id}")).await.status, 404);
    assert_eq!(ben.comfy("/api/prompt").await.json()["exec_info"]["queue_remaining"], 0);

    // Nor can he stop or remove what is hers.
    for (path, body) in [
        ("/api/queue", json!({"clear": true})),
        ("/api/queue", json!({"delete": [other]})),
        ("/api/interrupt", json!({"prompt_id": other})),
        ("/api/interrupt", json!({})),
        ("/api/history", json!({"clear": true})),
        ("/api/history", json!({"delete": [id]})),
    ] {
        assert_eq!(ben.comfy_post(path, &body).await.status, 200, "{path} {body}");
    }
    assert_eq!(
        ben.comfy_post(&format!("/api/jobs/{other}/cancel"), &json!({})).await.json(),
        json!({"cancelled": false})
    );
    assert_eq!(anna.comfy("/api/prompt").await.json()["exec_info"]["queue_remaining"], 1);
    assert_eq!(anna.comfy("/api/history").await.json().as_object().unwrap().len(), 1);

    // His socket carried nothing of hers.
    let bens = ben.queue(&picture(3)).await;
    let frames =
        bens_socket.until(|frame| frame["data"]["status"]["exec_info"]["queue_remaining"] == 1).await;
    for frame in frames {
        let text = frame.to_string();
        assert!(!text.contains(&id) && !text.contains(&other), "{text}");
    }
    assert_ne!(bens, other);
}

#[tokio::test]
async fn uploads_and_lists_are_the_seats_own() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    let reply = anna.upload("face.png", PNG).await;
    assert_eq!(
        reply.json(),
        json!({"name": "face.png", "subfolder": "", "type": "input"}),
        "{}",
        reply.text()
    );

    let options = |info: &Value| info["LoadImage"]["input"]["required"]["image"][0].clone();
    let annas = anna.comfy("/api/object_info/LoadImage").await.json();
    let bens = ben.comfy("/api/object_info/LoadImage").await.json();
    assert!(options(&annas).as_array().unwrap().contains(&json!("face.png")), "{annas}");
    assert!(!bens.to_string().contains("face.png"));
    assert_eq!(ben.comfy("/api/view?filename=face.png&type=input").await.status, 404);
    assert!(!ben.comfy("/internal/files/input").await.text().contains("face.png"));

    let graph = json!({"prompt": {
        "1": {"class_type": "LoadImage", "inputs": {"image": "face.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }});
    assert_eq!(ben.comfy_post("/api/prompt", &graph).await.status, 400);
    let worker = app.worker().await;
    anna.queue(&graph).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    let assignment = worker.claim(&task).await;
    assert_eq!(assignment.inputs.len(), 1);
    assert_eq!(assignment.inputs[0].subfolder, "cm/user001");
    assert_eq!(worker.input(&task, 0).await, (200, PNG.to_vec()));
    assert_eq!(worker.input(&task, 1).await.0, 409);
}

#[tokio::test]
async fn userdata_and_settings_are_the_seats_own() {
    let app = TestApp::start().await;
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    let saved = anna
        .comfy_post("/api/userdata/workflows%2Fmine.json?overwrite=false&full_info=true", &json!({"a": 1}))
        .await;
    assert_eq!(saved.status, 200, "{}", saved.text());
    assert_eq!(saved.json()["path"], "workflows/mine.json");
    let again =
        anna.comfy_post("/api/userdata/workflows%2Fmine.json?overwrite=false", &json!({"a": 2})).await;
    assert_eq!(again.status, 409);
    assert_eq!(anna.comfy("/api/userdata/workflows%2Fmine.json").await.json(), json!({"a": 1}));
    assert_eq!(ben.comfy("/api/userdata/workflows%2Fmine.json").await.status, 404);

    assert_eq!(anna.comfy_post("/api/settings/Comfy.Test", &json!("hers")).await.status, 200);
    assert_eq!(anna.comfy("/api/settings").await.json()["Comfy.Test"], "hers");
    assert_eq!(ben.comfy("/api/settings").await.json(), json!({}));
}

#[tokio::test]
async fn previews_and_progress_reach_the_owner_only() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    let (mut hers, mut his) = (anna.socket("").await, ben.socket("").await);
    let bens = ben.queue(&picture(1)).await;
    let annas = anna.queue(&picture(2)).await;
    app.dispatch().await;
    let (first, second) = (worker.take().unwrap(), worker.take().unwrap());
    worker.run(&first, PNG).await;
    worker.run(&second, PNG).await;
    for frame in his.until(is_run_end).await {
        assert!(!frame.to_string().contains(&annas), "{frame}");
    }
    for frame in hers.until(is_run_end).await {
        assert!(!frame.to_string().contains(&bens), "{frame}");
    }
}
