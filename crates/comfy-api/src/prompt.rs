//! The body of `POST /prompt`, and the refusals in the shape that the frontend shows.
//!
//! Invariant: a parsed request holds no account secret of comfy.org; the editor sends
//! them with every prompt, and nothing here has a use for them.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::json_values;
use crate::python::{self, Converted};

/// Members of `extra_data` that authenticate the participant elsewhere.
pub const SECRET_EXTRA_DATA: [&str; 2] = ["auth_token_comfy_org", "api_key_comfy_org"];

/// What the editor asks for when Run is pressed.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptRequest {
    /// The socket that wants the events; may be empty.
    pub client_id: Option<String>,
    /// Node id → `{class_type, inputs, _meta?}`.
    pub prompt: Map<String, Value>,
    pub extra_data: Map<String, Value>,
    /// Run (front).
    pub front: bool,
    /// An explicit place in the queue.
    pub number: Option<f64>,
    /// Only these output nodes are to run.
    pub partial_execution_targets: Option<Vec<String>>,
    pub prompt_id: Option<String>,
}

/// A refusal: the HTTP status and ComfyUI's error body.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("prompt refused with status {status}: {}", self.kind())]
pub struct PromptError {
    pub status: u16,
    pub body: Value,
}

impl PromptRequest {
    /// Reads what ComfyUI reads. Where its handler fails with a bare 500, the answer here is a
    /// 400 that says what is wrong.
    pub fn parse(body: &[u8]) -> Result<Self, PromptError> {
        if json_values::has_too_many(body) {
            let message = "The workflow is larger than a workshop can take: it has too many values";
            return Err(PromptError { status: 413, ..PromptError::new("too_many_values", message, "") });
        }
        let value: Value = crate::json::from_slice(body).map_err(|error| {
            PromptError::new("invalid_json", "The request body is not valid JSON", &error.to_string())
        })?;
        let mut members = match value {
            Value::Object(members) => members,
            // Python looks for members in these as well, and finds none.
            Value::Array(_) | Value::String(_) => Map::new(),
            _ => return Err(PromptError::invalid_request("the body must be a JSON object")),
        };
        let prompt = match members.remove("prompt") {
            Some(Value::Object(prompt)) => prompt,
            Some(Value::Array(none)) if none.is_empty() => Map::new(),
            Some(Value::String(none)) if none.is_empty() => Map::new(),
            Some(_) => return Err(PromptError::invalid_request("prompt must be an object of nodes by id")),
            None => return Err(PromptError::new("no_prompt", "No prompt provided", "No prompt provided")),
        };
        let mut extra_data = match members.remove("extra_data") {
            None => Map::new(),
            Some(Value::Object(extra_data)) => extra_data,
            Some(_) => return Err(PromptError::invalid_request("extra_data must be an object")),
        };
        for secret in SECRET_EXTRA_DATA {
            extra_data.shift_remove(secret);
        }
        Ok(Self {
            // A socket's name is a text; any other value names none.
            client_id: members.get("client_id").and_then(Value::as_str).map(str::to_owned),
            partial_execution_targets: targets(members.get("partial_execution_targets"), &prompt)?,
            prompt,
            extra_data,
            front: members.get("front").is_some_and(python::truthy),
            number: number(members.get("number"))?,
            prompt_id: members.get("prompt_id").filter(|id| !id.is_null()).map(python::str),
        })
    }
}

impl PromptError {
    /// A 400 about the request as a whole.
    pub fn new(kind: &str, message: &str, details: &str) -> Self {
        Self::with_node_errors(kind, message, details, Map::new())
    }

    /// A 400 that also marks nodes in the editor.
    pub fn with_node_errors(
        kind: &str,
        message: &str,
        details: &str,
        node_errors: Map<String, Value>,
    ) -> Self {
        let error = json!({"type": kind, "message": message, "details": details, "extra_info": {}});
        Self { status: 400, body: json!({"error": error, "node_errors": node_errors}) }
    }

