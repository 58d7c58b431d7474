//! What a prompt amounts to as far as its duration goes.
//!
//! Graphs that differ only in seeds, texts and file names have one shape. Nothing here
//! fails: what a graph does not say counts as one, and what it says oddly is passed over.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::prompt::link_source;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptShape {
    /// The models that do the heavy work, sorted, joined by `+`.
    pub model: Option<String>,
    /// Width × height of the largest canvas.
    pub pixels: u64,
    /// Images or video frames.
    pub frames: u64,
    /// Of all samplers together.
    pub steps: u64,
    /// How many nodes there are of each class.
    pub classes: BTreeMap<String, u32>,
}

/// Inputs that name what is loaded into the GPU for the heavy work.
const MODEL_INPUTS: [&str; 5] = ["ckpt_name", "unet_name", "model_name", "diffusion_model", "gguf_name"];
const FRAME_INPUTS: [&str; 5] = ["length", "frames", "num_frames", "video_frames", "frame_count"];
/// Classes whose `model_name` names something light.
const LIGHT_CLASSES: [&str; 4] = ["Upscale", "ControlNet", "Style", "Clip"];
/// How far a link is followed to the number behind it.
const DEPTH: usize = 8;
/// No number of a graph counts for more, so that products stay within 64 bits.
const MOST: u64 = 1 << 20;

impl PromptShape {
    /// `prompt`: node id → `{class_type, inputs}`.
    pub fn of(prompt: &Map<String, Value>) -> Self {
        let mut shape = Self { frames: 1, ..Self::default() };
        let mut models = Vec::new();
        let (mut batch, mut length) = (1, 1);
        for node in prompt.values() {
            let Some(class) = node.get("class_type").and_then(Value::as_str) else { continue };
            *shape.classes.entry(class.to_owned()).or_default() += 1;
            let Some(inputs) = node.get("inputs").and_then(Value::as_object) else { continue };
            let number = |name: &str| number(prompt, inputs.get(name)?);
            let is_light = LIGHT_CLASSES.iter().any(|light| class.contains(light));
            for name in MODEL_INPUTS.iter().filter(|_| !is_light) {
                models.extend(inputs.get(*name).and_then(|value| text(prompt, value)));
            }
            if let (Some(width), Some(height)) = (number("width"), number("height")) {
                shape.pixels = shape.pixels.max(width * height);
            }
            batch = batch.max(number("batch_size").unwrap_or(1));
            length = FRAME_INPUTS.iter().filter_map(|name| number(name)).fold(length, u64::max);
            shape.steps = shape.steps.saturating_add(steps(&number));
        }
        models.sort_unstable();
        models.dedup();
        shape.model = (!models.is_empty()).then(|| models.join("+"));
        shape.frames = batch.saturating_mul(length).clamp(1, MOST);
        shape
    }

    /// Frames × pixels × steps, in units of 1024 pixels.
    pub fn work(&self) -> u64 {
        let kilopixels = (self.pixels / 1024).max(1);
        self.frames.max(1).saturating_mul(kilopixels).saturating_mul(self.steps.max(1))
    }

    /// From exact to broad: structure and sizes, structure and magnitude, model and
    /// magnitude, model. The same in every build, so that they may be stored.
    pub fn keys(&self) -> Vec<String> {
        let model = self.model.as_deref().unwrap_or("none");
        let magnitude = u64::BITS - self.work().leading_zeros();
        let structure =
            fingerprint(self.classes.iter().map(|(class, count)| format!("{class}×{count}")), model);
        let sizes = format!("{}x{}x{}", self.pixels, self.frames, self.steps);
        vec![
            format!("exact:{structure:016x}:{sizes}"),
            format!("structure:{structure:016x}:{magnitude}"),
            format!("work:{model}:{magnitude}"),
            format!("model:{model}"),
        ]
    }
}

/// An advanced sampler says which of its steps it takes.
fn steps(number: &dyn Fn(&str) -> Option<u64>) -> u64 {
    let Some(steps) = number("steps") else { return 0 };
    let from = number("start_at_step").unwrap_or(0);
    number("end_at_step").unwrap_or(steps).min(steps).saturating_sub(from)
}

/// The number, or that of the primitive node it is linked to.
fn number(prompt: &Map<String, Value>, value: &Value) -> Option<u64> {
    let value = literal(prompt, value)?;
    let number = value.as_f64().filter(|number| number.is_finite() && *number >= 0.0)?;
    Some((number as u64).min(MOST))
}

fn text<'a>(prompt: &'a Map<String, Value>, value: &'a Value) -> Option<&'a str> {
    literal(prompt, value)?.as_str()
}

