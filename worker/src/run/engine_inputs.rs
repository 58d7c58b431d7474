//! Jobs' inputs in ComfyUI's own input folder: those unused for longest go once there are too many.
//!
//! They are named by their content and brought again for each job, so any may go that no current
//! or staged run needs.

use std::path::{Path, PathBuf};

use comfy_api::ENGINE_FOLDER;
use queue::report::InputFile;

use crate::storage::{self, Held, InUse};

#[derive(Debug)]
pub struct EngineInputs {
    input_dir: PathBuf,
    capacity_bytes: u64,
    in_use: InUse,
}

impl EngineInputs {
    pub fn new(base_dir: &Path, capacity_bytes: u64) -> Self {
        Self { input_dir: base_dir.join("input"), capacity_bytes, in_use: InUse::default() }
    }

    /// Keeps these until what is returned is dropped.
    pub(super) fn hold(&self, inputs: &[InputFile]) -> Held {
        self.in_use.hold(inputs.iter().map(|input| self.path(input)))
    }

    /// Notes that it is used now: one that was there already was not written again.
    pub(super) fn touch(&self, input: &InputFile) {
        storage::touch(&self.path(input));
    }

    fn path(&self, input: &InputFile) -> PathBuf {
        self.input_dir.join(&input.subfolder).join(&input.filename)
    }

    /// A full disk is told by whoever writes to it next, so a failure is only logged.
    pub(super) async fn make_room(&self) {
        // 3D models must lie below `3d`, or ComfyUI refuses them.
        let folders = [self.input_dir.join(ENGINE_FOLDER), self.input_dir.join("3d").join(ENGINE_FOLDER)];
        let (capacity, in_use) = (self.capacity_bytes, self.in_use.clone());
        let making = move || storage::make_room(&folders, capacity, &in_use, |_| true);
        match tokio::task::spawn_blocking(making).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "old inputs could not be removed from comfyui's folder"),
            Err(error) => tracing::warn!(%error, "old inputs could not be removed from comfyui's folder"),
        }
    }
}
