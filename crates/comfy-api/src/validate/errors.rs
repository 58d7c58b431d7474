//! The node errors of ComfyUI's answers, member for member and in its order.

use serde_json::{Value, json};

use crate::node_definition::InputDefinition;
use crate::python::{self, Converted};

/// Longer option lists are not repeated to the client.
const MAX_LISTED_CHOICES: usize = 20;

/// Something that raises in ComfyUI's own validation and is reported where it surfaces.
pub(super) struct Exception {
    pub(super) kind: &'static str,
    pub(super) details: String,
}

pub(super) fn required_input_missing(name: &str) -> Value {
    json!({
        "type": "required_input_missing",
        "message": "Required input is missing",
        "details": name,
        "extra_info": {"input_name": name},
    })
}

pub(super) fn bad_linked_input(input: InputDefinition<'_>, value: &Value) -> Value {
    json!({
        "type": "bad_linked_input",
        "message": "Bad linked input, must be a length-2 list of [node_id, slot_index]",
        "details": input.name,
        "extra_info": {"input_name": input.name, "input_config": input.config(), "received_value": value},
    })
}

pub(super) fn return_type_mismatch(input: InputDefinition<'_>, received: &Value, link: &Value) -> Value {
    let details = format!(
        "{}, received_type({}) mismatch input_type({})",
        input.name,
        python::str(received),
        python::str(input.kind)
    );
    json!({
        "type": "return_type_mismatch",
        "message": "Return type mismatch between linked nodes",
        "details": details,
        "extra_info": {
            "input_name": input.name,
            "input_config": input.config(),
            "received_type": received,
            "linked_node": link,
        },
    })
}

pub(super) fn invalid_input_type(input: InputDefinition<'_>, value: &Value, exception: &str) -> Value {
    json!({
        "type": "invalid_input_type",
        "message": format!("Failed to convert an input value to a {} value", python::str(input.kind)),
        "details": format!("{}, {}, {exception}", input.name, python::str(value)),
        "extra_info": {
            "input_name": input.name,
            "input_config": input.config(),
            "received_value": value,
            "exception_message": exception,
        },
    })
}

pub(super) fn out_of_range(
    input: InputDefinition<'_>,
    value: &Converted,
    given: &Value,
    bound: &Value,
    is_below: bool,
) -> Value {
    let (kind, relation) = if is_below {
        ("value_smaller_than_min", "smaller than min")
    } else {
        ("value_bigger_than_max", "bigger than max")
    };
    let received = if let Converted::Json(value) = value { value } else { given };
    json!({
        "type": kind,
        "message": format!("Value {} {relation} of {}", value.text(), python::str(bound)),
        "details": input.name,
        "extra_info": {"input_name": input.name, "input_config": input.config(), "received_value": received},
    })
}

pub(super) fn value_not_in_list(input: InputDefinition<'_>, value: &Value, choices: &[Value]) -> Value {
    let (listed, config) = if choices.len() > MAX_LISTED_CHOICES {
        (format!("(list of length {})", choices.len()), Value::Null)
    } else {
        (python::repr(&Value::from(choices)), input.config())
    };
    json!({
        "type": "value_not_in_list",
        "message": "Value not in list",
        "details": format!("{}: '{}' not in {listed}", input.name, python::str(value)),
        "extra_info": {"input_name": input.name, "input_config": config, "received_value": value},
    })
}

pub(super) fn custom_validation_failed(name: &str, reason: &str) -> Value {
    json!({
        "type": "custom_validation_failed",
        "message": "Custom validation failed for node",
        "details": format!("{name} - {reason}"),
        "extra_info": {"input_name": name},
    })
}

/// Tracebacks are left out: they would be ours, not ComfyUI's.
pub(super) fn exception_during_validation(exception: &Exception) -> Value {
    json!({
        "type": "exception_during_validation",
        "message": "Exception when validating node",
        "details": exception.details,
        "extra_info": {"exception_type": exception.kind, "traceback": []},
    })
}

pub(super) fn exception_during_inner_validation(
    name: &str,
    config: Value,
    link: &Value,
    exception: &Exception,
) -> Value {
    json!({
        "type": "exception_during_inner_validation",
        "message": "Exception when validating inner node",
        "details": exception.details,
        "extra_info": {
            "input_name": name,
            "input_config": config,
            "exception_message": exception.details,
            "exception_type": exception.kind,
            "traceback": [],
            "linked_node": link,
        },
    })
}
