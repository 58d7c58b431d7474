//! Models that a participant brought.

use domain::SeatId;
use queue::TaskMessage;
use queue::report::NeededModel;
use reqwest::Method;
use serde_json::{Value, json};
use workshop::WorkshopError;
use workshop::files::FileName;

use crate::support::{FakeWorker, TestApp};

const CONTENT: &[u8] = b"0123456789 weights";

fn name(text: &str) -> FileName {
    FileName::parse(text).unwrap()
}

async fn add(
    app: &TestApp,
    seat: u16,
    folder: &str,
    file: &str,
    content: &[u8],
) -> Result<String, WorkshopError> {
    let seat = SeatId::new(seat).unwrap();
    let received = app.workshop.files().seat(seat).await.unwrap().receive_bytes(content).await.unwrap();
    let metadata = Some(r#"{"ss_tag":"cat"}"#.to_owned());
    app.workshop
        .add_model(seat, &name(folder), &name(file), received, metadata)
        .await
        .map(|model| model.sha256)
}

/// A picture sampled from this checkpoint with this prompt.
fn sampled(checkpoint: &str, text: &str) -> Value {
    json!({"prompt": {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": text}},
        "3": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "4": {"class_type": "KSampler", "inputs": {
            "model": ["1", 0], "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0], "seed": 1,
            "steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0,
        }},
        "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["1", 2]}},
        "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "x"}},
    }})
}

async fn fetch(worker: &FakeWorker, task: &TaskMessage, index: usize, range: Option<&str>) -> (u16, Vec<u8>) {
    let path = format!("/worker/v1/jobs/{}/models/{index}?token={}", task.job, task.token);
    let mut request = worker.request(Method::GET, &path);
    if let Some(range) = range {
        request = request.header("range", range);
    }
    let reply = request.send().await.unwrap();
    (reply.status().as_u16(), reply.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn a_model_is_kept_where_the_engine_takes_it() {
    let app = TestApp::start().await;
    assert!(app.workshop.model_folders().is_empty());
    assert!(add(&app, 1, "loras", "a.safetensors", b"x").await.is_err());

    let _worker = app.worker().await;
    assert_eq!(app.workshop.model_folders(), ["checkpoints", "embeddings", "loras"]);
    add(&app, 1, "loras", "a.safetensors", b"abc").await.unwrap();
    for (folder, file) in [
        ("custom_nodes", "a.safetensors"),
        ("loras", "a.ckpt"),
        ("loras", "a.gguf"),
        ("loras", "safetensors"),
    ] {
        let refused = add(&app, 1, folder, file, b"x").await;
        assert!(matches!(refused, Err(WorkshopError::BadRequest(_))), "{folder}/{file}");
    }

    let models = app.workshop.seat_models(SeatId::new(1).unwrap()).await.unwrap();
    assert_eq!(models.len(), 1);
    assert_eq!(
        (models[0].folder.as_str(), models[0].name.as_str(), models[0].bytes),
        ("loras", "a.safetensors", 3)
    );
    assert_eq!(models[0].sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert!(app.workshop.seat_models(SeatId::new(2).unwrap()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_model_is_in_its_seats_selectors_alone_and_at_once() {
    let app = TestApp::start().await;
    let _worker = app.worker().await;
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    let before = anna.comfy("/api/object_info").await;
    let tag = before.header("etag").unwrap();
    let object_info = "/user/user001/comfy/api/object_info";
    let again = anna.send(Method::GET, object_info, &[("if-none-match", &tag)], Vec::new()).await;
    assert_eq!((again.status, again.bytes.len()), (304, 0));
    let gzipped =
        anna.send(Method::GET, object_info, &[("accept-encoding", "br;q=0.5, gzip")], Vec::new()).await;
    assert_eq!((gzipped.status, gzipped.header("content-encoding")), (200, Some("gzip".into())));
    assert!(gzipped.bytes.len() < before.bytes.len() / 4);

    add(&app, 1, "checkpoints", "tiny.safetensors", CONTENT).await.unwrap();
    add(&app, 1, "embeddings", "word.safetensors", CONTENT).await.unwrap();
    let changed = anna.send(Method::GET, object_info, &[("if-none-match", &tag)], Vec::new()).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), Some(tag));
    let choices = |info: &Value| info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0].clone();
    let one = anna.comfy("/api/object_info/CheckpointLoaderSimple").await.json();
    for info in [&changed.json(), &one] {
        assert!(choices(info).as_array().unwrap().contains(&json!("mine/tiny.safetensors")), "{info}");
    }

    let names = |listed: Value| listed.to_string();
    for (path, own) in [
        ("/api/models/checkpoints", "mine/tiny.safetensors"),
        ("/api/experiment/models/checkpoints", "mine/tiny.safetensors"),
        ("/api/embeddings", "\"mine/word\""),
    ] {
        assert!(names(anna.comfy(path).await.json()).contains(own), "{path}");
        assert!(!names(ben.comfy(path).await.json()).contains("mine/"), "{path}");
    }
    assert!(!names(ben.comfy("/api/object_info").await.json()).contains("mine/"));
    let metadata = "/api/view_metadata/checkpoints?filename=mine%2Ftiny.safetensors";
    assert_eq!(anna.comfy(metadata).await.json(), json!({"ss_tag": "cat"}));
    assert_eq!(ben.comfy(metadata).await.status, 404);
    assert_eq!(anna.comfy("/api/view_metadata/checkpoints?filename=other.safetensors").await.status, 404);
}

#[tokio::test]
async fn a_job_brings_the_models_that_it_names() {
    let app = TestApp::start().await;
    let mut worker = app.worker().await;
    let (anna, ben) = (app.seat(1).await, app.seat(2).await);
    let sha256 = add(&app, 1, "checkpoints", "tiny.safetensors", CONTENT).await.unwrap();
    let word = add(&app, 1, "embeddings", "word.safetensors", b"word").await.unwrap();

    let graph = sampled("mine/tiny.safetensors", "a (embedding:mine/word:1.2) cat");
    let refused = ben.comfy_post("/api/prompt", &graph).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["node_errors"]["1"]["errors"][0]["type"], "value_not_in_list");
    let copy = format!("cm/{sha256}.safetensors");
    let direct = ben.comfy_post("/api/prompt", &sampled(&copy, "")).await;
    assert_eq!(direct.json()["node_errors"]["1"]["errors"][0]["type"], "value_not_in_list");
    let hidden = sampled("mine/tiny.safetensors", "embedding:cm/x");
    let refused = anna.comfy_post("/api/prompt", &hidden).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["node_errors"]["2"]["errors"][0]["extra_info"]["input_name"], "text");

    let mut socket = anna.socket("?clientId=anna").await;
    socket.until(|frame| frame["type"] == "status").await;
    let mut graph = graph;
    graph["client_id"] = json!("anna");
    anna.queue(&graph).await;
    app.dispatch().await;
    let task = worker.take().unwrap();
    let assignment = worker.claim(&task).await;
    let needed = |index, folder: &str, sha256: &str, bytes| NeededModel {
        index,
        folder: folder.into(),
        filename: format!("{sha256}.safetensors"),
        sha256: sha256.into(),
        bytes,
    };
    let expected =
        [needed(0, "checkpoints", &sha256, CONTENT.len() as u64), needed(1, "embeddings", &word, 4)];
    assert_eq!(assignment.models, expected);
    assert_eq!(assignment.prompt["1"]["inputs"]["ckpt_name"], json!(copy));
    assert_eq!(
        assignment.prompt["2"]["inputs"]["text"],
        json!(format!("a (embedding:cm/{word}.safetensors:1.2) cat"))
    );

    // What the worker tells of it is said in the seat's words.
    let told = json!({"type": "notification", "data": {
        "value": format!("Fetching {copy}, 40 %"), "name": copy, "done_bytes": 4, "total_bytes": 10,
    }});
    worker.event(&task, told).await;
    let heard = socket.until(|frame| frame["type"] == "notification").await;
    assert_eq!(heard.last().unwrap()["data"]["value"], "Fetching mine/tiny.safetensors, 40 %");

    assert_eq!(fetch(&worker, &task, 0, None).await, (200, CONTENT.to_vec()));
    assert_eq!(fetch(&worker, &task, 0, Some("bytes=11-")).await, (206, b"weights".to_vec()));
    assert_eq!(fetch(&worker, &task, 7, None).await.0, 404);
    // Another content under the name is not what this job was given.
    add(&app, 1, "checkpoints", "tiny.safetensors", b"replaced").await.unwrap();
    assert_eq!(fetch(&worker, &task, 0, None).await.0, 404);
    assert_eq!(fetch(&worker, &task, 1, None).await.0, 200);

    worker.release(&task, domain::ReturnReason::WorkerStopped).await;
    assert_eq!(fetch(&worker, &task, 1, None).await.0, 409);
}
