//! A seat's own models: `mine/<name>` in the editor, a content-named file on the engine.
//!
//! Invariant: on the engine a seat's model is called by its content, `cm/<sha256>.<ext>`. A
//! replaced model so is another file, which no cache of ComfyUI's takes for the earlier one,
//! and seats with the same model share one copy. Those names are nobody's to write or to see.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::ENGINE_FOLDER;

/// What a seat's own models are called by.
pub const SEAT_PREFIX: &str = "mine/";
/// What a seat's models end in. The other formats are pickles, which run code when they are loaded.
pub const EXTENSIONS: [&str; 2] = [".safetensors", ".gguf"];
/// The model folder that `embedding:` in a text names.
pub const EMBEDDINGS: &str = "embeddings";

/// What the names of the files begin with that a worker plants in [`ENGINE_FOLDER`] of each model
/// folder, to see which inputs list it.
pub const SENTINEL_PREFIX: &str = "probe-";

/// Class → input → the model folders that it lists, each with the extensions that it takes.
pub type ModelInputs = BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<String>>>>;

/// A model in a seat's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnModel {
    /// A ComfyUI model folder.
    pub folder: String,
    pub name: String,
    pub sha256: String,
    pub bytes: u64,
}

/// One seat's models, and where they may be chosen.
#[derive(Debug, Clone, Copy)]
pub struct SeatModels<'a> {
    pub inputs: &'a ModelInputs,
    pub own: &'a [OwnModel],
}

impl OwnModel {
    /// As the seat calls it.
    pub fn seat_name(&self) -> String {
        format!("{SEAT_PREFIX}{}", self.name)
    }

    /// With its dot, as it is spelled.
    fn extension(&self) -> &str {
        self.name.rfind('.').map_or("", |dot| &self.name[dot..])
    }

    /// Below the model folder on the engine.
    pub fn engine_name(&self) -> String {
        format!("{ENGINE_FOLDER}/{}", self.engine_filename())
    }

    /// `<sha256>.<ext>`.
    pub fn engine_filename(&self) -> String {
        format!("{}{}", self.sha256, self.extension())
    }
}

impl<'a> SeatModels<'a> {
    /// The inputs of this class in which models are chosen.
    pub(crate) fn inputs_of(self, class_type: &str) -> impl Iterator<Item = &'a str> {
        self.inputs.get(class_type).into_iter().flat_map(BTreeMap::keys).map(String::as_str)
    }

    /// The seat's models that this input takes.
    pub(crate) fn offered(self, class_type: &str, input: &str) -> impl Iterator<Item = &'a OwnModel> {
        let folders = self.inputs.get(class_type).and_then(|inputs| inputs.get(input));
        self.own.iter().filter(move |model| {
            let extensions = folders.and_then(|folders| folders.get(&model.folder));
            extensions.is_some_and(|taken| taken.iter().any(|extension| extension == model.extension()))
        })
    }

    /// The embedding that a text calls by this name, with or without its extension.
    pub(crate) fn embedding(self, name: &str) -> Option<&'a OwnModel> {
        let name = name.strip_prefix(SEAT_PREFIX)?;
        let mut embeddings = self.own.iter().filter(|model| model.folder == EMBEDDINGS);
        embeddings.find(|model| {
            model.name == name || model.name.strip_suffix(model.extension()).is_some_and(|stem| stem == name)
        })
    }
}

/// Whether a model's name on the engine is none of the engine's own: it lies among the copies of
/// all seats' models, or would be taken for the seat's.
pub fn is_reserved(name: &str) -> bool {
    // Also as a file system without case would find it.
    let folder = name.split_once('/').map(|(folder, _)| folder.to_ascii_lowercase());
    folder.is_some_and(|folder| folder == ENGINE_FOLDER || format!("{folder}/") == SEAT_PREFIX)
}

/// Adds the seat's models to the choices, which ComfyUI sorts before it adds special ones.
pub(crate) fn offer(choices: &mut Vec<Value>, models: SeatModels<'_>, class_type: &str, input: &str) {
    choices.retain(|choice| !choice.as_str().is_some_and(is_reserved));
    let mut own: Vec<String> = models.offered(class_type, input).map(OwnModel::seat_name).collect();
    own.sort();
    own.dedup();
    for name in own {
        choices.insert(place_of(&name, choices), Value::String(name));
    }
}

/// Where `name` goes in the sorted run that the list begins with.
fn place_of(name: &str, choices: &[Value]) -> usize {
    // A choice for no model stays first, and with it what a new node starts with.
    let first =
        usize::from(choices.first().and_then(Value::as_str).is_some_and(crate::file_inputs::names_nothing));
    let texts = choices[first..].iter().map_while(Value::as_str);
    let mut previous = "";
    let mut place = first;
    for text in texts {
        if text < previous || text > name {
            break;
        }
        previous = text;
        place += 1;
    }
    place
}

