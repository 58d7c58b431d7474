//! An answer to a prompt, reduced to what must agree.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// Type, message and the lines of the details; a bare 500 has none.
    pub error: Option<(String, String, BTreeSet<String>)>,
    pub nodes: BTreeMap<String, FaultyNode>,
    /// Of an accepted prompt.
    pub accepted: Option<Accepted>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FaultyNode {
    class_type: Value,
    /// Sorted: ComfyUI goes through a node's inputs in the order of Python's sets.
    errors: Vec<NodeError>,
    dependent_outputs: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct NodeError {
    kind: String,
    input: String,
    message: String,
    details: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    pub outputs: BTreeSet<String>,
    /// The inputs of each node that an output needs, converted; lists unwrapped.
    pub inputs: BTreeMap<String, Value>,
}

impl Answer {
    pub fn new(status: u16, body: &Value, accepted: Option<Accepted>) -> Self {
        let error = body.get("error").filter(|error| error.is_object()).map(|error| {
            let details = text(&error["details"]);
            let lines = details.lines().filter(|line| !line.starts_with("Dependency cycle detected"));
            (text(&error["type"]), text(&error["message"]), lines.map(str::to_owned).collect())
        });
        let nodes = body["node_errors"].as_object().cloned().unwrap_or_default();
        let nodes = nodes.into_iter().map(|(id, node)| (id, FaultyNode::new(&node))).collect();
        Self { status, error, nodes, accepted }
    }
}

impl FaultyNode {
    fn new(node: &Value) -> Self {
        let mut errors: Vec<NodeError> = list(&node["errors"]).iter().map(NodeError::new).collect();
        errors.sort();
        Self {
            class_type: node["class_type"].clone(),
            errors,
            dependent_outputs: list(&node["dependent_outputs"]).iter().map(text).collect(),
        }
    }
}

impl FaultyNode {
    fn raised(&self) -> bool {
        self.errors.iter().any(|error| error.kind.starts_with("exception_"))
    }
}

impl NodeError {
    fn new(error: &Value) -> Self {
        Self {
            kind: text(&error["type"]),
            input: text(&error["extra_info"]["input_name"]),
            message: text(&error["message"]),
            details: text(&error["details"]),
        }
    }
}

impl Accepted {
    pub fn new(outputs: impl IntoIterator<Item = String>, prompt: &Map<String, Value>) -> Self {
        let outputs: BTreeSet<String> = outputs.into_iter().collect();
        let names: Vec<String> = outputs.iter().cloned().collect();
        let needed = comfy_api::prompt::prune_prompt(prompt, &names);
        let inputs = needed.into_iter().map(|(id, mut node)| (id, unwrapped(node["inputs"].take())));
        Self { outputs, inputs: inputs.collect() }
    }
}

/// What differs, in words.
pub fn disagreement(theirs: &Answer, ours: &Answer) -> Option<String> {
    let mut parts = Vec::new();
    let mut compare = |what: &str, theirs: String, ours: String| {
        if theirs != ours {
            parts.push(format!("{what}:\n      ComfyUI {theirs}\n      ours    {ours}"));
        }
    };
    compare("status", theirs.status.to_string(), ours.status.to_string());
    compare("error", format!("{:?}", theirs.error), format!("{:?}", ours.error));
    let (their_accepted, our_accepted) = (comparable_values(theirs, ours), comparable_values(ours, theirs));
    compare("accepted", format!("{their_accepted:?}"), format!("{our_accepted:?}"));
    let (their_nodes, our_nodes) = (comparable(theirs, ours), comparable(ours, theirs));
    compare("nodes", format!("{their_nodes:?}"), format!("{our_nodes:?}"));
    (!parts.is_empty()).then(|| parts.join("\n    "))
}

/// ComfyUI blames every fault met so far on each later failed output, whether that needs the
/// node or not, in the order of a Python set: with one failed output there is no such chance.
/// In that order it also visits the sources of a node that raises, or does not get to them.
fn comparable(answer: &Answer, other: &Answer) -> BTreeMap<String, FaultyNode> {
    let mut nodes = answer.nodes.clone();
    if answer.nodes.values().any(FaultyNode::raised) {
        nodes.retain(|id, node| node.raised() || other.nodes.contains_key(id));
    }
    let failed: BTreeSet<&String> = answer.nodes.values().flat_map(|node| &node.dependent_outputs).collect();
    if failed.len() > 1 {
        for node in nodes.values_mut() {
            node.dependent_outputs.clear();
        }
    }
    nodes
}

/// A wrapped list that looks like a link becomes one in ComfyUI's queue, so that its needed
/// nodes differ.
fn comparable_values(answer: &Answer, other: &Answer) -> Option<Accepted> {
    let mut accepted = answer.accepted.clone()?;
    if let Some(other) = &other.accepted {
        accepted.inputs.retain(|id, _| other.inputs.contains_key(id));
    }
    Some(accepted)
}

fn unwrapped(mut inputs: Value) -> Value {
    for value in inputs.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Some(inner) = value.get("__value__") {
            *value = inner.clone();
        }
        // JSON carries no `nan`; the engine reads the text itself.
        if value.as_str().is_some_and(|text| text.trim().parse::<f64>().is_ok_and(|float| !float.is_finite()))
        {
            *value = Value::Null;
        }
    }
    inputs
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
