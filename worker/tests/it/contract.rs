//! The server's validation beside the real ComfyUI's: both get the same prompts, recorded
//! ones and more, and must answer alike. Nobody waits in line to learn of a typo, and
//! nobody is refused what ComfyUI would have run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use comfy_api::annotated_path::AnnotatedPath;
use comfy_api::client::ComfyClient;
use comfy_api::prompt::{PromptError, PromptRequest};
use comfy_api::validate::{InputFiles, validate_prompt};
use serde_json::{Map, Value, json};

/// The engine of the test has no input files.
struct NoFiles;

impl InputFiles for NoFiles {
    fn exists(&self, _: &AnnotatedPath) -> bool {
        false
    }
}

/// What two answers must have in common. Texts may quote lists and differ by version.
#[derive(Debug, PartialEq)]
struct Verdict {
    status: u16,
    error: Option<String>,
    /// Node → the type and the input of each of its errors.
    nodes: BTreeMap<String, BTreeSet<(String, String)>>,
}

/// Sends every case to both. Returns how many there were.
pub async fn answers_agree(comfyui: &ComfyClient) -> usize {
    let catalog = comfyui.object_info().await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/prompt", comfyui.base_url());
    let cases = cases();
    for (name, request) in &cases {
        let reply = http.post(&url).json(request).send().await.unwrap();
        let status = reply.status().as_u16();
        let theirs = verdict(status, &reply.json::<Value>().await.unwrap());
        assert_eq!(ours(request, &catalog), theirs, "{name}: {request}");
    }
    // Those that were accepted make small pictures; they must not outlast the scenario.
    while comfyui.queue().await.unwrap() != Default::default() {
        tokio::task::yield_now().await;
    }
    cases.len()
}

fn ours(request: &Value, catalog: &Map<String, Value>) -> Verdict {
    let answer = PromptRequest::parse(request.to_string().as_bytes()).and_then(|request| {
        validate_prompt(&request.prompt, catalog, request.partial_execution_targets.as_deref(), &NoFiles)
    });
    match answer {
        Ok(validated) => verdict(200, &json!({"node_errors": validated.node_errors})),
        Err(PromptError { status, body }) => verdict(status, &body),
    }
}

fn verdict(status: u16, body: &Value) -> Verdict {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = |node: &Value| {
        let errors = node["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| (text(&error["type"]), text(&error["extra_info"]["input_name"]))).collect()
    };
    let nodes = body["node_errors"].as_object().cloned().unwrap_or_default();
    Verdict {
        status,
        error: body["error"]["type"].as_str().map(str::to_owned),
        nodes: nodes.iter().map(|(id, node)| (id.clone(), errors(node))).collect(),
    }
}

fn cases() -> Vec<(String, Value)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/comfy-api/tests/captures/prompt_responses.json");
    let recorded: Map<String, Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut cases: Vec<_> = recorded
        .into_iter()
        .filter_map(|(name, mut case)| {
            let mut request = case["request"].get_mut("json")?.take();
            // Chosen ids may be taken already, and the newest ComfyUI wants UUIDs.
            request.as_object_mut()?.remove("prompt_id");
            Some((name, request))
        })
        .collect();
    for (name, inputs) in [
        ("good", json!({"width": 16, "height": 16, "batch_size": 1, "color": 1})),
        ("numbers as texts", json!({"width": "16", "height": "16", "batch_size": "1", "color": "2"})),
        ("a float for an integer", json!({"width": 16.7, "height": 16, "batch_size": 1, "color": 3})),
        ("a word for a number", json!({"width": "wide", "height": 16, "batch_size": 1, "color": 0})),
        ("null for a number", json!({"width": null, "height": 16, "batch_size": 1, "color": 0})),
        ("a list for a number", json!({"width": [1, 2, 3], "height": 16, "batch_size": 1, "color": 0})),
        ("an object for a number", json!({"width": {}, "height": 16, "batch_size": 1, "color": 0})),
        ("too small", json!({"width": 0, "height": 16, "batch_size": 1, "color": 0})),
        ("too big", json!({"width": 99999, "height": 16, "batch_size": 1, "color": 0})),
        ("nothing at all", json!({})),
        (
            "an input that the node does not have",
            json!({"width": 16, "height": 16, "batch_size": 1, "color": 4, "depth": 3}),
        ),
        ("a link to nowhere", json!({"width": ["99", 0], "height": 16, "batch_size": 1, "color": 0})),
        ("a link to the wrong type", json!({"width": ["3", 0], "height": 16, "batch_size": 1, "color": 0})),
    ] {
        let request = json!({"prompt": {
            "1": {"class_type": "EmptyImage", "inputs": inputs},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "contract"}},
            "3": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
        }});
        cases.push((name.to_owned(), request));
    }
    cases.push(("an empty prompt".into(), json!({"prompt": {}})));
    cases.push((
        "a choice that is not offered".into(),
        json!({"prompt": {
            "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
            "2": {"class_type": "ImageScale", "inputs": {"image": ["1", 0], "upscale_method": "magic", "width": 8, "height": 8, "crop": "disabled"}},
            "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "contract"}},
        }}),
    ));
    cases
}
