//! How many outputs a job has, and which one stands for it.

use serde_json::{Map, Value};

const VISUAL_KEYS: [&str; 4] = ["images", "video", "audio", "3d"];
const MODEL_EXTENSIONS: [&str; 5] = [".obj", ".fbx", ".gltf", ".glb", ".usdz"];
const TEXT_EXTENSIONS: [&str; 3] = [".txt", ".md", ".json"];
/// Longer texts are cut, so that lists stay small.
const MAX_TEXT_CHARS: usize = 1024;

#[derive(Debug, Default, PartialEq)]
pub(super) struct OutputsSummary {
    pub(super) count: usize,
    pub(super) previewable_count: usize,
    pub(super) preview: Option<Value>,
}

/// Preference among previews: saved media, then temporary media, saved text, text itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    SavedMedia,
    OtherMedia,
    TextFile,
    Text,
}

pub(super) fn summarise(outputs: &Map<String, Value>) -> OutputsSummary {
    let mut summary = OutputsSummary::default();
    let mut best: Option<(Rank, Value)> = None;
    let mut offer = |rank: Rank, preview: Value| {
        if best.as_ref().is_none_or(|(best, _)| rank < *best) {
            best = Some((rank, preview));
        }
    };
    for (node, shown) in outputs {
        for (key, items) in shown.as_object().into_iter().flatten() {
            // `animated` only says how the images beside it move.
            let Some(items) = items.as_array().filter(|_| key != "animated") else { continue };
            for item in items {
                let Some(file) = as_file(item) else {
                    if let Some(text) = item.as_str().filter(|_| key == "text") {
                        offer(Rank::Text, preview(text_preview(text), node, key));
                    }
                    continue;
                };
                summary.count += 1;
                if !is_previewable(key, &file) {
                    continue;
                }
                summary.previewable_count += 1;
                let rank = if key == "text" || has_extension(&file, &TEXT_EXTENSIONS) {
                    Rank::TextFile
                } else if file.get("type").and_then(Value::as_str) == Some("output") {
                    Rank::SavedMedia
                } else {
                    Rank::OtherMedia
                };
                offer(rank, preview(file, node, key));
            }
        }
    }
    summary.preview = best.map(|(_, preview)| preview);
    summary
}

/// 3D nodes name their file by a bare string.
pub(super) fn as_file(item: &Value) -> Option<Map<String, Value>> {
    match item {
        Value::Object(file) => Some(file.clone()),
        Value::String(name)
            if MODEL_EXTENSIONS.iter().any(|extension| name.to_ascii_lowercase().ends_with(extension)) =>
        {
            let members =
                [("filename", name.as_str()), ("type", "output"), ("subfolder", ""), ("mediaType", "3d")];
            Some(members.map(|(key, value)| (key.to_owned(), Value::from(value))).into_iter().collect())
        }
        _ => None,
    }
}

fn preview(mut file: Map<String, Value>, node: &str, key: &str) -> Value {
    file.insert("nodeId".to_owned(), Value::from(node));
    if !file.get("mediaType").is_some_and(Value::is_string) {
        file.insert("mediaType".to_owned(), Value::from(key));
    }
    Value::Object(file)
}

fn text_preview(text: &str) -> Map<String, Value> {
    let mut preview = Map::new();
    let cut: String = text.chars().take(MAX_TEXT_CHARS).collect();
    let is_cut = cut.len() < text.len();
    preview.insert("content".to_owned(), Value::from(cut));
    if is_cut {
        preview.insert("truncated".to_owned(), Value::from(true));
    }
    preview
}

fn is_previewable(key: &str, file: &Map<String, Value>) -> bool {
    let format = file.get("format").and_then(Value::as_str).unwrap_or_default();
    VISUAL_KEYS.contains(&key)
        || key == "text"
        || format.starts_with("video/")
        || format.starts_with("audio/")
        || has_extension(file, &MODEL_EXTENSIONS)
        || has_extension(file, &TEXT_EXTENSIONS)
}

fn has_extension(file: &Map<String, Value>, extensions: &[&str]) -> bool {
    let name = file.get("filename").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    extensions.iter().any(|extension| name.ends_with(extension))
}
