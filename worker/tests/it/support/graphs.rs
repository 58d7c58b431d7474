//! Graphs that need no model.

use serde_json::{Map, Value, json};

fn graph(nodes: Value) -> Map<String, Value> {
    nodes.as_object().expect("a graph is an object").clone()
}

fn save(from: &str, prefix: &str) -> Value {
    json!({"class_type": "SaveImage", "inputs": {"images": [from, 0], "filename_prefix": prefix}})
}

/// One plain picture of this colour.
pub fn plain_image(color: u32, prefix: &str) -> Map<String, Value> {
    graph(json!({
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 48, "batch_size": 2, "color": color}},
        "2": save("1", prefix),
    }))
}

/// An uploaded picture, inverted.
pub fn inverted(file: &str, prefix: &str) -> Map<String, Value> {
    graph(json!({
        "1": {"class_type": "LoadImage", "inputs": {"image": file}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": save("2", prefix),
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }))
}

/// A small picture out of an autoencoder of the seat's own.
pub fn decoded(prefix: &str, autoencoder: &str) -> Map<String, Value> {
    graph(json!({
        "1": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "2": {"class_type": "VAELoader", "inputs": {"vae_name": autoencoder}},
        "3": {"class_type": "VAEDecode", "inputs": {"samples": ["1", 0], "vae": ["2", 0]}},
        "4": save("3", prefix),
    }))
}

/// Hundreds of progress steps: a picture of this size goes through a codec in tiles, twice. The
/// codec is ComfyUI's own that changes nothing and has no weights.
pub fn stepping(size: u32, tile: u32, color: u32, prefix: &str) -> Map<String, Value> {
    let tiles = |input: &str, from: &str| {
        json!({input: [from, 0], "vae": ["2", 0], "tile_size": tile, "overlap": 64,
               "temporal_size": 64, "temporal_overlap": 8})
    };
    graph(json!({
        "1": {"class_type": "EmptyImage", "inputs": {"width": size, "height": size, "batch_size": 1, "color": color}},
        "2": {"class_type": "VAELoader", "inputs": {"vae_name": "pixel_space"}},
        "3": {"class_type": "VAEEncodeTiled", "inputs": tiles("pixels", "1")},
        "4": {"class_type": "VAEDecodeTiled", "inputs": tiles("samples", "3")},
        "5": {"class_type": "ImageScale", "inputs": {"image": ["4", 0], "upscale_method": "nearest-exact",
              "width": 32, "height": 32, "crop": "disabled"}},
        "6": save("5", prefix),
    }))
}

/// Raises in the second of three nodes: tiles that overlap by all their size leave no step.
pub fn raising(prefix: &str) -> Map<String, Value> {
    let mut nodes = stepping(128, 64, 7, prefix);
    nodes["3"]["inputs"]["overlap"] = json!(64);
    nodes
}

/// Names a class that there is not.
pub fn unknown_class(prefix: &str) -> Map<String, Value> {
    graph(json!({
        "1": {"class_type": "NoSuchNode", "inputs": {}},
        "2": save("1", prefix),
    }))
}
