//! Checks a prompt as ComfyUI 0.3.75 does, from the stored catalog instead of live nodes.
//!
//! Where ComfyUI's own code raises, its exception is the answer here as well, so that the
//! editor marks the same nodes. The choices of the `COMBO` form are not checked: 0.3.75
//! leaves them to the node, and some nodes take more than they list.
//!
//! Departures: files are looked up for every input that names one, below the seat's
//! folders and as files only, where ComfyUI's loaders also take a folder or a path that
//! leads out; nodes that read whole folders are refused; the validators of the nodes of
//! comfy.org's paid API are not known here; a graph may be deeper than Python's stack, but
//! not have more than [`MAX_NODES`] nodes. The differential test of the worker lists each.
//!
//! Invariant: never recurses and never panics, whatever the JSON: a prompt may be as deep
//! as it is long.

mod errors;
mod files;
mod node;
mod walk;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::annotated_path::AnnotatedPath;
use crate::node_definition::NodeDefinition;
use crate::prompt::{PromptError, needed_nodes};
use crate::python;

/// More nodes than any real graph has; keeps the worst case of the answer's size small.
pub const MAX_NODES: usize = 5000;
/// How many failed outputs one faulty node lists.
const MAX_DEPENDENT_OUTPUTS: usize = 200;

/// Which files the seat has.
pub trait InputFiles {
    fn exists(&self, file: &AnnotatedPath) -> bool;
}

/// A prompt of which at least one output can run.
#[derive(Debug, Clone, PartialEq)]
pub struct Validated {
    /// The output nodes to run, in the prompt's order.
    pub outputs: Vec<String>,
    /// What is wrong with the other outputs, for the editor to mark.
    pub node_errors: Map<String, Value>,
    /// Values converted as ComfyUI converts them. Lists stay wrapped in `__value__`,
    /// because the engine checks the prompt again and would take them for links.
    pub prompt: Map<String, Value>,
}

/// `catalog` is `/object_info` as this seat sees it. `targets` are the output nodes to
/// run; `None` runs all.
pub fn validate_prompt(
    prompt: &Map<String, Value>,
    catalog: &Map<String, Value>,
    targets: Option<&[String]>,
    files: &dyn InputFiles,
) -> Result<Validated, PromptError> {
    let outputs = output_nodes(prompt, catalog, targets)?;
    let mut walk = walk::Walk::new(prompt, catalog, files);
    let mut good_outputs = Vec::new();
    let mut failed_outputs = Vec::new();
    for output in outputs {
        walk.visit(output);
        let target = if walk.is_valid(output) { &mut good_outputs } else { &mut failed_outputs };
        target.push(output);
    }

    let node_errors = node_errors(prompt, &walk, &failed_outputs);
    if good_outputs.is_empty() {
        let errors = failed_outputs
            .iter()
            .flat_map(|output| walk.errors(output))
            .map(|error| format!("{}: {}", python::str(&error["message"]), python::str(&error["details"])));
        // Python's stack overflows on a cycle, and no node is marked; the text may say more.
        let cycles = walk.cycles().iter().map(|path| format!("Dependency cycle detected: {path}"));
        let details: Vec<String> = errors.chain(cycles).collect();
        return Err(PromptError::with_node_errors(
            "prompt_outputs_failed_validation",
            "Prompt outputs failed validation",
            &details.join("\n"),
            node_errors,
        ));
    }
    let outputs = good_outputs.into_iter().map(str::to_owned).collect();
    Ok(Validated { outputs, node_errors, prompt: walk.into_converted() })
}

/// The output nodes that are asked for, once every node's class is known.
fn output_nodes<'a>(
    prompt: &'a Map<String, Value>,
    catalog: &Map<String, Value>,
    targets: Option<&[String]>,
) -> Result<Vec<&'a str>, PromptError> {
    if prompt.len() > MAX_NODES {
        let message =
            format!("The workflow has {} nodes, more than the {MAX_NODES} that are allowed", prompt.len());
        return Err(PromptError::new("invalid_prompt", &message, ""));
    }
    let mut outputs = Vec::new();
    for (id, node) in prompt {
        let details = format!("Node ID '#{id}'");
        let Some(class_type) = node.get("class_type") else {
            let message = "Cannot execute because a node is missing the class_type property.";
            return Err(PromptError::new("invalid_prompt", message, &details));
        };
        let definition = class_type.as_str().and_then(|class_type| NodeDefinition::find(catalog, class_type));
        let Some(definition) = definition else {
            let message = format!("Cannot execute because node {} does not exist.", python::str(class_type));
            return Err(PromptError::new("invalid_prompt", &message, &details));
        };
        if definition.is_output_node() && targets.is_none_or(|targets| targets.contains(id)) {
            outputs.push(id.as_str());
        }
    }
    if outputs.is_empty() {
        return Err(PromptError::new("prompt_no_outputs", "Prompt has no outputs", ""));
    }
    Ok(outputs)
}

/// Faulty nodes with the failed outputs that need them. A node that is only invalid
/// because of another has no errors of its own and is left out.
fn node_errors(
    prompt: &Map<String, Value>,
    walk: &walk::Walk<'_>,
    failed_outputs: &[&str],
) -> Map<String, Value> {
    let mut node_errors = Map::new();
    let faulty: Vec<&str> = walk.visited().iter().copied().filter(|id| !walk.errors(id).is_empty()).collect();
    let mut dependents: Vec<Vec<&str>> = vec![Vec::new(); faulty.len()];
    for output in failed_outputs {
        let needed = needed_nodes(prompt, [*output]);
        for (id, dependents) in faulty.iter().zip(&mut dependents) {
            if needed.contains(id) && dependents.len() < MAX_DEPENDENT_OUTPUTS {
                dependents.push(output);
            }
        }
    }
    for (id, dependents) in faulty.into_iter().zip(dependents) {
        let mut entry = Map::new();
        entry.insert("errors".to_owned(), Value::Array(walk.errors(id).to_vec()));
        entry.insert("dependent_outputs".to_owned(), Value::from(dependents));
        entry.insert("class_type".to_owned(), prompt[id]["class_type"].clone());
        node_errors.insert(id.to_owned(), Value::Object(entry));
    }
    node_errors
}
