//! Reads one class of `/object_info`. Malformed entries read as absent, so that a strange
//! custom node cannot bring a request down.

use serde_json::{Map, Value};

/// Inputs whose members depend on other values (`COMFY_AUTOGROW_V3`, …). Only the engine
/// can check them.
const DYNAMIC_TYPE_PREFIX: &str = "COMFY_";

#[derive(Clone, Copy)]
pub(crate) struct NodeDefinition<'a> {
    value: &'a Value,
}

/// One input: `[type, options?]`.
#[derive(Clone, Copy)]
pub(crate) struct InputDefinition<'a> {
    pub(crate) name: &'a str,
    pub(crate) is_required: bool,
    /// A type's name, or the list of a combo's choices.
    pub(crate) kind: &'a Value,
    options: Option<&'a Map<String, Value>>,
}

impl<'a> NodeDefinition<'a> {
    pub(crate) fn new(value: &'a Value) -> Self {
        Self { value }
    }

    pub(crate) fn find(catalog: &'a Map<String, Value>, class_type: &str) -> Option<Self> {
        catalog.get(class_type).map(Self::new)
    }

    /// Required inputs, then optional ones. A name in both is required.
    pub(crate) fn inputs(self) -> Vec<InputDefinition<'a>> {
        let mut inputs: Vec<InputDefinition<'a>> = Vec::new();
        for (section, is_required) in [("required", true), ("optional", false)] {
            let Some(members) = self.section(section) else { continue };
            for (name, entry) in members {
                let in_required = !is_required
                    && self.section("required").is_some_and(|required| required.contains_key(name));
                if in_required {
                    continue;
                }
                let Some(kind) = entry.get(0) else { continue };
                let options = entry.get(1).and_then(Value::as_object);
                inputs.push(InputDefinition { name, is_required, kind, options });
            }
        }
        inputs
    }

    pub(crate) fn is_output_node(self) -> bool {
        self.value.get("output_node").and_then(Value::as_bool).unwrap_or(false)
    }

    /// The type of each output slot.
    pub(crate) fn outputs(self) -> &'a [Value] {
        self.value.get("output").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Whether Python holds the outputs in a list, as for all nodes of the newer kind, and not
    /// in a tuple.
    pub(crate) fn lists_outputs(self) -> bool {
        self.value.get("api_node").is_some()
    }

    fn section(self, name: &str) -> Option<&'a Map<String, Value>> {
        self.value.get("input")?.get(name)?.as_object()
    }
}

impl<'a> InputDefinition<'a> {
    pub(crate) fn type_name(self) -> Option<&'a str> {
        self.kind.as_str()
    }

    pub(crate) fn option(self, name: &str) -> Option<&'a Value> {
        self.options?.get(name)
    }

    pub(crate) fn has_flag(self, name: &str) -> bool {
        self.option(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The choices of a combo in either form; `None` for other inputs and for combos
    /// whose choices the browser fetches itself.
    pub(crate) fn choices(self) -> Option<&'a [Value]> {
        match self.kind {
            Value::Array(choices) => Some(choices),
            Value::String(name) if name == "COMBO" => {
                self.option("options").and_then(Value::as_array).map(Vec::as_slice)
            }
            _ => None,
        }
    }

    pub(crate) fn is_dynamic(self) -> bool {
        self.type_name().is_some_and(is_dynamic_type)
    }

    /// What ComfyUI reports as `input_config`.
    pub(crate) fn config(self) -> Value {
        let options = self.options.cloned().unwrap_or_default();
        Value::Array(vec![self.kind.clone(), Value::Object(options)])
    }
}

pub(crate) fn is_dynamic_type(name: &str) -> bool {
    name.starts_with(DYNAMIC_TYPE_PREFIX) && name.ends_with("_V3")
}