/// Takes the names in [`is_reserved`] out of every list of choices.
pub fn hide_reserved(object_info: &mut Map<String, Value>) {
    for definition in object_info.values_mut() {
        if let Some(inputs) = definition.get_mut("input") {
            hide_in(inputs);
        }
    }
}

fn hide_in(value: &mut Value) {
    // Values come from JSON, whose parser bounds their depth.
    match value {
        Value::Array(items) => {
            items.retain(|item| !item.as_str().is_some_and(is_reserved));
            items.iter_mut().for_each(hide_in);
            if let [Value::Array(choices), Value::Object(options)] = items.as_mut_slice() {
                mend_default(choices, options);
            }
        }
        Value::Object(members) => {
            members.values_mut().for_each(hide_in);
            if let Some(Value::Array(choices)) = members.get("options").cloned() {
                mend_default(&choices, members);
            }
        }
        _ => {}
    }
}

fn mend_default(choices: &[Value], options: &mut Map<String, Value>) {
    if let Some(default) = options.get_mut("default")
        && default.as_str().is_some_and(is_reserved)
    {
        *default = choices.first().cloned().unwrap_or(Value::Null);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn own(folder: &str, name: &str) -> OwnModel {
        OwnModel { folder: folder.into(), name: name.into(), sha256: "a".repeat(64), bytes: 1 }
    }

    fn inputs() -> ModelInputs {
        serde_json::from_value(json!({
            "LoraLoader": {"lora_name": {"loras": [".safetensors"]}},
            "UnetLoaderGGUF": {"unet_name": {"unet_gguf": [".gguf"]}},
        }))
        .unwrap()
    }

    fn offered(choices: Value, class_type: &str, input: &str) -> Value {
        let own = [own("loras", "b.safetensors"), own("loras", "a.safetensors"), own("unet_gguf", "u.gguf")];
        let mut choices = choices.as_array().unwrap().clone();
        offer(&mut choices, SeatModels { inputs: &inputs(), own: &own }, class_type, input);
        Value::Array(choices)
    }

    #[test]
    fn own_models_are_sorted_in_where_they_can_be_chosen() {
        for (given, seen) in [
            (json!(["a", "z"]), json!(["a", "mine/a.safetensors", "mine/b.safetensors", "z"])),
            (json!([]), json!(["mine/a.safetensors", "mine/b.safetensors"])),
            (json!(["None", "z"]), json!(["None", "mine/a.safetensors", "mine/b.safetensors", "z"])),
            (json!(["none"]), json!(["none", "mine/a.safetensors", "mine/b.safetensors"])),
            (json!(["k", "[None]"]), json!(["k", "mine/a.safetensors", "mine/b.safetensors", "[None]"])),
        ] {
            assert_eq!(offered(given, "LoraLoader", "lora_name"), seen);
        }
        assert_eq!(offered(json!(["x"]), "UnetLoaderGGUF", "unet_name"), json!(["mine/u.gguf", "x"]));
        assert_eq!(offered(json!(["x"]), "VAELoader", "vae_name"), json!(["x"]));
    }

    #[test]
    fn what_lies_among_all_seats_models_is_shown_to_nobody() {
        assert_eq!(
            offered(json!(["cm", "cm/ff.safetensors", "cmx/a", "mine/theirs", "x"]), "VAELoader", "vae_name"),
            json!(["cm", "cmx/a", "x"])
        );
        let mut object_info = json!({"A": {"input": {
            "required": {"m": [["cm/probe-vae.safetensors", "v"], {"default": "cm/probe-vae.safetensors"}]},
            "optional": {"n": ["COMBO", {"options": ["CM/x"], "default": "CM/x"}], "t": ["STRING", {"default": "cm"}]},
        }}});
        hide_reserved(object_info.as_object_mut().unwrap());
        assert_eq!(object_info["A"]["input"]["required"]["m"], json!([["v"], {"default": "v"}]));
        assert_eq!(
            object_info["A"]["input"]["optional"]["n"],
            json!(["COMBO", {"options": [], "default": null}])
        );
        assert_eq!(object_info["A"]["input"]["optional"]["t"], json!(["STRING", {"default": "cm"}]));
    }

    #[test]
    fn an_embedding_is_called_with_or_without_its_extension() {
        let own = [own("loras", "a.safetensors"), own("embeddings", "style.v2.safetensors")];
        let inputs = ModelInputs::new();
        let models = SeatModels { inputs: &inputs, own: &own };
        for name in ["mine/style.v2", "mine/style.v2.safetensors"] {
            assert_eq!(models.embedding(name), Some(&own[1]), "{name}");
        }
        for name in ["style.v2", "mine/style", "mine/a", "mine/"] {
            assert_eq!(models.embedding(name), None, "{name}");
        }
    }
}
