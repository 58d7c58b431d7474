//! The nodes of a workflow that would run, with the values of their widgets by input.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::MAX_DEPTH;
use crate::node_definition::{InputDefinition, NodeDefinition};

/// A workflow of more nodes, subgraphs unfolded, is read no further.
const MAX_NODES: usize = 20_000;
/// Nodes of the editor alone; the engine never sees them.
const EDITOR_NODES: [&str; 4] = ["Note", "MarkdownNote", "Reroute", "PrimitiveNode"];
const MUTED: u64 = 2;
const BYPASSED: u64 = 4;
/// The origin of a link that comes in through a subgraph's own inputs.
const SUBGRAPH_INPUTS: i64 = -10;

/// One node.
pub(super) struct Node<'a> {
    pub(super) class: &'a str,
    pub(super) values: Vec<(&'a str, &'a Value)>,
    /// What the workflow's maker noted of the models that the node uses.
    models: Option<&'a Value>,
}

impl<'a> Node<'a> {
    /// The folder that the workflow itself names for a model.
    pub(super) fn folder_of(&self, model: &str) -> Option<&'a str> {
        let models = self.models?.as_array()?;
        let noted = models.iter().find(|noted| noted.get("name").and_then(Value::as_str) == Some(model))?;
        noted.get("directory")?.as_str()
    }
}

/// The nodes that would run; `None` if this is no workflow.
pub(super) fn nodes<'a>(workflow: &'a Value, catalog: &'a Map<String, Value>) -> Option<Vec<Node<'a>>> {
    if workflow.get("nodes").is_none() {
        return api_nodes(workflow.as_object()?);
    }
    let definitions = workflow.pointer("/definitions/subgraphs").and_then(Value::as_array);
    let subgraphs = definitions
        .into_iter()
        .flatten()
        .filter_map(|subgraph| Some((subgraph.get("id")?.as_str()?, subgraph)))
        .collect();
    let mut walk = Walk { catalog, subgraphs, nodes: Vec::new() };
    walk.read(workflow, None, 0)?;
    Some(walk.nodes)
}

/// A workflow in API form names each input with its value.
fn api_nodes(prompt: &Map<String, Value>) -> Option<Vec<Node<'_>>> {
    if prompt.is_empty() {
        return None;
    }
    prompt.values().take(MAX_NODES).map(api_node).collect()
}

fn api_node(node: &Value) -> Option<Node<'_>> {
    let inputs = node.get("inputs")?.as_object()?;
    let values = inputs.iter().map(|(name, value)| (name.as_str(), value)).collect();
    Some(Node { class: node.get("class_type")?.as_str()?, values, models: None })
}

struct Walk<'a> {
    catalog: &'a Map<String, Value>,
    subgraphs: HashMap<&'a str, &'a Value>,
    nodes: Vec<Node<'a>>,
}

impl<'a> Walk<'a> {
    /// `instance` is the node that stands for this subgraph.
    fn read(&mut self, graph: &'a Value, instance: Option<&'a Value>, depth: usize) -> Option<()> {
        let links = Links::of(graph, instance);
        for node in graph.get("nodes")?.as_array()? {
            let mode = node.get("mode").and_then(Value::as_u64).unwrap_or(0);
            let Some(class) = node.get("type").and_then(Value::as_str) else { continue };
            if mode == MUTED || mode == BYPASSED || EDITOR_NODES.contains(&class) {
                continue;
            }
            if let Some(subgraph) = self.subgraphs.get(class).copied() {
                if depth < MAX_DEPTH {
                    // A broken subgraph has nothing to complain of; the editor says what is wrong.
                    let _ = self.read(subgraph, Some(node), depth + 1);
                }
                continue;
            }
            if self.nodes.len() == MAX_NODES {
                return Some(());
            }
            let definition = NodeDefinition::find(self.catalog, class);
            let values = definition.map(|definition| widget_values(node, definition, &links));
            let models = node.pointer("/properties/models");
            self.nodes.push(Node { class, values: values.unwrap_or_default(), models });
        }
        Some(())
    }
}

/// What links carry into widgets: a value, or `None` where only a run will tell. A link that
/// is not here leaves the widget its own value.
struct Links<'a>(HashMap<i64, Option<&'a Value>>);

