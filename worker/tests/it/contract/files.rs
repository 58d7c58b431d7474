//! The files that the engine and the seat of the comparison both have.

use std::path::Path;

use comfy_api::file_inputs::file_inputs;
use serde_json::Value;

use super::ours::Ours;

pub const INPUTS: [&str; 12] = [
    "in.png",
    "clip.mp4",
    "a.wav",
    "x.latent",
    "note.txt",
    "paper.pdf",
    "3d/chair.glb",
    "sub/in.png",
    "sub/clip.mp4",
    "sub/a.wav",
    "sub/x.latent",
    "sub/note.txt",
];
pub const OUTPUTS: [&str; 1] = ["out.png"];

/// Validation only asks whether a file is there.
pub fn plant(base_dir: &Path) {
    for (folder, names) in [("input", &INPUTS[..]), ("output", &OUTPUTS[..])] {
        for name in names {
            let path = base_dir.join(folder).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"planted").unwrap();
        }
    }
}

pub fn remove(base_dir: &Path) {
    for (folder, names) in [("input", &INPUTS[..]), ("output", &OUTPUTS[..])] {
        for name in names {
            std::fs::remove_file(base_dir.join(folder).join(name)).unwrap();
        }
    }
}

/// A class that lists the input folder, in any combo form, or is flagged to upload to it, must
/// be in the table of file inputs; and nothing of the engine's files is left in the lists of a
/// seat that has none.
pub fn every_combo_of_files_is_known(ours: &Ours) {
    let mut unknown = Vec::new();
    let mut found = 0;
    for (class, definition) in ours.object_info() {
        let known = file_inputs(class, definition);
        for (name, entry) in inputs(definition) {
            if names_files(entry) {
                found += 1;
                if !known.iter().any(|input| input.name == *name) {
                    unknown.push(format!("{class}.{name}"));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "inputs that read files and are not in file_inputs.rs: {unknown:?}");
    assert!(found >= 9, "the planted files were seen in {found} inputs only");
    for (class, definition) in &ours.empty_catalog() {
        for (name, entry) in inputs(definition) {
            let left: Vec<_> = choices(entry).into_iter().filter(|choice| is_planted(choice)).collect();
            assert!(left.is_empty(), "{class}.{name} shows the engine's files: {left:?}");
        }
    }
}

fn inputs(definition: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let section = |name: &str| definition["input"][name].as_object().into_iter().flatten();
    section("required").chain(section("optional"))
}

fn choices(entry: &Value) -> Vec<&str> {
    let listed = entry[0].as_array().or_else(|| entry[1]["options"].as_array());
    listed.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn names_files(entry: &Value) -> bool {
    let is_upload = |flag: &str| flag.ends_with("_upload") && entry[1][flag] == true;
    let is_flagged = entry[1].as_object().is_some_and(|options| options.keys().any(|key| is_upload(key)));
    let is_remote = entry[1]["remote"]["route"].as_str().is_some_and(|route| route.contains("/files/"));
    let reads_by_type =
        matches!(entry[0].as_str(), Some("WEBCAM" | "AUDIO_RECORD" | "LOAD_3D" | "LOAD_3D_ANIMATION"));
    is_flagged || is_remote || reads_by_type || choices(entry).into_iter().any(is_planted)
}

fn is_planted(choice: &str) -> bool {
    // Folders of the input folder are offered by name.
    matches!(choice, "sub" | "3d")
        || INPUTS.contains(&choice)
        || OUTPUTS.iter().any(|output| choice.starts_with(output))
}