fn literal<'a>(prompt: &'a Map<String, Value>, value: &'a Value) -> Option<&'a Value> {
    let mut value = value;
    for _ in 0..DEPTH {
        let Some(source) = link_source(value) else { return Some(value) };
        let inputs = prompt.get(source)?.get("inputs")?.as_object()?;
        value =
            ["value", "int", "number", "float"].iter().find_map(|name| inputs.get(*name)).or_else(|| {
                // A node with a single input passes it on.
                inputs.values().next().filter(|_| inputs.len() == 1)
            })?;
    }
    None
}

/// FNV-1a: the standard library's hash may change between releases.
fn fingerprint(parts: impl Iterator<Item = String>, model: &str) -> u64 {
    let bytes = parts.flat_map(|part| (part + "\n").into_bytes()).chain(model.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn shape(prompt: Value) -> PromptShape {
        PromptShape::of(prompt.as_object().unwrap())
    }

    fn still(seed: u64, text: &str, width: Value) -> Value {
        json!({
            "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sdxl.safetensors"}},
            "2": {"class_type": "EmptyLatentImage", "inputs": {"width": width, "height": 1024, "batch_size": 2}},
            "3": {"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["1", 1]}},
            "4": {"class_type": "KSampler", "inputs": {"seed": seed, "steps": 20, "latent_image": ["2", 0]}},
            "5": {"class_type": "SaveImage", "inputs": {"filename_prefix": text, "images": ["4", 0]}},
            "6": {"class_type": "PrimitiveInt", "inputs": {"value": 1024}},
        })
    }

    #[test]
    fn a_still_is_told_by_model_and_sizes() {
        let shape = shape(still(1, "a cat", json!(1024)));
        assert_eq!(shape.model.as_deref(), Some("sdxl.safetensors"));
        assert_eq!((shape.pixels, shape.frames, shape.steps, shape.work()), (1 << 20, 2, 20, 40960));
    }

    #[test]
    fn seeds_texts_names_and_links_to_numbers_do_not_matter_and_sizes_do() {
        let one = shape(still(1, "a cat", json!(1024)));
        assert_eq!(one.keys(), shape(still(2, "a dog", json!(["6", 0]))).keys());
        let other = shape(still(1, "a cat", json!(512)));
        assert_ne!(one.keys()[0], other.keys()[0]);
        assert_eq!(one.keys()[3], other.keys()[3]);
    }

    #[test]
    fn a_video_counts_its_frames_and_the_steps_of_both_samplers() {
        let shape = shape(json!({
            "1": {"class_type": "UNETLoader", "inputs": {"unet_name": "wan_high"}},
            "2": {"class_type": "UNETLoader", "inputs": {"unet_name": "wan_low"}},
            "3": {"class_type": "WanImageToVideo", "inputs": {"width": 832, "height": 480, "length": 81}},
            "4": {"class_type": "KSamplerAdvanced", "inputs": {"steps": 20, "start_at_step": 0, "end_at_step": 10}},
            "5": {"class_type": "KSamplerAdvanced", "inputs": {"steps": 20, "start_at_step": 10, "end_at_step": 10000}},
            "6": {"class_type": "UpscaleModelLoader", "inputs": {"model_name": "4x.pth"}},
        }));
        assert_eq!(shape.model.as_deref(), Some("wan_high+wan_low"));
        assert_eq!((shape.frames, shape.steps), (81, 20));
    }

    #[test]
    fn odd_graphs_have_a_shape_too() {
        let odd = json!({
            "1": 5, "2": {"class_type": 7}, "3": {"class_type": "A", "inputs": []},
            "4": {"class_type": "B", "inputs": {"width": ["4", 0], "height": -1, "steps": 1e300, "ckpt_name": ["9", 0]}},
            "5": {"class_type": "C", "inputs": {"value": ["6", 0]}}, "6": {"class_type": "C", "inputs": {"value": ["5", 0], "steps": ["5", 0]}},
        });
        let shape = shape(odd);
        assert_eq!((shape.model.clone(), shape.pixels, shape.frames, shape.steps), (None, 0, 1, MOST));
        assert_eq!(PromptShape::of(&Map::new()).keys().len(), 4);
    }

    proptest! {
        #[test]
        fn numbers_never_overflow(width: u64, height: u64, frames: u64, steps: u64) {
            let inputs = json!({"width": width, "height": height, "length": frames, "batch_size": frames, "steps": steps});
            let shape = shape(json!({"1": {"class_type": "X", "inputs": inputs}}));
            prop_assert!(shape.work() > 0);
        }
    }
}
