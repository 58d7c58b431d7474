//! Checks one node's inputs, pausing where a source has to be checked first.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::InputFiles;
use super::errors::{self, Exception};
use super::files;
use crate::file_inputs::{FileInput, file_inputs, names_nothing};
use crate::node_definition::{InputDefinition, NodeDefinition, is_dynamic_type};
use crate::prompt::link_source;
use crate::python::{self, Converted};

/// Nodes whose own validator judges the types of its links.
const JUDGES_LINK_TYPES: [&str; 1] = ["TripoConversionNode"];

/// Loaders of ComfyUI whose own validator takes this one input, and what Python calls the
/// validator. It raises where the input is no text.
const LOADERS: [(&str, &str, &str); 7] = [
    ("LoadImage", "image", "LoadImage.VALIDATE_INPUTS"),
    ("LoadImageMask", "image", "LoadImageMask.VALIDATE_INPUTS"),
    ("LoadImageOutput", "image", "LoadImage.VALIDATE_INPUTS"),
    ("WebcamCapture", "image", "LoadImage.VALIDATE_INPUTS"),
    ("LoadAudio", "audio", "LoadAudio.VALIDATE_INPUTS"),
    ("LoadLatent", "latent", "LoadLatent.VALIDATE_INPUTS"),
    ("LoadVideo", "file", "LoadVideo.validate_inputs"),
];

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
    given: Given<'a>,
    fields: Vec<Field<'a>>,
    file_inputs: Vec<FileInput>,
    next: usize,
    has_valid_sources: bool,
    errors: Vec<Value>,
    faulty_inputs: HashSet<&'a str>,
    converted: Vec<(&'a str, Value)>,
}

