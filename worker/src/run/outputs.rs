//! Brings output files to the server, and writes the names it gives them into the outputs.
//!
//! Only files below the attempt's own output folder, and ComfyUI's temporary ones, are ever
//! sent: a node may report any path, and another seat's files lie in the same engine.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Component, Path};

use comfy_api::client::{ClientError, StoredFile};
use domain::FailureKind;
use futures::TryStreamExt;
use queue::report::{ArtifactQuery, Assignment, PlacedFile};
use serde_json::{Map, Value};

use super::{Run, RunError};
use crate::registry::Stop;
use crate::server::{ServerError, chain, until_answered};

/// How often a file is asked of ComfyUI, which may be restarted in between.
const VIEW_TRIES: u32 = 3;

/// Where a file was reported, and which.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct FileKey {
    node: String,
    key: String,
    index: u32,
    file: StoredFile,
}

/// The output files of one run that were brought to the server so far.
pub struct Outputs<'a> {
    run: Run<'a>,
    assignment: &'a Assignment,
    /// `None`: cannot be had, and left out.
    placed: HashMap<FileKey, Option<PlacedFile>>,
    failure: Option<String>,
}

impl<'a> Outputs<'a> {
    pub fn new(run: Run<'a>, assignment: &'a Assignment) -> Self {
        Self { run, assignment, placed: HashMap::new(), failure: None }
    }

    /// Sends what is new of a node's output; returns it with the server's file names.
    pub async fn place(&mut self, node: &str, output: &Value) -> Result<Value, RunError> {
        for (key, index, file) in files(output) {
            let file_key = FileKey { node: node.to_owned(), key, index, file };
            if self.placed.contains_key(&file_key) {
                continue;
            }
            let placed = match self.send(&file_key).await {
                Err(RunError::Failed(_, reason)) => {
                    tracing::warn!("{reason}");
                    self.failure.get_or_insert(reason);
                    None
                }
                other => other?,
            };
            self.placed.insert(file_key, placed);
        }
        Ok(rename(output, |key, index, file| {
            let file_key = FileKey { node: node.to_owned(), key: key.to_owned(), index, file };
            self.placed.get(&file_key).cloned().flatten()
        }))
    }

    /// The outputs of a finished run as they are to be kept.
    pub async fn place_all(&mut self, outputs: &Map<String, Value>) -> Result<Map<String, Value>, RunError> {
        let mut placed = Map::new();
        for (node, output) in outputs {
            if !self.assignment.added_nodes.contains(node) {
                placed.insert(node.clone(), self.place(node, output).await?);
            }
        }
        Ok(placed)
    }

    /// Why a file is missing that should be there.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    async fn send(&self, wanted: &FileKey) -> Result<Option<PlacedFile>, RunError> {
        let file = &wanted.file;
        if !is_own(file, &self.assignment.output_folder) {
            tracing::warn!(
                node = wanted.node,
                "a node reported a file outside of its job's folder: left out"
            );
            return Ok(None);
        }
        let query = ArtifactQuery {
            token: self.run.task.token,
            node: wanted.node.clone(),
            key: wanted.key.clone(),
            index: wanted.index,
            filename: file.filename.clone(),
            subfolder: file.subfolder.clone(),
            kind: file.kind.clone(),
        };
        let mut tries = 0;
        loop {
            let sending = until_answered("hand over an output", || self.try_send(&query, file));
            match sending.await {
                Ok(placed) => return Ok(Some(placed)),
                Err(ServerError::StaleLease | ServerError::NotFound { .. }) => {
                    return Err(RunError::Stopped(Stop::Dropped));
                }
                // As in plain ComfyUI, where the picture would stay empty.
                Err(ServerError::Engine { source, .. }) if source.is_not_found() => {
                    tracing::warn!(
                        node = wanted.node,
                        "a node reported a file that does not exist: left out"
                    );
                    return Ok(None);
                }
                Err(ServerError::Engine { .. }) if tries + 1 < VIEW_TRIES => {
                    tries += 1;
                    self.run.engine_ready().await?;
                }
                Err(error) => {
                    let reason = format!("an output file could not be handed over: {}", chain(&error));
                    return Err(RunError::Failed(FailureKind::Transfer, reason));
                }
            }
        }
    }

    async fn try_send(&self, query: &ArtifactQuery, file: &StoredFile) -> Result<PlacedFile, ServerError> {
        let engine = |source: ClientError| ServerError::Engine { name: file.filename.clone(), source };
        let context = self.run.context;
        let (length, content) = context.engine.client().view(file).await.map_err(engine)?;
        let body = reqwest::Body::wrap_stream(content.into_stream());
        context.server.put_artifact(self.run.task, query, length, body).await
    }
}

/// Removes what an attempt left in ComfyUI's output folder: the server has it, or nobody will, and
/// a GPU box's disk is small. A later attempt has another folder, so nothing will ask for it again.
pub async fn discard(output_dir: &Path, output_folder: &str) {
    let folder = Path::new(output_folder);
    if !folder.components().all(|part| matches!(part, Component::Normal(_))) {
        return;
    }
    match tokio::fs::remove_dir_all(output_dir.join(folder)).await {
        Ok(()) => {}
        // The graph saved nothing.
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => {
            tracing::warn!(folder = output_folder, "an output folder could not be removed: {error}");
        }
    }
    // The job's own folder, unless another attempt still has files in it.
    if let Some(parent) = folder.parent().filter(|parent| parent.components().count() > 1) {
        let _ = tokio::fs::remove_dir(output_dir.join(parent)).await;
    }
}

