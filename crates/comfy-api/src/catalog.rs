//! `/object_info` as one seat sees it.
//!
//! Invariant: a file combo lists this seat's files only, and a model combo the engine's models
//! and this seat's; nothing of the engine's own input folder or among the copies of all seats'
//! models is shown to anybody.

use serde_json::{Map, Value};

use crate::ENGINE_FOLDER;
use crate::file_inputs::{FileForm, FileInput, file_inputs, names_nothing};
use crate::models::{self, SeatModels};

/// The files of one seat, as paths relative to the folder, `/`-separated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeatListing {
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
}

/// `base_path` is where the seat's ComfyUI is served, without a final slash:
/// `/user/user001/comfy`.
pub fn personalise(
    object_info: &Map<String, Value>,
    listing: &SeatListing,
    models: SeatModels<'_>,
    base_path: &str,
) -> Map<String, Value> {
    let mut catalog = object_info.clone();
    for (class_type, definition) in &mut catalog {
        for input in models.inputs_of(class_type) {
            if let Some(choices) = entry_mut(definition, input).and_then(choices_mut) {
                models::offer(choices, models, class_type, input);
            }
        }
        for input in file_inputs(class_type, definition) {
            if let Some(entry) = entry_mut(definition, &input.name) {
                offer_files(entry, &input, listing);
            }
        }
        for section in ["required", "optional"] {
            let inputs = definition.pointer_mut(&format!("/input/{section}")).and_then(Value::as_object_mut);
            for entry in inputs.into_iter().flat_map(Map::values_mut) {
                hide_engine_files(entry);
                move_remote_route(entry, base_path);
            }
        }
    }
    catalog
}

fn entry_mut<'a>(definition: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let sections = definition.get_mut("input")?;
    let is_required = sections.get("required").is_some_and(|required| required.get(name).is_some());
    let section = if is_required { "required" } else { "optional" };
    sections.get_mut(section)?.get_mut(name)
}

/// Replaces what a combo lists, in either of its forms.
fn offer_files(entry: &mut Value, input: &FileInput, listing: &SeatListing) {
    if !matches!(input.form, FileForm::Name | FileForm::Folder) {
        return;
    }
    let Some(choices) = choices_mut(entry) else { return };
    // Some loaders offer a choice for no file; it stays first.
    choices.retain(|choice| choice.as_str().is_some_and(names_nothing));
    choices.extend(seat_files(input, listing).into_iter().map(Value::String));
    let choices = choices.clone();
    let default =
        entry.get_mut(1).and_then(Value::as_object_mut).and_then(|options| options.get_mut("default"));
    if let Some(default) = default.filter(|default| !choices.contains(default)) {
        *default = choices.first().cloned().unwrap_or(Value::Null);
    }
}

fn seat_files(input: &FileInput, listing: &SeatListing) -> Vec<String> {
    let inputs = listing.inputs.iter().filter(|path| input.offer.lists_input(path)).cloned();
    let outputs = listing.outputs.iter().filter(|path| input.offer.lists_output(path));
    let mut files: Vec<String> = inputs.chain(outputs.map(|path| format!("{path} [output]"))).collect();
    files.sort();
    files.dedup();
    files
}

fn choices_mut(entry: &mut Value) -> Option<&mut Vec<Value>> {
    if entry.get(0).is_some_and(Value::is_array) {
        return entry.get_mut(0)?.as_array_mut();
    }
    entry.get_mut(1)?.get_mut("options")?.as_array_mut()
}

/// Custom nodes may list the engine's input folder without saying so.
fn hide_engine_files(entry: &mut Value) {
    let Some(choices) = choices_mut(entry) else { return };
    choices.retain(|choice| !choice.as_str().is_some_and(is_engine_path));
}

