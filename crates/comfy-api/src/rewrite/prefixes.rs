//! Puts every output below the job's own folder.
//!
//! Needed for correctness as well as for isolation: ComfyUI answers an identical save
//! with earlier file names, and a prefix of the job's own makes it run.

use serde_json::{Map, Value, json};

use super::Rewritten;
use crate::annotated_path::has_drive;
use crate::node_definition::NodeDefinition;
use crate::python;

/// What ComfyUI's own nodes write when nobody says otherwise.
const DEFAULT_NAME: &str = "ComfyUI";
/// Joins the job's folder to a computed prefix.
const JOIN_CLASS: &str = "StringConcatenate";
/// Takes `..` out of a computed prefix.
const CLEAN_CLASS: &str = "StringReplace";
/// Node classes that the rewriting may add to a prompt.
pub const ADDED_CLASSES: [&str; 2] = [JOIN_CLASS, CLEAN_CLASS];
const MAX_SEGMENT_CHARS: usize = 120;
const MAX_PREFIX_BYTES: usize = 512;

/// An input that says where a node writes.
pub(super) struct PrefixInput<'a> {
    pub(super) name: &'a str,
    form: PrefixForm,
    default: Option<&'a str>,
}

enum PrefixForm {
    /// Joined to the engine's output folder.
    Output,
    /// The start of a file name in a folder that another input names, or in a folder
    /// that the node joins without any check.
    FileName,
}

/// The inputs of this class that say where it writes.
pub(super) fn prefix_inputs<'a>(class_type: &str, definition: NodeDefinition<'a>) -> Vec<PrefixInput<'a>> {
    let inputs = definition.inputs();
    let is_output_node = definition.is_output_node();
    // A node that hands a text on may only be building a prefix for another.
    let returns_text = definition.outputs().iter().any(|output| output == "STRING");
    let names_folder = is_output_node && inputs.iter().any(|input| input.name == "folder_name");
    let form = |name: &str| match name {
        "filename_prefix" | "prefix" if class_type == "LossGraphNode" || names_folder => {
            Some(PrefixForm::FileName)
        }
        "filename_prefix" if is_output_node || !returns_text => Some(PrefixForm::Output),
        "prefix" | "folder_name" if is_output_node => Some(PrefixForm::Output),
        _ => None,
    };
    inputs
        .into_iter()
        .filter(|input| input.type_name() == Some("STRING"))
        .filter_map(|input| {
            let default = input.option("default").and_then(Value::as_str);
            Some(PrefixInput { name: input.name, form: form(input.name)?, default })
        })
        .collect()
}

/// The value for the engine. Nodes for a computed prefix are added to the prompt.
pub(super) fn rewrite(
    input: &PrefixInput<'_>,
    node: &str,
    value: Option<&Value>,
    output_folder: &str,
    catalog: &Map<String, Value>,
    rewritten: &mut Rewritten,
) -> Result<Value, String> {
    let value = value.map(|value| value.get("__value__").unwrap_or(value));
    let literal = match value {
        None => input.default.unwrap_or(DEFAULT_NAME).to_owned(),
        Some(Value::Array(link)) => {
            return match input.form {
                PrefixForm::Output => computed(node, link, output_folder, catalog, rewritten),
                PrefixForm::FileName => Err("this name must be written in the node itself".to_owned()),
            };
        }
        Some(Value::Object(_)) => return Err("a text is expected".to_owned()),
        Some(literal) => python::str(literal),
    };
    let segments = segments(&literal)?;
    Ok(Value::String(match input.form {
        PrefixForm::Output => format!("{output_folder}/{}", segments.join("/")),
        PrefixForm::FileName => file_name(&segments.join("_")),
    }))
}

/// The parts of a literal prefix. ComfyUI normalises empty parts and `.` away, so they
/// go; a prefix of nothing else would name the job's folder itself.
fn segments(literal: &str) -> Result<Vec<String>, String> {
    if literal.len() > MAX_PREFIX_BYTES {
        return Err("the prefix is too long".to_owned());
    }
    if literal.chars().any(char::is_control) {
        return Err("the prefix has a character that is not allowed".to_owned());
    }
    let path = literal.replace('\\', "/");
    if path.starts_with('/') || has_drive(&path) {
        return Err("the prefix must be relative: files are saved in your own output folder".to_owned());
    }
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                return Err(
                    "the prefix must not contain `..`: files are saved in your own output folder".to_owned()
                );
            }
            long if long.chars().count() > MAX_SEGMENT_CHARS => {
                return Err("the prefix is too long".to_owned());
            }
            segment => segments.push(segment.to_owned()),
        }
    }
    if segments.is_empty() {
        segments.push(DEFAULT_NAME.to_owned());
    }
    Ok(segments)
}

/// A name that no join can lead astray.
fn file_name(text: &str) -> String {
    let is_plain =
        |character: char| character.is_alphanumeric() || matches!(character, '-' | '_' | ' ' | '%' | ',');
    text.chars().map(|character| if is_plain(character) { character } else { '_' }).collect()
}

/// A prefix that another node computes is cleaned of `..` and joined to the job's folder
/// on the engine. Where it comes out empty the files land beside the folder and are not
/// accepted as the job's.
fn computed(
    node: &str,
    link: &[Value],
    output_folder: &str,
    catalog: &Map<String, Value>,
    rewritten: &mut Rewritten,
) -> Result<Value, String> {
    if link.len() != 2 || !(catalog.contains_key(JOIN_CLASS) && catalog.contains_key(CLEAN_CLASS)) {
        return Err(
            "the prefix must be written in the node itself, it cannot come from another one".to_owned()
        );
    }
    let clean = json!({"class_type": CLEAN_CLASS, "inputs": {"string": link, "find": "..", "replace": "_"}});
    let clean = add_node(node, "clean", clean, rewritten);
    let join = json!({
        "class_type": JOIN_CLASS,
        "inputs": {"string_a": format!("{output_folder}/"), "string_b": [clean, 0], "delimiter": ""},
    });
    let join = add_node(node, "join", join, rewritten);
    Ok(json!([join, 0]))
}

/// The id names its owner, so that an error in the added node can be shown on the owner.
fn add_node(owner: &str, purpose: &str, node: Value, rewritten: &mut Rewritten) -> String {
    let mut number = 1;
    let mut id = crate::restore::added_node_id(number, purpose, owner);
    while rewritten.prompt.contains_key(&id) {
        number += 1;
        id = crate::restore::added_node_id(number, purpose, owner);
    }
    rewritten.prompt.insert(id.clone(), node);
    rewritten.added_nodes.push(id.clone());
    id
}
