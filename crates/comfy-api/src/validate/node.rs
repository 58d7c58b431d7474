//! Checks one node's inputs, pausing where a source has to be checked first.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::InputFiles;
use super::errors::{self, Exception};
use super::files;
use crate::file_inputs::{FileInput, file_inputs, names_nothing};
use crate::node_definition::{InputDefinition, NodeDefinition, is_dynamic_type};
use crate::python;

/// Nodes whose own validator judges the types of its links.
const JUDGES_LINK_TYPES: [&str; 1] = ["TripoConversionNode"];

/// What a node needs next.
pub(super) enum Step<'a> {
    /// A verdict on this source.
    Needs(&'a str),
    /// ComfyUI would raise here.
    Raised(Exception),
    Done,
}

/// A node's errors and the values that were converted.
pub(super) struct Outcome<'a> {
    pub(super) is_valid: bool,
    pub(super) errors: Vec<Value>,
    pub(super) converted: Vec<(&'a str, Value)>,
}

pub(super) struct NodeCheck<'a> {
    pub(super) id: &'a str,
    class_type: &'a str,
    given: &'a Map<String, Value>,
    fields: Vec<Field<'a>>,
    file_inputs: Vec<FileInput>,
    next: usize,
    has_valid_sources: bool,
    errors: Vec<Value>,
    faulty_inputs: HashSet<&'a str>,
    converted: Vec<(&'a str, Value)>,
}

/// One input of the node.
#[derive(Clone, Copy)]
struct Field<'a> {
    name: &'a str,
    /// Absent for members of a dynamic input, whose types only the engine knows.
    definition: Option<InputDefinition<'a>>,
    value: Option<&'a Value>,
}

enum LinkCheck<'a> {
    Passed,
    Faulty(Value),
    /// The source has errors of its own.
    BadSource,
    Needs(&'a str),
    Raised(Exception),
}

impl<'a> NodeCheck<'a> {
    /// The caller has made sure that the node's class is known.
    pub(super) fn open(
        id: &'a str,
        prompt: &'a Map<String, Value>,
        catalog: &'a Map<String, Value>,
    ) -> Result<Self, Exception> {
        let node = &prompt[id];
        let given = match node.get("inputs") {
            Some(Value::Object(given)) => given,
            Some(_) => {
                return Err(Exception { kind: "TypeError", details: "inputs must be an object".to_owned() });
            }
            None => return Err(Exception { kind: "KeyError", details: "'inputs'".to_owned() }),
        };
        let class_type = node.get("class_type").and_then(Value::as_str).unwrap_or_default();
        let fields = catalog.get(class_type).map_or_else(Vec::new, |definition| fields(definition, given));
        let file_inputs =
            catalog.get(class_type).map_or_else(Vec::new, |definition| file_inputs(class_type, definition));
        Ok(Self {
            id,
            class_type,
            given,
            fields,
            file_inputs,
            next: 0,
            has_valid_sources: true,
            errors: Vec::new(),
            faulty_inputs: HashSet::new(),
            converted: Vec::new(),
        })
    }