    /// The `type` of the error, as in `prompt_no_outputs`.
    pub fn kind(&self) -> &str {
        self.body.pointer("/error/type").and_then(Value::as_str).unwrap_or("unknown")
    }

    fn invalid_request(details: &str) -> Self {
        Self::new("invalid_request", "The request is not a prompt that ComfyUI understands", details)
    }
}

/// The node and slot that an input's value links to.
pub(crate) fn link_source(value: &Value) -> Option<&str> {
    match value.as_array().map(Vec::as_slice) {
        Some([Value::String(node), _slot]) => Some(node),
        _ => None,
    }
}

/// The nodes that these outputs need, themselves included. Never recurses: a prompt may
/// be as deep as it is long, and may have cycles.
pub(crate) fn needed_nodes<'a>(
    prompt: &'a Map<String, Value>,
    outputs: impl IntoIterator<Item = &'a str>,
) -> HashSet<&'a str> {
    let mut needed = HashSet::new();
    let mut open: Vec<&str> = outputs.into_iter().collect();
    while let Some(id) = open.pop() {
        let Some((id, node)) = prompt.get_key_value(id) else { continue };
        if !needed.insert(id.as_str()) {
            continue;
        }
        let inputs = node.get("inputs").and_then(Value::as_object);
        open.extend(inputs.into_iter().flat_map(Map::values).filter_map(link_source));
    }
    needed
}

/// Leaves out the nodes that no output needs. Those were never checked, and a missing
/// file in one of them must not stop the rest.
pub fn prune_prompt(prompt: &Map<String, Value>, outputs: &[String]) -> Map<String, Value> {
    let needed = needed_nodes(prompt, outputs.iter().map(String::as_str));
    prompt
        .iter()
        .filter(|(id, _)| needed.contains(id.as_str()))
        .map(|(id, node)| (id.clone(), node.clone()))
        .collect()
}

/// Python's `float(number)`; one that JSON cannot carry orders nothing.
fn number(value: Option<&Value>) -> Result<Option<f64>, PromptError> {
    let Some(value) = value else { return Ok(None) };
    match python::to_float(value) {
        Ok(Converted::Json(number)) => Ok(number.as_f64()),
        Ok(Converted::Beyond { .. }) => Ok(None),
        Err(_) => Err(PromptError::invalid_request("number must be a number")),
    }
}

