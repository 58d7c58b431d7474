//! Where ComfyUI looks for models, and which inputs of which nodes list what lies there.
//!
//! ComfyUI tells the first and keeps the second to its nodes. So an empty file is planted in each
//! folder, and where its name turns up in a list of choices, that folder is listed: custom nodes
//! included. The files stay, as another worker on the same folders may be looking for them.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use comfy_api::ENGINE_FOLDER;
use comfy_api::client::ModelFolder;
use comfy_api::models::{EXTENSIONS, SENTINEL_PREFIX};
use queue::report::{ModelFile, ModelInputs};
use serde_json::{Map, Value};
use tokio::sync::watch;

/// Folders below ComfyUI's base folder that hold no models of the operator's, although ComfyUI
/// looks for some there as well.
const NOT_FOR_MODELS: [&str; 3] = ["output", "input", "temp"];

/// Model folder → the path for participants' models.
pub type Places = BTreeMap<String, PathBuf>;

/// The model folders of the engine, as they were found last.
#[derive(Debug)]
pub struct ModelFolders {
    /// ComfyUI's base folder, if it is this worker's own.
    base_dir: Option<PathBuf>,
    places: watch::Sender<Option<Places>>,
}

/// The folders in which the sentinels lie.
#[derive(Debug, Default)]
pub struct Planted {
    places: Places,
}

/// What came of the planting.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Probed {
    /// Model folder → the extensions that its list takes.
    pub folders: BTreeMap<String, Vec<String>>,
    pub inputs: ModelInputs,
}

impl ModelFolders {
    pub fn new(base_dir: Option<PathBuf>) -> Self {
        Self { base_dir, places: watch::Sender::new(None) }
    }

    /// Plants the sentinels in each folder that can be written to. Blocks.
    pub fn plant(&self, folders: &[ModelFolder]) -> Planted {
        let mut places = Places::new();
        for folder in folders {
            let Some(path) = self.choose(folder) else { continue };
            match plant_in(&path, &folder.name) {
                Ok(()) => {
                    places.insert(folder.name.clone(), path);
                }
                Err(error) => {
                    // Told each time that the catalog is read: once a minute would be too often.
                    tracing::debug!(%error, path = %path.display(), "no participant's models can be placed here");
                }
            }
        }
        Planted { places }
    }

    /// The path for participants' models: in ComfyUI's base folder where it is known, else
    /// whichever is on this machine.
    fn choose(&self, folder: &ModelFolder) -> Option<PathBuf> {
        let paths = || folder.folders.iter().map(PathBuf::from).filter(|path| path.is_absolute());
        let is_named = |path: &PathBuf| path.ends_with(&folder.name);
        if let Some(base_dir) = &self.base_dir {
            let own = || paths().filter(|path| is_below(path, base_dir));
            if let Some(path) = own().find(is_named).or_else(|| own().next()) {
                return Some(path);
            }
        }
        // A folder that is not there is perhaps another machine's.
        let there = || paths().filter(|path| path.is_dir());
        there().find(is_named).or_else(|| there().next())
    }

    /// Resolves once ComfyUI has been asked.
    pub async fn known(&self) {
        // The sender lives in self, so the only end is that it is so.
        let _ = self.places.subscribe().wait_for(Option::is_some).await;
    }

    /// Where this folder is, as far as it is known.
    pub fn place(&self, folder: &str) -> Option<PathBuf> {
        self.places.borrow().as_ref()?.get(folder).cloned()
    }