/// Whether a path lies where all seats' files do.
pub(crate) fn is_engine_path(path: &str) -> bool {
    let path = path.strip_prefix("3d/").unwrap_or(path);
    path.strip_prefix(ENGINE_FOLDER).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The frontend fetches this route from the origin's root, not from its own base.
fn move_remote_route(entry: &mut Value, base_path: &str) {
    let Some(route) = entry.pointer_mut("/1/remote/route") else { return };
    let Some(path) = route.as_str() else { return };
    let is_elsewhere = !path.starts_with('/') || path.starts_with("//");
    let is_moved = path.strip_prefix(base_path).is_some_and(|rest| rest.starts_with('/'));
    if !is_elsewhere && !is_moved {
        *route = Value::String(format!("{base_path}{path}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::models::{ModelInputs, OwnModel};

    fn seen(object_info: Value) -> Value {
        let listing = SeatListing {
            inputs: ["in.png", "clip.mp4", "pasted/image.png", "3d/chair.glb", "a.latent"]
                .map(str::to_owned)
                .to_vec(),
            outputs: ["ComfyUI_00001_.png", "sub/x.png"].map(str::to_owned).to_vec(),
        };
        let inputs = ModelInputs::from([(
            "LoraLoader".to_owned(),
            [("lora_name".to_owned(), [("loras".to_owned(), vec![".safetensors".to_owned()])].into())].into(),
        )]);
        let own = [OwnModel {
            folder: "loras".into(),
            name: "style.safetensors".into(),
            sha256: "0".repeat(64),
            bytes: 1,
        }];
        let models = SeatModels { inputs: &inputs, own: &own };
        Value::Object(personalise(object_info.as_object().unwrap(), &listing, models, "/user/user001/comfy"))
    }

    #[test]
    fn own_models_are_offered_beside_the_engines() {
        let seen = seen(json!({
            "LoraLoader": {"input": {"required": {"lora_name": [["a", "z"], {"default": "z"}]}}},
            "VAELoader": {"input": {"required": {"vae_name": [["v"]]}}},
        }));
        assert_eq!(
            seen["LoraLoader"]["input"]["required"]["lora_name"],
            json!([["a", "mine/style.safetensors", "z"], {"default": "z"}])
        );
        assert_eq!(seen["VAELoader"]["input"]["required"]["vae_name"], json!([["v"]]));
    }

    #[test]
    fn both_combo_forms_list_the_seat_alone() {
        let seen = seen(json!({
            "LoadImage": {"input": {"required": {"image": [["theirs.png"], {"image_upload": true}]}}},
            "LoadLatent": {"input": {"required": {"latent": [["theirs.latent"]]}}},
            "LoadVideo": {"input": {"required": {"file": ["COMBO", {"options": ["theirs.mp4"], "video_upload": true}]}}},
            "Load3D": {"input": {"required": {"model_file": [["none", "3d/cm/user002/x.glb"], {"file_upload": true}]}}},
            "GeminiInputFiles": {"input": {"required": {"file": ["COMBO", {"options": ["t.pdf"], "default": "t.pdf"}]}}},
            "LoadImageSetFromFolderNode": {"input": {"required": {"folder": [["cm", "cm/user002", "pasted"], {}]}}},
        }));
        assert_eq!(
            seen["LoadImage"]["input"]["required"]["image"],
            json!([["in.png"], {"image_upload": true}])
        );
        assert_eq!(seen["LoadLatent"]["input"]["required"]["latent"], json!([["a.latent"]]));
        assert_eq!(seen["LoadVideo"]["input"]["required"]["file"][1]["options"], json!(["clip.mp4"]));
        assert_eq!(seen["Load3D"]["input"]["required"]["model_file"][0], json!(["none", "3d/chair.glb"]));
        assert_eq!(
            seen["GeminiInputFiles"]["input"]["required"]["file"],
            json!(["COMBO", {"options": [], "default": null}])
        );
        assert_eq!(seen["LoadImageSetFromFolderNode"]["input"]["required"]["folder"], json!([[], {}]));
    }

    #[test]
    fn routes_move_under_the_seat_and_other_combos_stay() {
        let seen = seen(json!({
            "LoadImageOutput": {"input": {"required": {"image": ["COMBO", {
                "image_upload": true, "image_folder": "output", "remote": {"route": "/internal/files/output"},
            }]}}},
            "Elsewhere": {"input": {"optional": {"a": ["COMBO", {"remote": {"route": "https://example.org/x"}}]}}},
            "Custom": {"input": {"required": {"any": [["cm/user002/secret.png", "cmyk", "euler"]]}}},
        }));
        assert_eq!(
            seen["LoadImageOutput"]["input"]["required"]["image"][1]["remote"]["route"],
            "/user/user001/comfy/internal/files/output"
        );
        assert_eq!(
            seen["Elsewhere"]["input"]["optional"]["a"][1]["remote"]["route"],
            "https://example.org/x"
        );
        assert_eq!(seen["Custom"]["input"]["required"]["any"], json!([["cmyk", "euler"]]));
    }
}