impl<'a> Links<'a> {
    fn of(graph: &'a Value, instance: Option<&'a Value>) -> Self {
        let list = |name| graph.get(name).and_then(Value::as_array).into_iter().flatten();
        let primitives: HashMap<i64, &Value> = list("nodes")
            .filter(|node| node.get("type").and_then(Value::as_str) == Some("PrimitiveNode"))
            .filter_map(|node| Some((node.get("id")?.as_i64()?, node.pointer("/widgets_values/0")?)))
            .collect();
        let promoted = instance.map(promoted_values).unwrap_or_default();
        let link = |link: &Value| {
            // An array in a workflow, an object in a subgraph.
            let part = |at: usize, name: &str| link.get(at).or_else(|| link.get(name))?.as_i64();
            let origin = part(1, "origin_id")?;
            let value = if origin == SUBGRAPH_INPUTS {
                let slot = usize::try_from(part(2, "origin_slot")?).ok()?;
                *promoted.get(&slot)?
            } else {
                primitives.get(&origin).copied()
            };
            Some((part(0, "id")?, value))
        };
        Self(list("links").filter_map(link).collect())
    }
}

/// What comes in through the inputs of a subgraph's node, by slot: the values of the widgets
/// that it shows, nothing known for linked ones.
fn promoted_values(instance: &Value) -> HashMap<usize, Option<&Value>> {
    let inputs = instance.get("inputs").and_then(Value::as_array).into_iter().flatten();
    let mut values = instance.get("widgets_values").and_then(Value::as_array).into_iter().flatten();
    let mut promoted = HashMap::new();
    for (slot, input) in inputs.enumerate() {
        let value = input.get("widget").and_then(|_| values.next());
        if input.get("link").is_some_and(|link| !link.is_null()) {
            promoted.insert(slot, None);
        } else if value.is_some() {
            promoted.insert(slot, value);
        }
    }
    promoted
}

/// Which input each of a node's stored values belongs to. A widget fed by a link has the
/// link's value, or none if only a run will tell it.
fn widget_values<'a>(
    node: &'a Value,
    definition: NodeDefinition<'a>,
    links: &Links<'a>,
) -> Vec<(&'a str, &'a Value)> {
    let stored = node.get("widgets_values");
    let mut values = Vec::new();
    match stored {
        Some(Value::Object(stored)) => {
            values.extend(stored.iter().map(|(name, value)| (name.as_str(), value)));
        }
        Some(Value::Array(stored)) => {
            let mut stored = stored.iter();
            for input in definition.inputs() {
                let width = widget_width(input);
                if width > 0 {
                    let Some(value) = stored.next() else { break };
                    values.push((input.name, value));
                    for _ in 1..width {
                        stored.next();
                    }
                }
                if input.is_dynamic() {
                    // Its members follow, and only the engine knows how many.
                    break;
                }
            }
        }
        _ => {}
    }
    for input in node.get("inputs").and_then(Value::as_array).into_iter().flatten() {
        let Some(link) = input.get("link").and_then(Value::as_i64) else { continue };
        let name = input.pointer("/widget/name").and_then(Value::as_str);
        let Some(name) = name else { continue };
        match links.0.get(&link) {
            Some(Some(linked)) => {
                for (_, value) in values.iter_mut().filter(|(input, _)| *input == name) {
                    *value = linked;
                }
            }
            Some(None) => values.retain(|(input, _)| *input != name),
            None => {}
        }
    }
    values
}

/// How many stored values the input's widget takes: one, a second for what happens to a seed
/// after each run, none if it is a socket only.
fn widget_width(input: InputDefinition<'_>) -> usize {
    if input.has_flag("forceInput") {
        return 0;
    }
    let is_seed = matches!(input.name, "seed" | "noise_seed");
    let is_controlled = input.option("control_after_generate").is_some_and(|control| control != false);
    match input.type_name() {
        None => 1,
        Some("INT") if is_seed || is_controlled => 2,
        Some("COMBO") if is_controlled => 2,
        Some("INT" | "FLOAT" | "STRING" | "BOOLEAN" | "COMBO" | "COMFY_DYNAMICCOMBO_V3") => 1,
        Some(_) => 0,
    }
}