    /// Every path that holds participants' models.
    pub fn all(&self) -> Vec<PathBuf> {
        self.places.borrow().iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Looks for the sentinels in what ComfyUI listed after they were planted.
    pub fn probe(
        &self,
        planted: Planted,
        models: &BTreeMap<String, Vec<ModelFile>>,
        object_info: &Map<String, Value>,
    ) -> Probed {
        let mut found = Probed::default();
        let mut places = planted.places;
        places.retain(|folder, _| {
            let listed = models.get(folder).map(Vec::as_slice).unwrap_or_default();
            let is_listed = |extension: &&str| {
                let sentinel = engine_name(folder, extension);
                listed.iter().any(|file| file.name.replace('\\', "/") == sentinel)
            };
            let taken: Vec<String> = EXTENSIONS.into_iter().filter(is_listed).map(str::to_owned).collect();
            if taken.is_empty() {
                return false;
            }
            found.folders.insert(folder.clone(), taken);
            true
        });
        found.inputs = inputs(object_info, &found.folders);
        self.places.send_if_modified(|known| {
            let changed = known.as_ref() != Some(&places);
            if changed {
                let folders = found.folders.keys().cloned().collect::<Vec<_>>().join(" ");
                tracing::info!(folders, "folders that participants' models can be placed in");
                *known = Some(places);
            }
            changed
        });
        found
    }
}

fn inputs(object_info: &Map<String, Value>, folders: &BTreeMap<String, Vec<String>>) -> ModelInputs {
    let sentinels: HashMap<String, (&String, &String)> = folders
        .iter()
        .flat_map(|(folder, taken)| taken.iter().map(move |extension| (folder, extension)))
        .map(|(folder, extension)| (engine_name(folder, extension), (folder, extension)))
        .collect();
    let mut found = ModelInputs::new();
    for (class_type, definition) in object_info {
        let sections = ["required", "optional"].into_iter();
        let sections = sections.filter_map(|section| definition.get("input")?.get(section)?.as_object());
        for (input, entry) in sections.flatten() {
            for choice in choices(entry).iter().filter_map(Value::as_str) {
                let Some((folder, extension)) = sentinels.get(choice.replace('\\', "/").as_str()) else {
                    continue;
                };
                let inputs = found.entry(class_type.clone()).or_default();
                let taken = inputs.entry(input.clone()).or_default().entry((*folder).clone()).or_default();
                if !taken.contains(extension) {
                    taken.push((*extension).clone());
                }
            }
        }
    }
    found
}

/// What a combo lists, in either form.
fn choices(entry: &Value) -> &[Value] {
    let choices = match entry.get(0) {
        Some(Value::Array(choices)) => Some(choices),
        _ => entry.pointer("/1/options").and_then(Value::as_array),
    };
    choices.map(Vec::as_slice).unwrap_or_default()
}

fn engine_name(folder: &str, extension: &str) -> String {
    format!("{ENGINE_FOLDER}/{SENTINEL_PREFIX}{folder}{extension}")
}

fn plant_in(path: &Path, folder: &str) -> io::Result<()> {
    fs::create_dir_all(path.join(ENGINE_FOLDER))?;
    for extension in EXTENSIONS {
        let sentinel = path.join(engine_name(folder, extension));
        if !sentinel.exists() {
            fs::File::create(sentinel)?;
        }
    }
    Ok(())
}

fn is_below(path: &Path, base_dir: &Path) -> bool {
    path.strip_prefix(base_dir).is_ok_and(|rest| {
        let first = rest.components().next();
        first.is_some_and(|first| !NOT_FOR_MODELS.iter().any(|name| first.as_os_str() == *name))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn folder(name: &str, folders: &[&Path]) -> ModelFolder {
        ModelFolder {
            name: name.to_owned(),
            folders: folders.iter().map(|path| path.display().to_string()).collect(),
        }
    }

    fn listed(names: &[&str]) -> Vec<ModelFile> {
        names.iter().map(|name| ModelFile { name: (*name).to_owned(), size: 0, modified: 0.0 }).collect()
    }

    #[test]
    fn the_inputs_that_list_a_folder_are_found() {
        let base = tempfile::tempdir().unwrap();
        let at = |path: &str| base.path().join(path);
        let folders = ModelFolders::new(Some(base.path().to_owned()));
        let planted = folders.plant(&[
            folder("loras", &[&at("output/loras"), &at("models/loras")]),
            folder("diffusion_models", &[&at("models/unet"), &at("models/diffusion_models")]),
            folder("unet_gguf", &[&at("models/unet"), &at("models/diffusion_models")]),
            folder("configs", &[&at("models/configs")]),
        ]);
        assert!(at("models/loras/cm/probe-loras.safetensors").exists());
        assert!(!at("output").exists());
        let [lora, unet, gguf] = ["loras.safetensors", "diffusion_models.safetensors", "unet_gguf.gguf"]
            .map(|name| format!("cm/probe-{name}"));
        let models = BTreeMap::from([
            ("loras".to_owned(), listed(&["a", &lora])),
            ("diffusion_models".to_owned(), listed(&[&unet, "cm/probe-unet_gguf.safetensors"])),
            ("unet_gguf".to_owned(), listed(&["cm/probe-diffusion_models.gguf", &gguf])),
            ("configs".to_owned(), listed(&["v1.yaml"])),
        ]);
        let object_info = json!({
            "LoraLoader": {"input": {"required": {"lora_name": [["a", lora], {}], "strength": ["FLOAT", {}]}}},
            "UNETLoader": {"input": {"optional": {"unet_name": ["COMBO", {"options": [unet, "cm/probe-unet_gguf.safetensors"]}]}}},
            "UnetLoaderGGUF": {"input": {"required": {"unet_name": [["cm/probe-diffusion_models.gguf", gguf]]}}},
            "Remote": {"input": {"required": {"x": ["COMBO", {"remote": {"route": "/models/loras"}}]}}},
        });
        let found = folders.probe(planted, &models, object_info.as_object().unwrap());
        assert_eq!(
            serde_json::to_value(&found.folders).unwrap(),
            json!({"diffusion_models": [".safetensors"], "loras": [".safetensors"], "unet_gguf": [".gguf"]})
        );
        assert_eq!(
            serde_json::to_value(&found.inputs).unwrap(),
            json!({
                "LoraLoader": {"lora_name": {"loras": [".safetensors"]}},
                "UNETLoader": {"unet_name": {"diffusion_models": [".safetensors"]}},
                "UnetLoaderGGUF": {"unet_name": {"unet_gguf": [".gguf"]}},
            })
        );
        assert_eq!(folders.place("loras"), Some(at("models/loras")));
        assert_eq!(folders.place("configs"), None);
        assert_eq!(folders.all().len(), 3);
    }

    #[test]
    fn another_machines_folders_are_left_alone() {
        let here = tempfile::tempdir().unwrap();
        let folders = ModelFolders::new(None);
        let elsewhere = here.path().join("absent/loras");
        let planted = folders.plant(&[folder("loras", &[&elsewhere]), folder("vae", &[here.path()])]);
        assert_eq!(planted.places, Places::from([("vae".to_owned(), here.path().to_owned())]));
        assert!(!elsewhere.exists());
    }
}
