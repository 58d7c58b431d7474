//! Holds the workflows that we ship against the definitions of the nodes that they use.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect fails")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use comfy_api::annotated_path::AnnotatedPath;
use comfy_api::needs::Needs;
use comfy_api::validate::{InputFiles, validate_prompt};
use serde_json::{Map, Value, json};

const MODELS: [(&str, &str); 3] = [
    ("checkpoints", "v1-5-pruned-emaonly-fp16.safetensors"),
    ("checkpoints", "ltx-2-19b-dev-fp8.safetensors"),
    ("text_encoders", "gemma_3_12B_it.safetensors"),
];

/// The participant has chosen a picture, or has not yet.
struct Pictures(bool);

impl InputFiles for Pictures {
    fn exists(&self, file: &AnnotatedPath) -> bool {
        self.0 && file.relative() == "your picture.png"
    }
}

fn workflows() -> BTreeMap<String, Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows");
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    let mut workflows = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                workflows.insert(name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap());
            }
        }
    }
    assert_eq!(workflows.len(), 10);
    workflows
}

/// As recorded: no models, no pictures.
fn bare_catalog() -> Map<String, Value> {
    let path = format!("{}/tests/captures/workflow_nodes.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// With every model that the workflows name.
fn full_catalog() -> Map<String, Value> {
    let mut catalog = bare_catalog();
    for (folder, model) in MODELS {
        let inputs = if folder == "checkpoints" { ["ckpt_name"] } else { ["text_encoder"] };
        for definition in catalog.values_mut() {
            for input in inputs {
                let Some(entry) = definition.pointer_mut(&format!("/input/required/{input}")) else {
                    continue;
                };
                let choices = if entry[0].is_array() { &mut entry[0] } else { &mut entry[1]["options"] };
                choices.as_array_mut().unwrap().push(model.into());
            }
        }
    }
    catalog
}

fn nodes(workflow: &Value) -> impl Iterator<Item = &Value> {
    workflow["nodes"].as_array().unwrap().iter().filter(|node| node["type"] != "MarkdownNote")
}

/// Name, type and options of each input, in the order of the definition.
fn inputs(definition: &Value) -> Vec<(&str, &Value, &Value)> {
    let sections =
        ["required", "optional"].into_iter().filter_map(|section| definition["input"][section].as_object());
    sections.flatten().map(|(name, entry)| (name.as_str(), &entry[0], &entry[1])).collect()
}

fn is_widget(kind: &Value) -> bool {
    kind.is_array() || matches!(kind.as_str(), Some("INT" | "FLOAT" | "STRING" | "BOOLEAN" | "COMBO"))
}

/// The stored values by input. Fails unless they are as many as the editor would store.
fn widget_values<'a>(node: &'a Value, definition: &'a Value) -> HashMap<&'a str, &'a Value> {
    let mut stored = node["widgets_values"].as_array().unwrap().iter();
    let mut values = HashMap::new();
    for (name, kind, options) in inputs(definition) {
        if !is_widget(kind) {
            continue;
        }
        values.insert(name, stored.next().unwrap_or_else(|| panic!("{node}: no value for {name}")));
        if options["control_after_generate"] == true {
            let control = stored.next().unwrap().as_str().unwrap();
            assert!(["fixed", "increment", "decrement", "randomize"].contains(&control), "{node}");
        }
        if options["image_upload"] == true {
            assert_eq!(stored.next(), Some(&json!("image")));
        }
    }
    assert_eq!(stored.next(), None, "{node}");
    values
}

/// The prompt that the editor makes of a workflow without subgraphs.
fn api_form(workflow: &Value, catalog: &Map<String, Value>) -> Map<String, Value> {
    let links: HashMap<i64, &Value> =
        workflow["links"].as_array().unwrap().iter().map(|link| (link[0].as_i64().unwrap(), link)).collect();
    let mut prompt = Map::new();
    for node in nodes(workflow) {
        let class = node["type"].as_str().unwrap();
        let mut values: Map<String, Value> = widget_values(node, &catalog[class])
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect();
        for input in node["inputs"].as_array().unwrap() {
            let Some(link) = input["link"].as_i64() else { continue };
            let link = links[&link];
            values.insert(input["name"].as_str().unwrap().to_owned(), json!([link[1].to_string(), link[2]]));
        }
        prompt.insert(node["id"].to_string(), json!({"class_type": class, "inputs": values}));
    }
    prompt
}

#[test]
fn each_link_joins_an_output_to_an_input_of_its_type() {
    let catalog = bare_catalog();
    for (name, workflow) in workflows() {
        let by_id: HashMap<&Value, &Value> = nodes(&workflow).map(|node| (&node["id"], node)).collect();
        for link in workflow["links"].as_array().unwrap() {
            let (source, target) = (by_id[&link[1]], by_id[&link[3]]);
            let output = usize::try_from(link[2].as_u64().unwrap()).unwrap();
            let input = &target["inputs"][usize::try_from(link[4].as_u64().unwrap()).unwrap()];
            assert_eq!(input["link"], link[0], "{name}: {link}");
            assert!(
                source["outputs"][output]["links"].as_array().unwrap().contains(&link[0]),
                "{name}: {link}"
            );
            let given = &catalog[source["type"].as_str().unwrap()]["output"][output];
            let definition = &catalog[target["type"].as_str().unwrap()];
            let wanted =
                inputs(definition).into_iter().find(|(wanted, ..)| input["name"] == *wanted).unwrap().1;
            let wanted = if wanted.is_array() { &json!("COMBO") } else { wanted };
            assert_eq!((given, &link[5]), (wanted, given), "{name}: {link}");
        }
    }
}

#[test]
fn each_workflow_is_a_valid_prompt_once_its_models_and_picture_are_there() {
    let catalog = full_catalog();
    for (name, workflow) in workflows() {
        let prompt = api_form(&workflow, &catalog);
        let mut catalog = catalog.clone();
        catalog["LoadImage"]["input"]["required"]["image"][0] = json!(["your picture.png"]);
        let validated = validate_prompt(&prompt, &catalog, None, &Pictures(true))
            .unwrap_or_else(|error| panic!("{name}: {}", error.body));
        assert!(validated.node_errors.is_empty(), "{name}: {:?}", validated.node_errors);
        assert_eq!(Needs::of(&workflow, &catalog, &Pictures(true)), Some(Needs::default()), "{name}");
    }
}

#[test]
fn what_a_bare_machine_lacks_is_named() {
    let mut catalog = bare_catalog();
    catalog.retain(|class, _| !class.starts_with("LTXAV") && !class.starts_with("LTXVAudio"));
    for (name, workflow) in workflows() {
        let needs = Needs::of(&workflow, &catalog, &Pictures(false)).unwrap();
        let models: BTreeSet<_> = needs
            .models
            .iter()
            .map(|model| (model.folder.as_deref().unwrap(), model.name.as_str()))
            .collect();
        let nodes: Vec<_> = needs.nodes.iter().map(String::as_str).collect();
        match name.as_str() {
            name if name.starts_with("With models/LTX-2") => {
                assert_eq!(nodes, ["LTXAVTextEncoderLoader", "LTXVAudioVAEDecode", "LTXVAudioVAELoader"]);
                assert_eq!(models, BTreeSet::from([MODELS[1]]));
            }
            name if name.starts_with("With models/") => assert_eq!(models, BTreeSet::from([MODELS[0]])),
            name => assert!(nodes.is_empty() && models.is_empty(), "{name}: {needs:?}"),
        }
        let wants_picture = ["icture to", "Retouch"].iter().any(|part| name.contains(part));
        assert_eq!(!needs.inputs.is_empty(), wants_picture, "{name}: {needs:?}");
    }
}

#[test]
fn each_workflow_is_laid_out_and_explained() {
    let mut ids = BTreeSet::new();
    for (name, workflow) in workflows() {
        assert!(ids.insert(workflow["id"].as_str().unwrap().to_owned()), "{name}");
        let all = workflow["nodes"].as_array().unwrap();
        assert!(all.iter().any(|node| node["type"] == "MarkdownNote"), "{name} has no note");
        assert!(workflow["groups"].as_array().unwrap().len() >= 3, "{name}");
        let number = |value: &Value| value.as_f64().unwrap();
        for (at, node) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                let apart = (0..2).any(|axis| {
                    let (a, b) = (number(&node["pos"][axis]), number(&other["pos"][axis]));
                    a + number(&node["size"][axis]) <= b || b + number(&other["size"][axis]) <= a
                });
                assert!(apart, "{name}: nodes {} and {} overlap", node["id"], other["id"]);
            }
        }
    }
}