/// The node ids for which Python's `id in targets` holds.
fn targets(value: Option<&Value>, prompt: &Map<String, Value>) -> Result<Option<Vec<String>>, PromptError> {
    let is_target = |id: &str| match value {
        Some(Value::Array(items)) => items.iter().any(|item| item == id),
        Some(Value::Object(members)) => members.contains_key(id),
        Some(Value::String(text)) => text.contains(id),
        _ => false,
    };
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(_) | Value::Object(_) | Value::String(_)) => {
            Ok(Some(prompt.keys().filter(|id| is_target(id)).cloned().collect()))
        }
        Some(_) => Err(PromptError::invalid_request("partial_execution_targets must be a list of node ids")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> String {
        let error = PromptRequest::parse(body.as_bytes()).unwrap_err();
        assert_eq!(error.status, 400);
        let text = |pointer| error.body.pointer(pointer).and_then(Value::as_str).unwrap_or("?").to_owned();
        format!("{}: {}", text("/error/type"), text("/error/details"))
    }

    #[test]
    fn what_the_editor_sends_is_read_and_its_secrets_dropped() {
        let body = json!({
            "client_id": "s1", "front": true, "number": -7, "prompt": {"1": {"class_type": "X"}},
            "partial_execution_targets": ["1"],
            "extra_data": {"auth_token_comfy_org": "t", "api_key_comfy_org": "k", "extra_pnginfo": {"workflow": {}}},
        });
        let request = PromptRequest::parse(body.to_string().as_bytes()).unwrap();
        assert_eq!(request.client_id.as_deref(), Some("s1"));
        assert!(request.front);
        assert_eq!(request.number, Some(-7.0));
        assert_eq!(request.partial_execution_targets, Some(vec!["1".to_owned()]));
        assert_eq!(request.extra_data.keys().collect::<Vec<_>>(), ["extra_pnginfo"]);
        assert_eq!(request.prompt_id, None);
    }

    #[test]
    fn a_body_of_too_many_values_is_not_read() {
        let body = format!(r#"{{"prompt":{{"1":[{}0]}}}}"#, "0,".repeat(json_values::MAX_VALUES));
        let refused = PromptRequest::parse(body.as_bytes()).unwrap_err();
        assert_eq!((refused.status, refused.kind()), (413, "too_many_values"));
        let text = format!(r#"{{"prompt":{{"1":"{}"}}}}"#, "0,".repeat(json_values::MAX_VALUES));
        assert!(PromptRequest::parse(text.as_bytes()).is_ok(), "a picture in a text is one value");
    }

    #[test]
    fn bad_bodies_are_told_what_is_wrong() {
        assert_eq!(refusal("{nope"), "invalid_json: key must be a string at line 1 column 2");
        assert_eq!(refusal("7"), "invalid_request: the body must be a JSON object");
        assert_eq!(refusal("[]"), "no_prompt: No prompt provided");
        assert_eq!(refusal("{}"), "no_prompt: No prompt provided");
        assert_eq!(refusal(r#"{"prompt": [1]}"#), "invalid_request: prompt must be an object of nodes by id");
        assert_eq!(
            refusal(r#"{"prompt": {}, "number": "first"}"#),
            "invalid_request: number must be a number"
        );
        assert_eq!(
            refusal(r#"{"prompt": {}, "extra_data": []}"#),
            "invalid_request: extra_data must be an object"
        );
        assert_eq!(
            refusal(r#"{"prompt": {}, "partial_execution_targets": 1}"#),
            "invalid_request: partial_execution_targets must be a list of node ids"
        );
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(refusal(&format!(r#"{{"prompt": {deep}}}"#)).starts_with("invalid_json: recursion limit"));
    }

    #[test]
    fn a_graph_holds_no_json_within_a_text_that_would_be_read_as_json() {
        let hidden = r#"{"prompt": {"1": {"inputs": {"x": {"$serde_json::private::RawValue": "[[1]]"}}}}}"#;
        assert!(refusal(hidden).starts_with("invalid_json: a member's name is not allowed"));
    }

    #[test]
    fn odd_members_are_read_as_python_reads_them() {
        let read = |body: Value| PromptRequest::parse(body.to_string().as_bytes()).unwrap();
        let odd = read(json!({
            "prompt": {"1": {}, "10:2": {}, "7": {}}, "front": "yes", "number": "-7", "client_id": 5, "prompt_id": 6,
            "partial_execution_targets": [1, "7", "nowhere"],
        }));
        assert!(odd.front);
        assert_eq!((odd.number, odd.client_id, odd.prompt_id.as_deref()), (Some(-7.0), None, Some("6")));
        assert_eq!(odd.partial_execution_targets, Some(vec!["7".to_owned()]));
        let text = read(json!({"prompt": {"1": {}, "2": {}}, "partial_execution_targets": "12"}));
        assert_eq!(text.partial_execution_targets, Some(vec!["1".to_owned(), "2".to_owned()]));
        assert!(read(json!({"prompt": []})).prompt.is_empty());
    }

    #[test]
    fn pruning_keeps_what_the_outputs_need() {
        let prompt = json!({
            "1": {"class_type": "A", "inputs": {"x": ["2", 0], "list": ["3", "4", "5"]}},
            "2": {"class_type": "B", "inputs": {"x": ["1", 0]}},
            "3": {"class_type": "C", "inputs": {}},
        });
        let pruned = prune_prompt(prompt.as_object().unwrap(), &["1".to_owned()]);
        assert_eq!(pruned.keys().collect::<Vec<_>>(), ["1", "2"]);
    }
}
