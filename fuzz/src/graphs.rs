//! Runs a graph through all that a seat's Run goes through before the engine sees it.

use std::sync::LazyLock;

use comfy_api::annotated_path::AnnotatedPath;
use comfy_api::models::{ModelInputs, OwnModel, SeatModels};
use comfy_api::restore::{EngineNames, restore_error, restore_value};
use comfy_api::rewrite::{ResolvedInput, RewriteOptions, Rewritten, rewrite_prompt};
use comfy_api::validate::{InputFiles, validate_prompt};
use serde_json::{Map, Value, json};

const OUTPUT_FOLDER: &str = "cm/job/2";
const INPUT_FOLDER: &str = "cm/user001";
const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static CATALOG: LazyLock<Map<String, Value>> = LazyLock::new(crate::catalog);
static MODEL_INPUTS: LazyLock<ModelInputs> = LazyLock::new(|| {
    serde_json::from_value(json!({"LoraLoader": {"lora_name": {"loras": [".safetensors"]}}}))
        .expect("written as model inputs")
});
static OWN: LazyLock<Vec<OwnModel>> = LazyLock::new(|| {
    let own = |folder: &str, name: &str| OwnModel {
        folder: folder.to_owned(),
        name: name.to_owned(),
        sha256: HASH.to_owned(),
        bytes: 1,
    };
    vec![own("loras", "a.safetensors"), own("embeddings", "a.safetensors")]
});

/// Every file but those called `gone…`.
struct MostFiles;

impl InputFiles for MostFiles {
    fn exists(&self, file: &AnnotatedPath) -> bool {
        !file.filename.starts_with("gone")
    }
}

/// Validates, rewrites and restores, and panics where that breaks a promise.
pub fn run(prompt: &Map<String, Value>, targets: Option<&[String]>) {
    let read = serde_json::to_string(prompt).and_then(|text| serde_json::from_str(&text));
    let read: Map<String, Value> = read.expect("a stored prompt can be read again");
    assert!(crate::is_same(&read.into(), &prompt.clone().into()), "a prompt is stored as another");
    let validated = validate_prompt(prompt, &CATALOG, targets, &MostFiles);
    if let Ok(validated) = &validated {
        assert!(!validated.outputs.is_empty());
        assert!(validated.outputs.iter().all(|output| validated.prompt.contains_key(output)));
        rewrite(&validated.prompt);
    }
    // Not only what validation lets through: the rewriting is the wall.
    rewrite(prompt);
}

fn rewrite(prompt: &Map<String, Value>) {
    let options = RewriteOptions {
        output_folder: OUTPUT_FOLDER,
        input_folder: INPUT_FOLDER,
        models: SeatModels { inputs: &MODEL_INPUTS, own: &OWN },
    };
    let resolve = |path: &AnnotatedPath| {
        crate::assert_below(&path.relative());
        // Contents differ with names, so that each engine-side name has one name here.
        let sha256 = path
            .to_string()
            .bytes()
            .fold(7_u64, |hash, byte| hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
        MostFiles.exists(path).then(|| ResolvedInput { sha256: format!("{sha256:016x}"), bytes: 1 })
    };
    match rewrite_prompt(prompt, &CATALOG, &options, &resolve) {
        Ok(rewritten) => check(prompt, &rewritten),
        Err(error) => {
            assert!(prompt.contains_key(&error.node));
            let _ = error.to_prompt_error(prompt);
        }
    }
}

fn check(prompt: &Map<String, Value>, rewritten: &Rewritten) {
    for id in &rewritten.added_nodes {
        assert!(!prompt.contains_key(id));
    }
    assert_eq!(rewritten.prompt.len(), prompt.len() + rewritten.added_nodes.len());
    for node in rewritten.prompt.values() {
        let class = node.get("class_type").and_then(Value::as_str).unwrap_or_default();
        let Some(inputs) = node.get("inputs").and_then(Value::as_object) else { continue };
        for (name, value) in inputs {
            check_input(class, name, value);
        }
    }
    let names = EngineNames::of(rewritten, OUTPUT_FOLDER).with_roots(["/srv/engine".to_owned()]);
    for input in &rewritten.inputs {
        let engine = format!("{}/{}", input.subfolder, input.filename);
        crate::assert_below(&engine);
        let seat = input.path.to_string();
        for said in [engine.clone(), format!("/srv/engine/input/{engine}")] {
            let mut said = Value::String(said);
            restore_value(&mut said, &names, false);
            assert_eq!(said, Value::String(seat.clone()), "a participant's name is not given back");
        }
    }
    // Whatever the engine says of the graph, nothing that we put there is seen.
    let mut error = json!({"node_id": rewritten.added_nodes.first(), "current_inputs": rewritten.prompt});
    restore_error(&mut error, &names);
    let said = error["current_inputs"].to_string();
    assert!(!said.contains(&format!("cm/{HASH}")), "a model's hash is shown");
}

/// Names of files lead nowhere but to the seat's copies and the job's folder.
fn check_input(class: &str, name: &str, value: &Value) {
    let literal = value.get("__value__").unwrap_or(value);
    match (class, name) {
        ("LoadImage" | "LoadMany", "image") => texts(literal).for_each(|text| below(text, INPUT_FOLDER)),
        ("Load3D", "model_file") => texts(literal).for_each(|text| below(text, "3d/cm/user001")),
        ("SaveImage", "filename_prefix") | ("SaveLoRANode", "prefix") | ("SaveDataSet", "folder_name") => {
            texts(literal).filter(|_| !literal.is_array()).for_each(|text| below(text, OUTPUT_FOLDER));
        }
        ("SaveDataSet" | "LossGraphNode", "filename_prefix") => {
            assert!(!texts(literal).any(|text| text.contains(['/', '\\', '.'])), "{literal}");
        }
        ("LoraLoader", "lora_name") => texts(literal).for_each(|text| {
            let is_own = text == format!("cm/{HASH}.safetensors");
            assert!(is_own || !text.to_ascii_lowercase().starts_with("cm/"), "{text:?}");
        }),
        _ => {}
    }
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    items.iter().filter_map(Value::as_str)
}

fn below(text: &str, folder: &str) {
    if matches!(text, "" | "none" | "None") {
        return;
    }
    crate::assert_below(text);
    assert!(text.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')), "{text:?}");
}
