//! What the targets share: a catalog to check graphs against, and what must hold of paths.

pub mod graphs;

use serde_json::{Map, Value, json};

/// Whether `path`, joined to a folder, names something below it on every system.
pub fn assert_below(path: &str) {
    assert!(!path.contains('\\') && !path.chars().any(char::is_control), "{path:?}");
    assert!(path.split('/').all(|segment| !matches!(segment, "" | "." | "..")), "{path:?}");
}

/// Equal but for the last digits of fractions, which `serde_json` reads inexactly.
pub fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap_or_default(), other.as_f64().unwrap_or_default());
            (one - other).abs() <= one.abs() * 1e-12
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| is_same(one, other)))
        }
        (one, other) => one == other,
    }
}

/// One class for each way in which an input is checked or rewritten.
pub fn catalog() -> Map<String, Value> {
    let text = |default: &str| json!(["STRING", {"default": default}]);
    let Value::Object(catalog) = json!({
        "LoadImage": {"input": {"required": {"image": [[], {"image_upload": true}]}}, "output": ["IMAGE"]},
        "LoadMany": {"input": {"required": {"image": ["COMBO", {"options": [], "multiselect": true, "image_upload": true}]}}, "output": ["IMAGE"]},
        "Load3D": {"input": {"required": {"model_file": [[], {"file_upload": true}], "image": ["LOAD_3D", {}]}}, "output": ["IMAGE"]},
        "LoadTrainingDataset": {"input": {"required": {"folder_name": text("x")}}, "output": ["IMAGE"]},
        "LoraLoader": {"input": {"required": {"lora_name": [["shared.safetensors"]]}, "optional": {"text": ["STRING", {}]}}, "output": ["IMAGE"]},
        "Custom": {"input": {"required": {"video_path": ["STRING", {}], "text": ["STRING", {}], "mode": ["COMBO", {"options": ["a"]}]}}, "output": ["IMAGE"]},
        "Numbers": {
            "input": {"required": {"int": ["INT", {"min": 1, "max": 10}], "float": ["FLOAT", {"min": 0.0}], "flag": ["BOOLEAN"], "bounded": ["FLOATS", {"min": 0}]}},
            "output": ["IMAGE"],
        },
        "Pass": {"input": {"optional": {"image": ["IMAGE"], "any": ["*"], "grown": ["COMFY_AUTOGROW_V3", {}]}}, "output": ["IMAGE", "STRING"]},
        "SaveImage": {"input": {"required": {"images": ["IMAGE"], "filename_prefix": text("ComfyUI")}}, "output": [], "output_node": true},
        "SaveLoRANode": {"input": {"required": {"prefix": text("loras/x")}}, "output": [], "output_node": true},
        "LossGraphNode": {"input": {"required": {"filename_prefix": text("loss")}}, "output": [], "output_node": true},
        "SaveDataSet": {"input": {"required": {"folder_name": text("set"), "filename_prefix": text("image")}}, "output": [], "output_node": true},
        "Show": {"input": {"optional": {"image": ["IMAGE"], "text": ["STRING", {}]}}, "output": [], "output_node": true},
        "StringConcatenate": {"input": {"required": {}}, "output": ["STRING"]},
        "StringReplace": {"input": {"required": {}}, "output": ["STRING"]},
    }) else {
        unreachable!("written as an object");
    };
    catalog
}
