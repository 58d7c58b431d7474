//! Says in plain words, after ComfyUI's own, what of a refused prompt the workshop's machine
//! lacks. Types and members of the answer stay ComfyUI's.

use comfy_api::prompt::PromptError;
use serde_json::{Map, Value};

/// What a refused graph is answered with.
pub(crate) fn explained(mut error: PromptError) -> PromptError {
    if let Some(node_errors) = error.body.get_mut("node_errors").and_then(Value::as_object_mut) {
        explain_node_errors(node_errors);
    }
    let Some(refusal) = error.body.get_mut("error") else { return error };
    // Both of these messages of ComfyUI's are of this type; others are, too.
    let message = refusal.get("message").and_then(Value::as_str).unwrap_or_default();
    let is_unknown_node = message.starts_with("Cannot execute because");
    if is_unknown_node && refusal.get("type").and_then(Value::as_str) == Some("invalid_prompt") {
        append(
            refusal,
            "message",
            "The workshop's machine lacks this kind of node: remove it, or ask your instructor for it.",
        );
    }
    error
}

/// Adds to each choice that is not in its list what that means where it names a model.
pub(crate) fn explain_node_errors(node_errors: &mut Map<String, Value>) {
    for node in node_errors.values_mut() {
        let errors = node.get_mut("errors").and_then(Value::as_array_mut);
        for error in errors.into_iter().flatten() {
            let received = error.pointer("/extra_info/received_value").and_then(Value::as_str);
            let is_unlisted = error.get("type").and_then(Value::as_str) == Some("value_not_in_list");
            if is_unlisted && received.is_some_and(comfy_api::needs::names_a_model) {
                let advice =
                    "The workshop's machine lacks this model: choose another, or ask your instructor for it.";
                append(error, "details", advice);
            }
        }
    }
}

fn append(of: &mut Value, member: &str, sentence: &str) {
    let text = of.get(member).and_then(Value::as_str).unwrap_or_default().trim_end();
    let separator = if text.is_empty() || text.ends_with('.') { "" } else { "." };
    let text = format!("{text}{separator} {sentence}");
    of[member] = text.trim_start().into();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_missing_node_is_said_to_be_lacking_on_the_machine() {
        let message = "Cannot execute because node Fancy does not exist.";
        let error = explained(PromptError::new("invalid_prompt", message, "Node ID '#1'"));
        assert_eq!(error.body["error"]["type"], "invalid_prompt");
        assert_eq!(
            error.body["error"]["message"],
            format!(
                "{message} The workshop's machine lacks this kind of node: remove it, or ask your instructor for it."
            )
        );
        let other = PromptError::new("prompt_no_outputs", "Prompt has no outputs", "");
        assert_eq!(explained(other.clone()), other);
    }

    #[test]
    fn a_missing_model_is_told_from_another_bad_choice() {
        let error = |received: &str| {
            json!({
                "type": "value_not_in_list", "details": format!("x: '{received}' not in []"),
                "extra_info": {"received_value": received},
            })
        };
        let mut node_errors = Map::new();
        node_errors.insert("1".into(), json!({"errors": [error("lost.safetensors"), error("eulr")]}));
        explain_node_errors(&mut node_errors);
        assert_eq!(
            node_errors["1"]["errors"][0]["details"],
            "x: 'lost.safetensors' not in []. The workshop's machine lacks this model: choose another, or ask your instructor for it."
        );
        assert_eq!(node_errors["1"]["errors"][1], error("eulr"));
    }
}
