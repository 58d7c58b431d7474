//! Which inputs of which node classes name files.
//!
//! The one table behind validation, the catalog of a seat and the rewriting: an input
//! that is missing here would let a graph read whatever file it names.

use serde_json::Value;

use crate::node_definition::{InputDefinition, NodeDefinition};

/// One input that names files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInput {
    pub name: String,
    pub form: FileForm,
    /// What the editor offers to choose from.
    pub offer: Offer,
    /// Whether the node looks for the file itself, so that a name outside of the offered
    /// list is fine where the file exists.
    pub accepts_unlisted: bool,
    /// What ComfyUI calls the file when it is missing: `Invalid image file: …`.
    pub noun: &'static str,
    /// Where below the engine's input folder the node looks for the file; ends in `/`.
    pub engine_prefix: &'static str,
}

/// How the value names its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileForm {
    /// A name, or a list of names under `__value__`.
    Name,
    /// An object whose [`SCENE_MEMBERS`] are names; an empty one names nothing.
    Scene,
    /// A folder of the input folder, read whole.
    Folder,
    /// A folder of the engine's output folder. Never a seat's.
    EngineFolder,
}

/// Which of a seat's files a combo lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    Nothing,
    Images,
    Videos,
    AudioAndVideos,
    AnyInput,
    Latents,
    Documents,
    /// 3D models below `3d/`.
    Models,
    /// Images of the output folder.
    OutputImages,
}

/// The members of a 3D scene's value that name files.
pub const SCENE_MEMBERS: [&str; 5] = ["image", "mask", "normal", "lineart", "recording"];

/// The inputs of `class_type` that name files, in the order of its definition.
pub fn file_inputs(class_type: &str, definition: &Value) -> Vec<FileInput> {
    NodeDefinition::new(definition)
        .inputs()
        .into_iter()
        .filter_map(|input| file_input(class_type, input))
        .collect()
}

/// Combo choices that name no file, as some loaders offer.
pub(crate) fn names_nothing(value: &str) -> bool {
    matches!(value, "" | "none" | "None")
}

fn file_input(class_type: &str, input: InputDefinition<'_>) -> Option<FileInput> {
    by_class(class_type, input.name).or_else(|| by_type(input)).or_else(|| by_flag(input))
}

/// Inputs without a flag that read files all the same, and flagged ones that differ.
fn by_class(class_type: &str, name: &str) -> Option<FileInput> {
    let input = FileInput::new(name);
    Some(match (class_type, name) {
        ("LoadImageMask", "image") => FileInput { offer: Offer::AnyInput, noun: "image", ..input },
        ("LoadLatent", "latent") => FileInput { offer: Offer::Latents, noun: "latent", ..input },
        ("OpenAIInputFiles" | "GeminiInputFiles", "file") => {
            FileInput { offer: Offer::Documents, accepts_unlisted: false, ..input }
        }
        ("Load3D" | "Load3DAnimation", "model_file") => models(input),
        (
            "LoadImageSetFromFolderNode"
            | "LoadImageTextSetFromFolderNode"
            | "LoadImageDataSetFromFolder"
            | "LoadImageTextDataSetFromFolder",
            "folder",
        ) => FileInput { form: FileForm::Folder, accepts_unlisted: false, ..input },
        ("LoadTrainingDataset", "folder_name") => FileInput { form: FileForm::EngineFolder, ..input },
        _ => return None,
    })
}

fn by_type(input: InputDefinition<'_>) -> Option<FileInput> {
    let file = FileInput::new(input.name);
    match input.type_name()? {
        "WEBCAM" => Some(FileInput { noun: "image", ..file }),
        "AUDIO_RECORD" => Some(FileInput { noun: "audio", ..file }),
        "LOAD_3D" | "LOAD_3D_ANIMATION" => Some(FileInput { form: FileForm::Scene, ..file }),
        _ => None,
    }
}