/// What stands under `inputs`. Python looks for a name in a list or a text as well.
#[derive(Clone, Copy)]
enum Given<'a> {
    Members(&'a Map<String, Value>),
    Odd(&'a Value),
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
            Some(Value::Object(given)) => Given::Members(given),
            Some(odd) => Given::Odd(odd),
            None => return Err(Exception { kind: "KeyError", details: "'inputs'".to_owned() }),
        };
        let class_type = node.get("class_type").and_then(Value::as_str).unwrap_or_default();
        let fields = match catalog.get(class_type) {
            Some(definition) => fields(definition, given)?,
            None => Vec::new(),
        };
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
                    if let Some(definition) = field.definition
                        && let Err(exception) = self.check_value(definition, value)
                    {
                        return Step::Raised(exception);
                    }
                }
            }
            self.next += 1;
        }
        self.loader_exception().map_or(Step::Done, Step::Raised)
    }

    /// What a loader's own validator raises. As in ComfyUI it hides the node's other errors.
    fn loader_exception(&self) -> Option<Exception> {
        let (_, name, function) = LOADERS.iter().find(|(class_type, ..)| *class_type == self.class_type)?;
        let members = match self.given {
            Given::Members(members) => members,
            Given::Odd(odd) if python::truthy(odd) => return Some(indexed_by_name(odd)),
            Given::Odd(_) => &Map::new(),
        };
        let Some(value) = members.get(*name) else {
            let details = format!("{function}() missing 1 required positional argument: '{name}'");
            return Some(Exception { kind: "TypeError", details });
        };
        let received = match value.get("__value__").unwrap_or(value) {
            Value::String(_) => return None,
            link if link_source(link).is_some() => "NoneType",
            other => python::type_name(other),
        };
        let details = format!("'{received}' object has no attribute 'endswith'");
        Some(Exception { kind: "AttributeError", details })
    }

    /// The link that is being followed, for a report about its source: name, config, link.
    pub(super) fn current_link(&self) -> Option<(&'a str, Value, &'a Value)> {
        let field = self.fields.get(self.next)?;
        let config = field.definition.map_or(Value::Null, InputDefinition::config);
        Some((field.name, config, field.value?))
    }

    /// The current input leads back to this node.
    pub(super) fn reject_source(&mut self) {
        self.has_valid_sources = false;
        self.next += 1;
    }

    pub(super) fn finish(mut self, seat_files: &dyn InputFiles) -> Outcome<'a> {
        for input in std::mem::take(&mut self.file_inputs) {
            let Given::Members(given) = self.given else { continue };
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
        let source_class = NodeDefinition::find(catalog, class_type);
        let outputs = source_class.map_or(&[][..], NodeDefinition::outputs);
        let holder = if source_class.is_some_and(NodeDefinition::lists_outputs) { "list" } else { "tuple" };
        let received = match output_slot(outputs, holder, slot) {
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

    fn check_value(&mut self, input: InputDefinition<'a>, given: &Value) -> Result<(), Exception> {
        let value = given.get("__value__").unwrap_or(given);
        let converted = match input.type_name() {
            Some("INT") => python::to_int(value),
            Some("FLOAT") => python::to_float(value),
            Some("STRING") => Ok(Converted::Json(Value::String(python::str(value)))),
            Some("BOOLEAN") => Ok(Converted::Json(Value::Bool(python::truthy(value)))),
            _ => Ok(Converted::Json(value.clone())),
        };
        let converted = match converted {
            Ok(converted) => converted,
            Err(exception) => {
                self.fail(input.name, errors::invalid_input_type(input, value, &exception));
                return Ok(());
            }
        };
        if let Some(error) = self.constraint_error(input, &converted, value)? {
            self.fail(input.name, error);
        }
        if let Converted::Json(converted) = converted
            && converted != *given
            && !converted.is_array()
            // The engine would unwrap it once more.
            && converted.get("__value__").is_none()
        {
            self.converted.push((input.name, converted));
        }
        Ok(())
    }

    /// The range and the list of choices, unless the node's own validator judges them.
    fn constraint_error(
        &self,
        input: InputDefinition<'_>,
        value: &Converted,
        given: &Value,
    ) -> Result<Option<Value>, Exception> {
        if self.file_inputs.iter().any(|file| file.name == input.name && file.accepts_unlisted) {
            return Ok(None);
        }
        for (option, sign, outside) in [("min", '<', Ordering::Less), ("max", '>', Ordering::Greater)] {
            let Some(bound) = input.option(option).filter(|bound| bound.is_number()) else { continue };
            let ordering =
                value.compare(bound, sign).map_err(|details| Exception { kind: "TypeError", details })?;
            if ordering == Some(outside) {
                let is_below = outside == Ordering::Less;
                return Ok(Some(errors::out_of_range(input, value, given, bound, is_below)));
            }
        }
        let (Value::Array(choices), Converted::Json(value)) = (input.kind, value) else { return Ok(None) };
        let is_listed = choices.iter().any(|choice| python::equals(choice, value));
        Ok((!is_listed).then(|| errors::value_not_in_list(input, value, choices)))
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

fn fields<'a>(definition: &'a Value, given: Given<'a>) -> Result<Vec<Field<'a>>, Exception> {
    let inputs = NodeDefinition::new(definition).inputs();
    let given = match given {
        Given::Members(given) => given,
        Given::Odd(odd) => return odd_fields(inputs, odd),
    };
    let mut fields = Vec::new();
    for input in inputs {
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
    Ok(fields)
}

/// The inputs of a node whose `inputs` is no object: all are missing, or Python raises.
fn odd_fields<'a>(inputs: Vec<InputDefinition<'a>>, odd: &Value) -> Result<Vec<Field<'a>>, Exception> {
    let holds = |name: &str| match odd {
        Value::Array(items) => items.iter().any(|item| item == name),
        odd => odd.as_str().is_some_and(|text| text.contains(name)),
    };
    if !(inputs.is_empty() || odd.is_array() || odd.is_string()) {
        let details = format!("argument of type '{}' is not iterable", python::type_name(odd));
        return Err(Exception { kind: "TypeError", details });
    }
    if inputs.iter().any(|input| holds(input.name)) {
        return Err(indexed_by_name(odd));
    }
    Ok(inputs
        .into_iter()
        .map(|input| Field { name: input.name, definition: Some(input), value: None })
        .collect())
}

/// What Python says of `inputs["name"]` where that is no object.
fn indexed_by_name(odd: &Value) -> Exception {
    let details = match odd {
        Value::Array(_) => "list indices must be integers or slices, not str".to_owned(),
        _ => "string indices must be integers, not 'str'".to_owned(),
    };
    Exception { kind: "TypeError", details }
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
fn output_slot<'a>(outputs: &'a [Value], holder: &str, slot: &Value) -> Result<&'a Value, Exception> {
    let index = match slot {
        Value::Bool(flag) => Some(i64::from(*flag)),
        slot => slot.as_i64(),
    };
    let Some(index) = index else {
        let details = format!("{holder} indices must be integers or slices, not {}", python::type_name(slot));
        return Err(Exception { kind: "TypeError", details });
    };
    let position = if index < 0 { index + outputs.len() as i64 } else { index };
    usize::try_from(position)
        .ok()
        .and_then(|position| outputs.get(position))
        .ok_or_else(|| Exception { kind: "IndexError", details: format!("{holder} index out of range") })
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