    /// Goes on until a source's verdict is missing. `verdict` says whether a node is valid.
    pub(super) fn step(
        &mut self,
        prompt: &'a Map<String, Value>,
        catalog: &'a Map<String, Value>,
        verdict: impl Fn(&str) -> Option<bool>,
    ) -> Step<'a> {
        while let Some(field) = self.fields.get(self.next).copied() {
            match field.value {
                None => {
                    if field.definition.is_some_and(|definition| definition.is_required) {
                        self.fail(field.name, errors::required_input_missing(field.name));
                    }
                }
                Some(value @ Value::Array(link)) => {
                    match self.check_link(field, value, link, prompt, catalog, &verdict) {
                        LinkCheck::Passed => {}
                        LinkCheck::Faulty(error) => self.fail(field.name, error),
                        LinkCheck::BadSource => self.has_valid_sources = false,
                        LinkCheck::Needs(source) => return Step::Needs(source),
                        LinkCheck::Raised(exception) => return Step::Raised(exception),
                    }
                }
                Some(value) => {
                    if let Some(definition) = field.definition {
                        self.check_value(definition, value);
                    }
                }
            }
            self.next += 1;
        }
        Step::Done
    }

    /// The link that is being followed, for a report about its source: name, config, link.
    pub(super) fn current_link(&self) -> Option<(&'a str, Value, &'a Value)> {
        let field = self.fields.get(self.next)?;
        let config = field.definition.map_or(Value::Null, InputDefinition::config);
        Some((field.name, config, field.value?))
    }

    /// The current input leads back to this node.
    pub(super) fn reject_cycle(&mut self, path: &[&str]) {
        if let Some((name, _, link)) = self.current_link() {
            self.fail(name, errors::dependency_cycle(name, link, path));
        }
        self.next += 1;
    }

    pub(super) fn finish(mut self, seat_files: &dyn InputFiles) -> Outcome<'a> {
        for input in std::mem::take(&mut self.file_inputs) {
            let given = self.given;
            let Some((name, value)) = given.get_key_value(&input.name) else { continue };
            if self.faulty_inputs.contains(name.as_str()) || self.is_listed_nothing(name, value) {
                continue;
            }
            let problem = match value {
                Value::Array(_) => {
                    Some("The file must be chosen in the node, it cannot come from another one".to_owned())
                }
                value => files::problem(&input, value, seat_files),
            };
            if let Some(problem) = problem {
                self.fail(name, errors::custom_validation_failed(name, &problem));
            }
        }
        Outcome { is_valid: self.has_valid_sources, errors: self.errors, converted: self.converted }
    }

    fn check_link(
        &self,
        field: Field<'a>,
        value: &'a Value,
        link: &'a [Value],
        prompt: &'a Map<String, Value>,
        catalog: &'a Map<String, Value>,
        verdict: &impl Fn(&str) -> Option<bool>,
    ) -> LinkCheck<'a> {
        let [source, slot] = link else {
            return match field.definition {
                Some(definition) => LinkCheck::Faulty(errors::bad_linked_input(definition, value)),
                None => LinkCheck::Passed,
            };
        };
        let Some((source_id, source_node)) = source.as_str().and_then(|id| prompt.get_key_value(id)) else {
            return LinkCheck::Raised(missing_node(source));
        };
        let class_type = source_node.get("class_type").and_then(Value::as_str).unwrap_or_default();
        let outputs = NodeDefinition::find(catalog, class_type).map_or(&[][..], NodeDefinition::outputs);
        let received = match output_slot(outputs, slot) {
            Ok(received) => received,
            Err(exception) => return LinkCheck::Raised(exception),
        };
        if let Some(definition) = field.definition {
            let is_judged_elsewhere = JUDGES_LINK_TYPES.contains(&self.class_type);
            if !is_judged_elsewhere && !types_match(received, definition.kind) {
                return LinkCheck::Faulty(errors::return_type_mismatch(definition, received, value));
            }
        }
        match verdict(source_id) {
            Some(true) => LinkCheck::Passed,
            Some(false) => LinkCheck::BadSource,
            None => LinkCheck::Needs(source_id),
        }
    }

    fn check_value(&mut self, input: InputDefinition<'a>, given: &Value) {
        let value = given.get("__value__").unwrap_or(given);
        let converted = match input.type_name() {
            Some("INT") => python::to_int(value),
            Some("FLOAT") => python::to_float(value),
            Some("STRING") => Ok(Value::String(python::str(value))),
            Some("BOOLEAN") => Ok(Value::Bool(python::truthy(value))),
            _ => Ok(value.clone()),
        };
        let converted = match converted {
            Ok(converted) => converted,
            Err(exception) => {
                return self.fail(input.name, errors::invalid_input_type(input, value, &exception));
            }
        };
        if let Some(error) = self.constraint_error(input, &converted) {
            self.fail(input.name, error);
        }
        if converted != *given && !converted.is_array() {
            self.converted.push((input.name, converted));
        }
    }

    /// The range and the list of choices, unless the node's own validator judges them.
    fn constraint_error(&self, input: InputDefinition<'_>, value: &Value) -> Option<Value> {
        if self.file_inputs.iter().any(|file| file.name == input.name && file.accepts_unlisted) {
            return None;
        }
        if let Some(min) = input.option("min").filter(|min| python::is_less(value, min)) {
            return Some(errors::out_of_range(input, value, min, true));
        }
        if let Some(max) = input.option("max").filter(|max| python::is_less(max, value)) {
            return Some(errors::out_of_range(input, value, max, false));
        }
        let choices = input.choices()?;
        let is_listed = |value: &Value| choices.iter().any(|choice| python::equals(choice, value));
        let is_fine = match value {
            Value::Array(values) if input.has_flag("multiselect") => values.iter().all(is_listed),
            value => is_listed(value),
        };
        (!is_fine).then(|| errors::value_not_in_list(input, value, choices))
    }

    /// Whether the value is the loader's own choice for no file.
    fn is_listed_nothing(&self, name: &str, value: &Value) -> bool {
        let definition =
            self.fields.iter().find(|field| field.name == name).and_then(|field| field.definition);
        let is_listed =
            definition.and_then(InputDefinition::choices).is_some_and(|choices| choices.contains(value));
        is_listed && value.as_str().is_some_and(names_nothing)
    }

    fn fail(&mut self, name: &'a str, error: Value) {
        self.errors.push(error);
        self.faulty_inputs.insert(name);
    }
}

