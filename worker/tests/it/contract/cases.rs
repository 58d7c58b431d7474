//! The listed and the recorded cases.

use std::path::Path;

use serde_json::{Map, Value, json};

pub struct Case {
    pub name: String,
    /// The body of the request.
    pub body: String,
    /// Why our answer is another on purpose.
    pub departs: Option<String>,
}

/// `cases.json`: a case has a raw `body`, a `request`, or a `graph` whose nodes are written
/// short: `[class, inputs]`, `"image"`, `"save 1"`, `"show 1"`.
pub fn listed() -> Vec<Case> {
    let listed: Vec<Map<String, Value>> = serde_json::from_str(include_str!("cases.json")).unwrap();
    let mut cases: Vec<Case> = listed.iter().map(listed_case).collect();
    cases.push(chain(300, None));
    cases.push(chain(1800, Some("Python's stack overflows in a graph that is sound")));
    cases
}

/// What was recorded of ComfyUI.
pub fn recorded() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/comfy-api/tests/captures/prompt_responses.json");
    let recorded: Map<String, Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    recorded
        .into_iter()
        .filter_map(|(name, mut case)| {
            let mut request = case["request"].get_mut("json")?.take();
            // Chosen ids may be taken already, and the newest ComfyUI wants UUIDs.
            request.as_object_mut()?.remove("prompt_id");
            Some(Case { name: format!("recorded: {name}"), body: request.to_string(), departs: None })
        })
        .collect()
}

fn listed_case(case: &Map<String, Value>) -> Case {
    let body = match (case.get("body"), case.get("request"), case.get("graph")) {
        (Some(body), ..) => body.as_str().unwrap().to_owned(),
        (_, Some(request), _) => request.to_string(),
        (_, _, Some(graph)) => json!({"prompt": graph_of(graph.as_object().unwrap())}).to_string(),
        _ => panic!("a case without a body: {case:?}"),
    };
    Case {
        name: case["name"].as_str().unwrap().to_owned(),
        body,
        departs: case.get("departs").map(|why| why.as_str().unwrap().to_owned()),
    }
}

fn graph_of(nodes: &Map<String, Value>) -> Map<String, Value> {
    nodes.iter().map(|(id, node)| (id.clone(), node_of(node))).collect()
}

fn node_of(node: &Value) -> Value {
    if let Some([class, inputs]) = node.as_array().map(Vec::as_slice) {
        return json!({"class_type": class, "inputs": inputs});
    }
    match node.as_str().unwrap().split_once(' ') {
        None => {
            json!({"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}})
        }
        Some(("save", source)) => {
            json!({"class_type": "SaveImage", "inputs": {"images": [source, 0], "filename_prefix": "contract"}})
        }
        Some((_, source)) => json!({"class_type": "PreviewAny", "inputs": {"source": [source, 0]}}),
    }
}

fn chain(length: usize, departs: Option<&str>) -> Case {
    let mut graph = Map::new();
    graph.insert("0".to_owned(), node_of(&json!("save 1")));
    for number in 1..length {
        let inputs = json!({"image": [(number + 1).to_string(), 0]});
        graph.insert(number.to_string(), json!({"class_type": "ImageInvert", "inputs": inputs}));
    }
    graph.insert(length.to_string(), node_of(&json!("image")));
    Case {
        name: format!("a chain of {length} nodes"),
        body: json!({"prompt": graph}).to_string(),
        departs: departs.map(str::to_owned),
    }
}
