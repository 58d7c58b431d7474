//! Brings models to where ComfyUI finds them: each content once, whole and verified, within a bound.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use comfy_api::ENGINE_FOLDER;
use comfy_api::models::SENTINEL_PREFIX;
use futures::TryStreamExt;
use queue::TaskMessage;
use queue::report::NeededModel;

use super::arriving::Arriving;
use super::folders::ModelFolders;
use crate::server::{ServerClient, ServerError, until_answered};
use crate::storage::{self, Held, InUse};

/// A model that is damaged this often is damaged at its source.
const DAMAGE_LIMIT: u32 = 3;
/// A connection that brings nothing for this long counts as broken.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// The copies of participants' models in all model folders.
pub struct ModelCache {
    folders: Arc<ModelFolders>,
    /// Those unused for longest go once there is more than this.
    capacity_bytes: u64,
    in_use: InUse,
    /// Held while a path's model is fetched, so that two runs fetch it once.
    fetching: Mutex<HashMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>,
}

/// A model that is where ComfyUI finds it, until this is dropped.
pub type HeldModel = Held;

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("the engine has no model folder {folder} that can be written to")]
    NoFolder { folder: String },
    #[error("it has {bytes} bytes, more than this worker keeps of models: raise MODEL_CACHE_BYTES")]
    TooLarge { bytes: u64 },
    #[error("it has no usable name")]
    BadName,
}

impl ModelCache {
    pub fn new(folders: Arc<ModelFolders>, capacity_bytes: u64) -> Self {
        Self { folders, capacity_bytes, in_use: InUse::default(), fetching: Mutex::default() }
    }

    /// Brings the model to its folder unless it is there; `tell` hears how many bytes have come.
    pub async fn fetch(
        &self,
        server: &ServerClient,
        task: &TaskMessage,
        model: &NeededModel,
        tell: &(impl Fn(u64) + Sync),
    ) -> Result<HeldModel, FetchError> {
        if !has_content_name(model) {
            return Err(FetchError::BadName);
        }
        if model.bytes > self.capacity_bytes {
            return Err(FetchError::TooLarge { bytes: model.bytes });
        }
        let folder = self.folders.place(&model.folder);
        let folder = folder.ok_or_else(|| FetchError::NoFolder { folder: model.folder.clone() })?;
        let folder = folder.join(ENGINE_FOLDER);
        let (place, part) = (folder.join(&model.filename), folder.join(format!("{}.part", model.filename)));
        let held = self.in_use.hold([place.clone(), part.clone()]);
        let turn = self.turn(&place);
        let _turn = turn.lock().await;
        if !is_there(&place, model.bytes).await {
            self.make_room(model.bytes).await.map_err(ServerError::Cache)?;
            bring(server, task, model, &part, &place, tell).await?;
            // Others may have come meanwhile.
            self.make_room(0).await.map_err(ServerError::Cache)?;
        }
        Ok(held)
    }

    /// Resolves once it is known where models go.
    pub async fn known(&self) {
        self.folders.known().await;
    }

    fn turn(&self, place: &Path) -> Arc<tokio::sync::Mutex<()>> {
        let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody waits for.
        fetching.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(fetching.entry(place.to_owned()).or_default())
    }

    /// Makes room for so much more.
    async fn make_room(&self, bytes: u64) -> io::Result<()> {
        let folders: Vec<_> = self.folders.all().iter().map(|path| path.join(ENGINE_FOLDER)).collect();
        let (capacity, in_use) = (self.capacity_bytes.saturating_sub(bytes), self.in_use.clone());
        tokio::task::spawn_blocking(move || storage::make_room(&folders, capacity, &in_use, is_model))
            .await
            .map_err(io::Error::other)?
    }
}

/// Fetches the model until it is whole.
async fn bring(
    server: &ServerClient,
    task: &TaskMessage,
    model: &NeededModel,
    part: &Path,
    place: &Path,
    tell: &(impl Fn(u64) + Sync),
) -> Result<(), ServerError> {
    let arriving = Arriving::open(part).await.map_err(ServerError::Cache)?;
    let arriving = tokio::sync::Mutex::new(arriving);
    let mut damages = 0;
    loop {
        let fetched = until_answered("fetch a model", || async {
            let mut arriving = arriving.lock().await;
            let taken = take(server, task, model, &mut arriving, tell).await;
            arriving.pause().await.map_err(ServerError::Cache)?;
            taken
        });
        fetched.await?;
        let mut arriving = arriving.lock().await;
        if arriving.bytes() == model.bytes
            && arriving.finish(&model.sha256, place).await.map_err(ServerError::Cache)?
        {
            return Ok(());
        }
        damages += 1;
        tracing::warn!(model = model.filename, damages, "a model arrived damaged");
        if damages == DAMAGE_LIMIT {
            arriving.discard().await.map_err(ServerError::Cache)?;
            return Err(ServerError::Damaged { name: model.filename.clone() });
        }
        arriving.restart().await.map_err(ServerError::Cache)?;
    }
}

/// Takes what one connection brings, from where the last one broke.
async fn take(
    server: &ServerClient,
    task: &TaskMessage,
    model: &NeededModel,
    arriving: &mut Arriving,
    tell: &(impl Fn(u64) + Sync),
) -> Result<(), ServerError> {
    if arriving.bytes() > model.bytes {
        arriving.restart().await.map_err(ServerError::Cache)?;
    }
    if arriving.bytes() == model.bytes {
        return Ok(());
    }
    let (first, content) = server.model(task, model.index, arriving.bytes()).await?;
    if first != arriving.bytes() {
        arriving.restart().await.map_err(ServerError::Cache)?;
        if first != 0 {
            return Err(ServerError::Damaged { name: model.filename.clone() });
        }
    }
    let mut content = std::pin::pin!(content.into_stream());
    loop {
        let chunk = tokio::time::timeout(SILENCE_LIMIT, content.try_next()).await;
        let Some(chunk) = chunk.unwrap_or(Err(ServerError::Silent { call: "fetch a model" }))? else {
            return Ok(());
        };
        arriving.write(&chunk).await.map_err(ServerError::Cache)?;
        if arriving.bytes() > model.bytes {
            return Ok(());
        }
        tell(arriving.bytes());
    }
}

/// Whether the model is in its place; its use is noted.
async fn is_there(place: &Path, bytes: u64) -> bool {
    let place = place.to_owned();
    let looking = tokio::task::spawn_blocking(move || {
        let is_there = std::fs::metadata(&place).is_ok_and(|found| found.len() == bytes);
        if is_there {
            storage::touch(&place);
        }
        is_there
    });
    looking.await.unwrap_or(false)
}

fn has_content_name(model: &NeededModel) -> bool {
    let is_hash = model.sha256.len() == 64
        && model.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let extension = model.filename.strip_prefix(&model.sha256).and_then(|rest| rest.strip_prefix('.'));
    is_hash
        && extension
            .is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn is_model(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    !name.is_some_and(|name| name.starts_with(SENTINEL_PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_content_names_are_placed() {
        let named = |filename: &str| {
            let sha256 = "ab".repeat(32);
            let filename = filename.replace("HASH", &sha256);
            has_content_name(&NeededModel { index: 0, folder: "loras".into(), filename, sha256, bytes: 1 })
        };
        assert!(named("HASH.safetensors") && named("HASH.gguf"));
        for bad in ["HASH", "HASH.", "HASH./x", "../HASH.gguf", "HASHx.gguf", "other.gguf", "HASH.a.b"] {
            assert!(!named(bad), "{bad}");
        }
    }
}
