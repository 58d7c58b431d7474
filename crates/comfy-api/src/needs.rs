//! What a workflow needs that the engine or the seat does not have, said before it is queued.
//!
//! Reads a workflow as the editor saves it (subgraphs, bypassed nodes and primitives
//! included) or in API form. Invariant: never panics and never recurses deeper than
//! [`MAX_DEPTH`], whatever the JSON; what it cannot read it does not complain of.

mod graph;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::annotated_path::AnnotatedPath;
use crate::file_inputs::{file_inputs, names_nothing};
use crate::node_definition::NodeDefinition;
use crate::validate::InputFiles;

/// Subgraphs within subgraphs.
const MAX_DEPTH: usize = 16;
/// Of each kind; a workflow that lacks more is not read to its end by anybody.
const MAX_MISSING: usize = 50;
const MODEL_EXTENSIONS: [&str; 9] =
    [".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pth", ".bin", ".onnx", ".pkl"];

/// What is missing; nothing, if the workflow can run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Node classes that the engine does not have.
    pub nodes: BTreeSet<String>,
    pub models: BTreeSet<MissingModel>,
    /// Input files that the seat does not have, as the nodes name them.
    pub inputs: BTreeSet<String>,
}

/// A model that the engine does not list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingModel {
    /// The model folder where it belongs, if that can be told.
    pub folder: Option<String>,
    pub name: String,
}

impl Needs {
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.models.is_empty() && self.inputs.is_empty()
    }

    /// `catalog` is `/object_info` as the seat sees it. `None`: this is no workflow.
    pub fn of(workflow: &Value, catalog: &Map<String, Value>, files: &dyn InputFiles) -> Option<Self> {
        let mut needs = Self::default();
        for node in graph::nodes(workflow, catalog)? {
            needs.add(&node, catalog, files);
        }
        Some(needs)
    }

    fn add(&mut self, node: &graph::Node<'_>, catalog: &Map<String, Value>, files: &dyn InputFiles) {
        let Some(definition) = catalog.get(node.class) else {
            insert(&mut self.nodes, node.class.to_owned());
            return;
        };
        let file_inputs = file_inputs(node.class, definition);
        for (name, value) in &node.values {
            let Some(value) = value.as_str() else { continue };
            if let Some(input) = file_inputs.iter().find(|input| input.name == *name) {
                if !names_nothing(value) && !is_there(value, input.engine_prefix, files) {
                    insert(&mut self.inputs, value.to_owned());
                }
            } else if is_missing_model(definition, name, value) {
                let folder = node.folder_of(value).or_else(|| folder_by_input(name)).map(str::to_owned);
                insert(&mut self.models, MissingModel { folder, name: value.to_owned() });
            }
        }
    }
}

fn insert<T: Ord>(set: &mut BTreeSet<T>, value: T) {
    if set.len() < MAX_MISSING {
        set.insert(value);
    }
}

/// Some loaders look below a folder of their own, and take the name with it or without.
fn is_there(value: &str, prefix: &str, files: &dyn InputFiles) -> bool {
    let exists = |name: &str| AnnotatedPath::parse(name).is_ok_and(|path| files.exists(&path));
    exists(value) || (!prefix.is_empty() && exists(&format!("{prefix}{value}")))
}

/// Whether a combo does not offer the value, and the value looks like a model's file.
fn is_missing_model(definition: &Value, name: &str, value: &str) -> bool {
    if !names_a_model(value) {
        return false;
    }
    let input = NodeDefinition::new(definition).inputs().into_iter().find(|input| input.name == name);
    let choices = input.and_then(|input| input.choices());
    choices.is_some_and(|choices| !choices.iter().any(|choice| choice.as_str() == Some(value)))
}

/// Whether the value looks like a model's file.
pub fn names_a_model(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    MODEL_EXTENSIONS.iter().any(|extension| lower.ends_with(extension))
}

/// Where ComfyUI's own loaders look, by the name of their input.
fn folder_by_input(input: &str) -> Option<&'static str> {
    Some(match input {
        "ckpt_name" => "checkpoints",
        "unet_name" => "diffusion_models",
        "lora_name" => "loras",
        "vae_name" => "vae",
        "control_net_name" => "controlnet",
        "clip_name" | "clip_name1" | "clip_name2" | "clip_name3" | "clip_name4" | "text_encoder" => {
            "text_encoders"
        }
        "style_model_name" => "style_models",
        "gligen_name" => "gligen",
        "hypernetwork_name" => "hypernetworks",
        "audio_encoder_name" => "audio_encoders",
        _ => return None,
    })
}