fn fields<'a>(definition: &'a Value, given: &'a Map<String, Value>) -> Vec<Field<'a>> {
    let mut fields = Vec::new();
    for input in NodeDefinition::new(definition).inputs() {
        let value = given.get(input.name);
        if !input.is_dynamic() {
            fields.push(Field { name: input.name, definition: Some(input), value });
            continue;
        }
        // Only the engine knows which members it wants, but their sources are checked here.
        if value.is_some() {
            fields.push(Field { name: input.name, definition: None, value });
        }
        let members = given
            .iter()
            .filter(|(name, _)| name.strip_prefix(input.name).is_some_and(|member| member.starts_with('.')));
        fields.extend(members.map(|(name, value)| Field { name, definition: None, value: Some(value) }));
    }
    fields
}

fn missing_node(source: &Value) -> Exception {
    match source {
        Value::Array(_) | Value::Object(_) => Exception {
            kind: "TypeError",
            details: format!("unhashable type: '{}'", python::type_name(source)),
        },
        source => Exception { kind: "KeyError", details: python::repr(source) },
    }
}

/// The output's type; Python counts negative slots from the end.
fn output_slot<'a>(outputs: &'a [Value], slot: &Value) -> Result<&'a Value, Exception> {
    let index = match slot {
        Value::Bool(flag) => Some(i64::from(*flag)),
        slot => slot.as_i64(),
    };
    let Some(index) = index else {
        let details = format!("tuple indices must be integers or slices, not {}", python::type_name(slot));
        return Err(Exception { kind: "TypeError", details });
    };
    let position = if index < 0 { index + outputs.len() as i64 } else { index };
    usize::try_from(position)
        .ok()
        .and_then(|position| outputs.get(position))
        .ok_or_else(|| Exception { kind: "IndexError", details: "tuple index out of range".to_owned() })
}

/// Types are comma-separated alternatives of which one must agree. `*` takes anything:
/// the catalog does not say which nodes mean it so, and the engine checks again.
fn types_match(received: &Value, expected: &Value) -> bool {
    if received == expected {
        return true;
    }
    let (Some(received), Some(expected)) = (received.as_str(), expected.as_str()) else {
        return received.as_str() == Some("*") || expected.as_str() == Some("*");
    };
    let is_open = |name: &str| name == "*" || is_dynamic_type(name);
    is_open(received)
        || is_open(expected)
        || received.split(',').any(|left| expected.split(',').any(|right| left.trim() == right.trim()))
}
