use serde_json::{Value, json};

use super::*;

struct Files(&'static [&'static str]);

impl InputFiles for Files {
    fn exists(&self, file: &AnnotatedPath) -> bool {
        self.0.contains(&file.relative().as_str())
    }
}

fn needs(workflow: &Value) -> Option<Needs> {
    let catalog = json!({
        "CheckpointLoaderSimple": {"input": {"required": {"ckpt_name": [["there.safetensors"]]}}},
        "LoraLoader": {"input": {"required": {
            "model": ["MODEL"], "lora_name": ["COMBO", {"options": []}], "strength_model": ["FLOAT", {}],
        }}},
        "LoadImage": {"input": {"required": {"image": [["mine.png"], {"image_upload": true}]}}},
        "KSampler": {"input": {"required": {
            "seed": ["INT", {"control_after_generate": true}], "sampler_name": [["euler"]], "latent": ["LATENT"],
        }}},
        "SeededLoader": {"input": {"required": {
            "seed": ["INT", {}], "ckpt_name": [["there.safetensors"]],
        }}},
        "SaveImage": {"input": {"required": {"images": ["IMAGE"], "filename_prefix": ["STRING", {}]}}},
    });
    Needs::of(workflow, catalog.as_object().unwrap(), &Files(&["mine.png"]))
}

fn with_nodes(nodes: Value) -> Needs {
    needs(&json!({"nodes": nodes, "links": []})).unwrap()
}

fn model(folder: Option<&str>, name: &str) -> BTreeSet<MissingModel> {
    BTreeSet::from([MissingModel { folder: folder.map(str::to_owned), name: name.to_owned() }])
}

#[test]
fn a_workflow_with_all_it_names_is_ready() {
    let needs = with_nodes(json!([
        {"id": 1, "type": "CheckpointLoaderSimple", "widgets_values": ["there.safetensors"]},
        {"id": 2, "type": "LoadImage", "widgets_values": ["mine.png", "image"]},
        {"id": 3, "type": "SaveImage", "widgets_values": ["a.safetensors"]},
        {"id": 4, "type": "Note", "widgets_values": ["lost.safetensors"]},
    ]));
    assert_eq!(needs, Needs::default());
}

#[test]
fn what_is_missing_is_named_with_its_place() {
    let needs = with_nodes(json!([
        {"id": 1, "type": "CheckpointLoaderSimple", "widgets_values": ["lost.safetensors"]},
        {"id": 2, "type": "LoadImage", "widgets_values": ["gone.png", "image"]},
        {"id": 3, "type": "NodeOfAPack", "widgets_values": ["x.safetensors"]},
    ]));
    assert_eq!(needs.models, model(Some("checkpoints"), "lost.safetensors"));
    assert_eq!(needs.inputs, BTreeSet::from(["gone.png".to_owned()]));
    assert_eq!(needs.nodes, BTreeSet::from(["NodeOfAPack".to_owned()]));
}

#[test]
fn the_workflows_own_note_of_the_folder_comes_first() {
    let noted = json!([{"name": "x.safetensors", "url": "https://example.org", "directory": "loras/styles"}]);
    let needs = with_nodes(json!([
        {"id": 1, "type": "LoraLoader", "properties": {"models": noted}, "widgets_values": ["x.safetensors", 1.0]},
    ]));
    assert_eq!(needs.models, model(Some("loras/styles"), "x.safetensors"));
}

#[test]
fn muted_and_bypassed_nodes_need_nothing() {
    for mode in [2, 4] {
        let needs = with_nodes(json!([{"id": 1, "type": "NodeOfAPack", "mode": mode}]));
        assert!(needs.is_empty(), "{mode}");
    }
}

#[test]
fn the_value_after_a_seed_is_not_the_next_widgets() {
    let needs = with_nodes(json!([
        {"id": 1, "type": "SeededLoader", "widgets_values": [7, "randomize", "lost.safetensors"]},
    ]));
    assert_eq!(needs.models, model(Some("checkpoints"), "lost.safetensors"));
}

#[test]
fn a_primitive_gives_its_value_and_another_link_an_unknown_one() {
    let loader = json!({
        "id": 2, "type": "CheckpointLoaderSimple", "widgets_values": ["stale.safetensors"],
        "inputs": [{"name": "ckpt_name", "widget": {"name": "ckpt_name"}, "link": 5}],
    });
    let primitive =
        json!({"id": 1, "type": "PrimitiveNode", "widgets_values": ["lost.safetensors", "fixed"]});
    let workflow = json!({"nodes": [primitive, loader], "links": [[5, 1, 0, 2, 0, "COMBO"]]});
    assert_eq!(needs(&workflow).unwrap().models, model(Some("checkpoints"), "lost.safetensors"));
    let other = json!({"id": 1, "type": "SaveImage", "widgets_values": ["x"]});
    let workflow = json!({"nodes": [other, loader], "links": [[5, 1, 0, 2, 0, "COMBO"]]});
    assert!(needs(&workflow).unwrap().is_empty());
}

#[test]
fn subgraphs_are_looked_into_where_they_are_used() {
    let workflow = |mode: u64, instance_values: Value| {
        json!({
            "nodes": [{
                "id": 1, "type": "5b0e", "mode": mode, "widgets_values": instance_values,
                "inputs": [{"name": "ckpt_name", "widget": {"name": "ckpt_name"}, "link": null}],
            }],
            "links": [],
            "definitions": {"subgraphs": [{
                "id": "5b0e",
                "nodes": [
                    {
                        "id": 1, "type": "CheckpointLoaderSimple", "widgets_values": ["inner.safetensors"],
                        "inputs": [{"name": "ckpt_name", "widget": {"name": "ckpt_name"}, "link": 3}],
                    },
                    {"id": 2, "type": "5b0e"},
                ],
                "links": [{"id": 3, "origin_id": -10, "origin_slot": 0, "target_id": 1, "target_slot": 0}],
            }]},
        })
    };
    let shown = needs(&workflow(0, json!(["outer.safetensors"]))).unwrap();
    assert!(shown.models.is_superset(&model(Some("checkpoints"), "outer.safetensors")));
    let own = needs(&workflow(0, json!([]))).unwrap();
    assert_eq!(own.models, model(Some("checkpoints"), "inner.safetensors"));
    assert!(needs(&workflow(4, json!([]))).unwrap().is_empty());
}

#[test]
fn a_workflow_in_api_form_is_read_as_well() {
    let workflow = json!({
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "lost.safetensors"}},
        "2": {"class_type": "LoadImage", "inputs": {"image": ["1", 0]}},
    });
    assert_eq!(needs(&workflow).unwrap().models, model(Some("checkpoints"), "lost.safetensors"));
}

#[test]
fn what_is_no_workflow_is_told_from_one_that_lacks_nothing() {
    for text in ["[]", "{}", "7", "null", r#"{"nodes": 5}"#, r#"{"a": 1}"#, r#"{"a": {"inputs": {}}}"#] {
        assert_eq!(needs(&serde_json::from_str(text).unwrap()), None, "{text}");
    }
    assert_eq!(with_nodes(json!([null, 5, {}, {"type": 7}, {"type": "SaveImage"}])), Needs::default());
}