/// The files that a node's output names: under which key, at which place, which.
fn files(output: &Value) -> Vec<(String, u32, StoredFile)> {
    let mut found = Vec::new();
    for (key, items) in output.as_object().into_iter().flatten() {
        for (index, item) in (0..).zip(items.as_array().into_iter().flatten()) {
            if let Some(file) = output_file(item) {
                found.push((key.clone(), index, file));
            }
        }
    }
    found
}

/// The item as a file that this run made; `None` for text, numbers and input files.
fn output_file(item: &Value) -> Option<StoredFile> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = text("type").filter(|kind| kind == "output" || kind == "temp")?;
    Some(StoredFile { filename: text("filename")?, subfolder: text("subfolder").unwrap_or_default(), kind })
}

/// The output with each file renamed, and without those that have no new name.
fn rename(output: &Value, name: impl Fn(&str, u32, StoredFile) -> Option<PlacedFile>) -> Value {
    let mut renamed = output.clone();
    for (key, items) in renamed.as_object_mut().into_iter().flatten() {
        let Some(items) = items.as_array_mut() else { continue };
        let mut index = 0_u32;
        items.retain_mut(|item| {
            let place = index;
            index += 1;
            let Some(file) = output_file(item) else { return true };
            let Some(placed) = name(key, place, file) else { return false };
            item["filename"] = placed.filename.into();
            item["subfolder"] = placed.subfolder.into();
            item["type"] = placed.kind.into();
            true
        });
    }
    renamed
}

/// Whether a reported file is this attempt's: below its folder, or temporary; by a plain name.
fn is_own(file: &StoredFile, output_folder: &str) -> bool {
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\\');
    let plain_name = is_plain(&file.filename) && !file.filename.contains('/');
    let plain_folder = file.subfolder.is_empty() || file.subfolder.split('/').all(is_plain);
    let below = |folder: &str| file.subfolder == folder || file.subfolder.starts_with(&format!("{folder}/"));
    let in_place = file.kind == "temp" || below(output_folder.trim_end_matches('/'));
    plain_name && plain_folder && in_place
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_are_found_under_every_key_and_nothing_else_is() {
        let output = json!({
            "images": [{"filename": "a.png", "subfolder": "x", "type": "output"}, {"filename": "in.png", "type": "input"}],
            "gifs": [{"filename": "b.mp4", "subfolder": "", "type": "temp", "format": "video/h264"}],
            "text": ["hello"],
            "result": ["path.glb", null],
            "animated": [true],
            "width": 3,
        });
        let found: Vec<_> =
            files(&output).into_iter().map(|(key, index, file)| (key, index, file.filename)).collect();
        assert_eq!(found, [("images".into(), 0, "a.png".into()), ("gifs".into(), 0, "b.mp4".to_owned())]);
        assert!(files(&Value::Null).is_empty());
    }

    #[test]
    fn renaming_keeps_order_and_everything_that_is_no_file() {
        let output = json!({
            "images": [
                {"filename": "a.png", "subfolder": "j", "type": "output", "width": 8},
                {"filename": "gone.png", "subfolder": "j", "type": "output"},
                {"filename": "in.png", "subfolder": "", "type": "input"},
                {"filename": "c.png", "subfolder": "j", "type": "output"},
            ],
            "animated": [true],
        });
        let renamed = rename(&output, |key, index, file| {
            let name = format!("{key}-{index}-{}", file.filename);
            (file.filename != "gone.png").then(|| PlacedFile {
                filename: name,
                subfolder: String::new(),
                kind: "output".into(),
            })
        });
        let expected = json!({
            "images": [
                {"filename": "images-0-a.png", "subfolder": "", "type": "output", "width": 8},
                {"filename": "in.png", "subfolder": "", "type": "input"},
                {"filename": "images-3-c.png", "subfolder": "", "type": "output"},
            ],
            "animated": [true],
        });
        assert_eq!(renamed, expected);
        assert_eq!(rename(&Value::Null, |_, _, _| None), Value::Null);
    }

    #[test]
    fn only_files_of_the_attempt_are_sent() {
        let own = |filename: &str, subfolder: &str, kind: &str| {
            let file =
                StoredFile { filename: filename.into(), subfolder: subfolder.into(), kind: kind.into() };
            is_own(&file, "user001/j9")
        };
        assert!(own("a.png", "user001/j9", "output"));
        assert!(own("a.png", "user001/j9/sub", "output"));
        assert!(own("ComfyUI_temp_abcde_00001_.png", "", "temp"));
        assert!(!own("a.png", "", "output"));
        assert!(!own("a.png", "user001/j99", "output"));
        assert!(!own("a.png", "user001/j9/../../user002/j1", "output"));
        assert!(!own("../user002/a.png", "user001/j9", "output"));
        assert!(!own("a.png", "..", "temp"));
        assert!(!own("a.png", "/etc", "temp"));
        assert!(!own("", "user001/j9", "output"));
    }
}
