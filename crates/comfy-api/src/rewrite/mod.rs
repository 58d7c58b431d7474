//! Prepares a seat's prompt for an engine that all seats share.
//!
//! Invariant: in a rewritten prompt every file input names a content-named file in the
//! seat's folder of the engine's input folder, every model of the seat's own its content-named
//! copy, no embedding leads out of its folder, and every output prefix lies in the job's own
//! folder. What cannot be brought into that form is refused, with node and input.
//! All other inputs are left as they are.

mod embeddings;
mod inputs;
mod models;
mod prefixes;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::annotated_path::AnnotatedPath;
use crate::file_inputs::file_inputs;
use crate::models::{OwnModel, SeatModels};
use crate::node_definition::NodeDefinition;
use crate::prompt::PromptError;

pub use self::prefixes::ADDED_CLASSES;
pub use crate::restore::{EngineNames, restore_event};

/// Where a job's files lie on the engine.
#[derive(Debug, Clone, Copy)]
pub struct RewriteOptions<'a> {
    /// Below the engine's output folder: `cm/<job>/<attempt>`.
    pub output_folder: &'a str,
    /// Below the engine's input folder: `cm/user001`.
    pub input_folder: &'a str,
    pub models: SeatModels<'a>,
}

/// The content of a seat's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedInput {
    pub sha256: String,
    pub bytes: u64,
}

/// A seat's file and its place on the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewrittenInput {
    pub path: AnnotatedPath,
    pub sha256: String,
    pub bytes: u64,
    /// Below the engine's input folder.
    pub subfolder: String,
    /// `<sha256>.<ext>`.
    pub filename: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Rewritten {
    pub prompt: Map<String, Value>,
    /// The files to bring to the engine; each once.
    pub inputs: Vec<RewrittenInput>,
    /// The seat's models to bring to the engine; each once.
    pub models: Vec<OwnModel>,
    /// Nodes that were not the participant's.
    pub added_nodes: Vec<String>,
}

/// Why a prompt cannot run on a shared engine.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("node {node}, input {input}: {reason}")]
pub struct RewriteError {
    pub node: String,
    pub input: String,
    /// For the participant.
    pub reason: String,
}

/// `prompt` is a validated one, its unneeded nodes pruned; `resolve` finds a seat's file.
pub fn rewrite_prompt(
    prompt: &Map<String, Value>,
    catalog: &Map<String, Value>,
    options: &RewriteOptions<'_>,
    resolve: &dyn Fn(&AnnotatedPath) -> Option<ResolvedInput>,
) -> Result<Rewritten, RewriteError> {
    let mut rewritten =
        Rewritten { prompt: prompt.clone(), inputs: Vec::new(), models: Vec::new(), added_nodes: Vec::new() };
    for (id, node) in prompt {
        let class_type = node.get("class_type").and_then(Value::as_str).unwrap_or_default();
        let definition = catalog.get(class_type).ok_or_else(|| {
            RewriteError::new(id, "class_type", format!("the node {class_type} does not exist here"))
        })?;
        let given = match node.get("inputs") {
            Some(Value::Object(given)) => given,
            // Validation passes it where the class needs no input, as ComfyUI does.
            _ => &Map::new(),
        };
        let mut changes: Vec<(String, Value)> = Vec::new();
        let files = file_inputs(class_type, definition);
        for input in &files {
            let Some(value) = given.get(&input.name) else { continue };
            let value = inputs::rewrite(input, value, options, resolve, &mut rewritten.inputs)
                .map_err(|reason| RewriteError::new(id, &input.name, reason))?;
            changes.push((input.name.clone(), value));
        }
        for input in options.models.inputs_of(class_type) {
            let Some(value) = given.get(input) else { continue };
            let offered = || options.models.offered(class_type, input);
            let value = models::rewrite(value, offered, &mut rewritten.models)
                .map_err(|reason| RewriteError::new(id, input, reason))?;
            changes.push((input.to_owned(), value));
        }
        for input in prefixes::prefix_inputs(class_type, NodeDefinition::new(definition)) {
            let value = given.get(input.name);
            let value = prefixes::rewrite(&input, id, value, options.output_folder, catalog, &mut rewritten)
                .map_err(|reason| RewriteError::new(id, input.name, reason))?;
            changes.push((input.name.to_owned(), value));
        }
        for (name, value) in given {
            if !changes.iter().any(|(changed, _)| changed == name) {
                // ComfyUI leaves the choices of this form to the node, so any text may come.
                let is_open_choice = NodeDefinition::new(definition)
                    .inputs()
                    .iter()
                    .any(|input| input.name == name && input.type_name() == Some("COMBO"));
                let refused = if is_open_choice {
                    inputs::refuse_outside(value)
                } else {
                    inputs::refuse_outside_path(name, value)
                };
                refused.map_err(|reason| RewriteError::new(id, name, reason))?;
                let with_embeddings = embeddings::rewrite(value, options.models, &mut rewritten.models)
                    .map_err(|reason| RewriteError::new(id, name, reason))?;
                changes.extend(with_embeddings.map(|value| (name.clone(), value)));
            }
        }
        let target = rewritten
            .prompt
            .get_mut(id)
            .and_then(|node| node.get_mut("inputs"))
            .and_then(Value::as_object_mut);
        if let Some(target) = target {
            target.extend(changes);
        }
    }
    Ok(rewritten)
}

impl RewriteError {
    fn new(node: &str, input: &str, reason: String) -> Self {
        Self { node: node.to_owned(), input: input.to_owned(), reason }
    }

    /// The refusal that the editor shows on the node.
    pub fn to_prompt_error(&self, prompt: &Map<String, Value>) -> PromptError {
        let class_type = prompt.get(&self.node).and_then(|node| node.get("class_type")).cloned();
        let error = json!({
            "type": "custom_validation_failed",
            "message": "This value cannot be used here",
            "details": format!("{} - {}", self.input, self.reason),
            "extra_info": {"input_name": self.input},
        });
        let mut node_errors = Map::new();
        node_errors.insert(
            self.node.clone(),
            json!({"errors": [error], "dependent_outputs": [], "class_type": class_type}),
        );
        PromptError::with_node_errors(
            "prompt_outputs_failed_validation",
            "Prompt outputs failed validation",
            &self.to_string(),
            node_errors,
        )
    }
}