fn by_flag(input: InputDefinition<'_>) -> Option<FileInput> {
    let file = FileInput::new(input.name);
    let is_output = input.option("image_folder").and_then(Value::as_str) == Some("output");
    if input.has_flag("image_upload") || input.has_flag("animated_image_upload") {
        let offer = if is_output { Offer::OutputImages } else { Offer::Images };
        Some(FileInput { offer, noun: "image", ..file })
    } else if input.has_flag("video_upload") {
        Some(FileInput { offer: Offer::Videos, noun: "video", ..file })
    } else if input.has_flag("audio_upload") {
        Some(FileInput { offer: Offer::AudioAndVideos, noun: "audio", ..file })
    } else if input.has_flag("file_upload") {
        Some(models(file))
    } else {
        None
    }
}

/// The 3D loaders list what lies below `input/3d`, and the engine refuses anything else.
fn models(input: FileInput) -> FileInput {
    FileInput { offer: Offer::Models, accepts_unlisted: false, engine_prefix: "3d/", ..input }
}

impl FileInput {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            form: FileForm::Name,
            offer: Offer::Nothing,
            accepts_unlisted: true,
            noun: "input",
            engine_prefix: "",
        }
    }
}

impl Offer {
    /// Whether a file of the seat's input folder is listed.
    pub(crate) fn lists_input(self, path: &str) -> bool {
        let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        let extension = extension.as_deref().unwrap_or_default();
        // As in ComfyUI, combos list the folder itself; other files are named by uploads.
        let is_top_level = !path.contains('/');
        match self {
            Self::Nothing | Self::OutputImages => false,
            Self::AnyInput => is_top_level,
            Self::Images => is_top_level && is_image(extension),
            Self::Videos => is_top_level && is_video(extension),
            Self::AudioAndVideos => is_top_level && (is_audio(extension) || is_video(extension)),
            Self::Latents => is_top_level && extension == "latent",
            Self::Documents => is_top_level && matches!(extension, "txt" | "pdf"),
            Self::Models => {
                path.starts_with("3d/") && matches!(extension, "gltf" | "glb" | "obj" | "fbx" | "stl")
            }
        }
    }

    /// Whether a file of the seat's output folder is listed.
    pub(crate) fn lists_output(self, path: &str) -> bool {
        let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        self == Self::OutputImages
            && !path.contains('/')
            && extension.is_some_and(|extension| is_image(&extension))
    }
}

fn is_image(extension: &str) -> bool {
    matches!(
        extension,
        "png"
            | "jpg"
            | "jpeg"
            | "jpe"
            | "jfif"
            | "webp"
            | "gif"
            | "bmp"
            | "tif"
            | "tiff"
            | "svg"
            | "ico"
            | "avif"
            | "heic"
            | "heif"
    )
}

fn is_video(extension: &str) -> bool {
    matches!(
        extension,
        "mp4" | "m4v" | "webm" | "mov" | "qt" | "mkv" | "avi" | "mpg" | "mpeg" | "ogv" | "wmv" | "3gp"
    )
}

fn is_audio(extension: &str) -> bool {
    matches!(
        extension,
        "mp3" | "wav" | "flac" | "ogg" | "oga" | "opus" | "m4a" | "aac" | "aif" | "aiff" | "wma"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn flags_name_the_inputs_of_custom_nodes() {
        let definition = json!({"input": {
            "required": {"video": ["COMBO", {"options": [], "video_upload": true}], "n": ["INT", {}]},
            "optional": {"still": [["a.png"], {"image_upload": true}]},
        }});
        let found = file_inputs("SomeCustomLoader", &definition);
        assert_eq!(
            found.iter().map(|input| (input.name.as_str(), input.offer)).collect::<Vec<_>>(),
            [("video", Offer::Videos), ("still", Offer::Images)]
        );
    }

    #[test]
    fn combos_list_what_comfyui_would() {
        assert!(Offer::Images.lists_input("in (1).PNG"));
        assert!(!Offer::Images.lists_input("pasted/image.png"));
        assert!(!Offer::Images.lists_input("clip.mp4"));
        assert!(Offer::AudioAndVideos.lists_input("clip.mp4"));
        assert!(Offer::Models.lists_input("3d/a/chair.glb"));
        assert!(!Offer::Models.lists_input("chair.glb"));
        assert!(Offer::OutputImages.lists_output("ComfyUI_00001_.png"));
    }
}
