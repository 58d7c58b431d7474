//! What a graph of these few nodes comes to.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

use crate::picture::{Colour, colour_of_file, inverted};

/// A node that writes files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saving {
    pub node: String,
    pub filename_prefix: String,
    pub colour: Colour,
    pub pictures: u64,
}

/// The definitions of the nodes that there are, as ComfyUI 0.3.75 gives them.
pub fn object_info() -> Value {
    let node = |name: &str, required: Value, output: &[&str], is_output: bool| {
        json!({
            "input": {"required": required},
            "input_order": {"required": required.as_object().map(|inputs| inputs.keys().collect::<Vec<_>>())},
            "output": output, "output_is_list": vec![false; output.len()], "output_name": output,
            "name": name, "display_name": name, "description": "", "python_module": "nodes",
            "category": "image", "output_node": is_output,
        })
    };
    let size = json!(["INT", {"default": 512, "min": 1, "max": 16384, "step": 1}]);
    json!({
        "EmptyImage": node("EmptyImage", json!({
            "width": size, "height": size,
            "batch_size": ["INT", {"default": 1, "min": 1, "max": 4096}],
            "color": ["INT", {"default": 0, "min": 0, "max": 0xff_ffff, "step": 1, "display": "color"}],
        }), &["IMAGE"], false),
        "ImageInvert": node("ImageInvert", json!({"image": ["IMAGE"]}), &["IMAGE"], false),
        "LoadImage": node("LoadImage", json!({"image": [[], {"image_upload": true}]}), &["IMAGE", "MASK"], false),
        "SaveImage": node("SaveImage", json!({
            "images": ["IMAGE", {}], "filename_prefix": ["STRING", {"default": "ComfyUI"}],
        }), &[], true),
    })
}

/// Everything that the graph saves.
pub fn savings(prompt: &Map<String, Value>, input_dir: &Path) -> anyhow::Result<Vec<Saving>> {
    let is_saving = |node: &Value| node["class_type"] == "SaveImage";
    let saving = |(id, node): (&String, &Value)| {
        let (colour, pictures) = evaluate(prompt, &node["inputs"]["images"], input_dir)?;
        let prefix = node["inputs"]["filename_prefix"].as_str().context("no filename_prefix")?;
        Ok(Saving { node: id.clone(), filename_prefix: prefix.to_owned(), colour, pictures })
    };
    prompt.iter().filter(|(_, node)| is_saving(node)).map(saving).collect()
}

fn evaluate(prompt: &Map<String, Value>, link: &Value, input_dir: &Path) -> anyhow::Result<(Colour, u64)> {
    let id = link[0].as_str().context("no link")?;
    let node = prompt.get(id).with_context(|| format!("no node {id}"))?;
    let inputs = &node["inputs"];
    match node["class_type"].as_str().unwrap_or_default() {
        "EmptyImage" => {
            let colour = inputs["color"].as_u64().context("no color")?;
            Ok((Colour::try_from(colour)?, inputs["batch_size"].as_u64().unwrap_or(1)))
        }
        "ImageInvert" => {
            let (colour, pictures) = evaluate(prompt, &inputs["image"], input_dir)?;
            Ok((inverted(colour), pictures))
        }
        "LoadImage" => {
            let name = inputs["image"].as_str().context("no image")?;
            Ok((colour_of_file(&input_dir.join(name))?, 1))
        }
        other => bail!("no such node: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_is_followed_from_what_it_saves() -> anyhow::Result<()> {
        let prompt = json!({
            "1": {"class_type": "EmptyImage", "inputs": {"color": 255, "batch_size": 2}},
            "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
            "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "a/b"}},
        });
        let prompt = prompt.as_object().context("an object")?;
        let expected =
            Saving { node: "3".into(), filename_prefix: "a/b".into(), colour: 0xff_ff00, pictures: 2 };
        assert_eq!(savings(prompt, Path::new("nowhere"))?, [expected]);
        Ok(())
    }
}
