//! Brings a job's input files to the engine.
//!
//! Files are kept by their hash, and only after it was verified: a file that is in the cache is
//! whole. The cache holds copies only, so any of it may be deleted at any time.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use domain::FailureKind;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use queue::TaskMessage;
use queue::report::{Assignment, InputFile};
use sha2::{Digest, Sha256};
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use comfy_api::client::{ClientError, IfThere, StoredFile, UploadInput};

use super::places::misplaced;
use super::{Run, RunError};
use crate::registry::Stop;
use crate::server::{ServerClient, ServerError, chain, until_answered};
use crate::storage::Held;

/// How many files are fetched at once.
const FETCHES: usize = 4;
/// A file that is damaged this often is damaged at its source.
const DAMAGE_LIMIT: u32 = 3;
/// How often an upload to ComfyUI is tried, as ComfyUI may be restarted in between.
const UPLOAD_TRIES: u32 = 3;

impl Run<'_> {
    /// Brings inputs and models to ComfyUI; they stay until what is returned is dropped.
    pub(super) async fn prepare(self, assignment: &Assignment) -> Result<Vec<Held>, RunError> {
        if let Some(place) = misplaced(assignment) {
            let reason = format!("the job was not run: {place:?} is no place for its files");
            return Err(RunError::Failed(FailureKind::Refused, reason));
        }
        let inputs = self.context.engine_inputs.as_ref();
        let inputs = inputs.map(|inputs| inputs.hold(&assignment.inputs));
        let ((), mut held) =
            futures::try_join!(self.bring_inputs(assignment), self.bring_models(assignment))?;
        held.extend(inputs);
        Ok(held)
    }

    /// Fetches the inputs and hands them to ComfyUI.
    async fn bring_inputs(self, assignment: &Assignment) -> Result<(), RunError> {
        let fetches: Vec<_> = assignment.inputs.iter().map(|input| self.fetch(input).boxed()).collect();
        let files: Vec<_> = stream::iter(fetches).buffered(FETCHES).try_collect().await?;
        for (input, path) in assignment.inputs.iter().zip(files) {
            self.upload(input, &path).await?;
        }
        if let Some(inputs) = &self.context.engine_inputs
            && !assignment.inputs.is_empty()
        {
            inputs.make_room().await;
        }
        Ok(())
    }

    async fn fetch(self, input: &InputFile) -> Result<PathBuf, RunError> {
        let path = self.context.cache.fetch(&self.context.server, self.task, input).await;
        path.map_err(|error| fetch_failure(input, &error))
    }

    async fn upload(self, input: &InputFile, path: &Path) -> Result<(), RunError> {
        let mut tries = 0;
        loop {
            self.engine_ready().await?;
            let Err(error) = self.try_upload(input, path).await else { return Ok(()) };
            tries += 1;
            let reason = format!("{} could not be handed to comfyui: {}", input.filename, chain(&error));
            if tries == UPLOAD_TRIES {
                return Err(RunError::Failed(FailureKind::Transfer, reason));
            }
            tracing::warn!("{reason}; trying again");
        }
    }

    /// A file that is there whole is not written again, as the job that runs may be reading it.
    async fn try_upload(self, input: &InputFile, path: &Path) -> Result<(), UploadError> {
        let mut stored = self.upload_once(input, path, IfThere::Rename).await?;
        if !is_at_its_place(&stored, input) {
            // Names are made of contents, so the one that is there is the rest of a broken upload.
            stored = self.upload_once(input, path, IfThere::Overwrite).await?;
        }
        if !is_at_its_place(&stored, input) {
            return Err(UploadError::Renamed { to: format!("{}/{}", stored.subfolder, stored.filename) });
        }
        if let Some(inputs) = &self.context.engine_inputs {
            inputs.touch(input);
        }
        Ok(())
    }

    async fn upload_once(
        self,
        input: &InputFile,
        path: &Path,
        if_there: IfThere,
    ) -> Result<StoredFile, UploadError> {
        let file = File::open(path).await?;
        let body = reqwest::Body::wrap_stream(ReaderStream::new(file));
        let InputFile { subfolder, filename, bytes, .. } = input;
        let place = UploadInput { subfolder, filename, bytes: *bytes, if_there };
        Ok(self.context.engine.client().upload_input(place, body).await?)
    }

    /// Waits for ComfyUI, but not for ever: another worker may be better off.
    pub(super) async fn engine_ready(self) -> Result<u64, RunError> {
        let ready = self.context.engine.ready(self.context.engine_patience).await;
        ready.map_err(|error| RunError::EngineAway(error.to_string()))
    }
}

fn is_at_its_place(stored: &StoredFile, input: &InputFile) -> bool {
    stored.filename == input.filename && stored.subfolder == input.subfolder
}

#[derive(Debug, thiserror::Error)]
enum UploadError {
    #[error("the cached file cannot be read")]
    Read(#[from] std::io::Error),
    #[error("the upload failed")]
    Upload(#[from] ClientError),
    #[error("comfyui stored it as {to}")]
    Renamed { to: String },
}

fn fetch_failure(input: &InputFile, error: &ServerError) -> RunError {
    match error {
        ServerError::StaleLease => RunError::Stopped(Stop::Dropped),
        ServerError::NotFound { .. } => RunError::Failed(
            FailureKind::InputMissing,
            format!("the input file {} is gone: upload it again, then press Run", input.filename),
        ),
        error => RunError::Failed(
            FailureKind::Transfer,
            format!("the input file {} could not be fetched: {}", input.filename, chain(error)),
        ),
    }
}

/// Input files on the worker's disk, named by their hash.
#[derive(Debug, Clone)]
pub struct InputCache {
    folder: PathBuf,
    /// Old files go once there is more than this.
    capacity_bytes: u64,
}

impl InputCache {
    pub fn new(folder: PathBuf, capacity_bytes: u64) -> Self {
        Self { folder, capacity_bytes }
    }

    /// The path of the file, which is fetched first where it is not there yet.
    async fn fetch(
        &self,
        server: &ServerClient,
        task: &TaskMessage,
        input: &InputFile,
    ) -> Result<PathBuf, ServerError> {
        let damaged = || ServerError::Damaged { name: input.filename.clone() };
        let is_hash = input.sha256.len() == 64 && input.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hash {
            return Err(damaged());
        }
        let path = self.folder.join(&input.sha256);
        if fs::metadata(&path).await.is_ok_and(|found| found.len() == input.bytes) {
            // It is in use, so it goes last when room is needed.
            if let Ok(file) = File::open(&path).await {
                let _ = file.into_std().await.set_modified(SystemTime::now());
            }
            return Ok(path);
        }
        fs::create_dir_all(&self.folder).await.map_err(ServerError::Cache)?;
        let mut damages = 0;
        loop {
            match until_answered("fetch an input", || self.download(server, task, input, &path)).await {
                Err(ServerError::Damaged { .. }) if damages + 1 < DAMAGE_LIMIT => damages += 1,
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        self.make_room().await.map_err(ServerError::Cache)?;
        Ok(path)
    }

    async fn download(
        &self,
        server: &ServerClient,
        task: &TaskMessage,
        input: &InputFile,
        path: &Path,
    ) -> Result<(), ServerError> {
        let mut content = server.input(task, input.index).await?.into_stream();
        let partial = self.folder.join(format!("{}.part", uuid::Uuid::new_v4()));
        let written = async {
            let mut file = File::create(&partial).await.map_err(ServerError::Cache)?;
            let mut hasher = Sha256::new();
            while let Some(chunk) = content.try_next().await? {
                hasher.update(&chunk);
                file.write_all(&chunk).await.map_err(ServerError::Cache)?;
            }
            file.flush().await.map_err(ServerError::Cache)?;
            let hash = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            if !hash.eq_ignore_ascii_case(&input.sha256) {
                return Err(ServerError::Damaged { name: input.filename.clone() });
            }
            fs::rename(&partial, path).await.map_err(ServerError::Cache)
        };
        let written = written.await;
        if written.is_err() {
            // The first error is the one to tell; a leftover is cleared away by make_room.
            let _ = fs::remove_file(&partial).await;
        }
        written
    }

    /// Deletes the files that were not used for longest, until the rest fits.
    async fn make_room(&self) -> std::io::Result<()> {
        let mut files = Vec::new();
        let mut entries = fs::read_dir(&self.folder).await?;
        while let Some(entry) = entries.next_entry().await? {
            // One that vanished meanwhile takes no room.
            if let Ok(found) = entry.metadata().await {
                files.push((found.modified()?, found.len(), entry.path()));
            }
        }
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        files.sort();
        // The newest stays in any case: it is about to be used.
        files.pop();
        for (_, bytes, path) in files {
            if total <= self.capacity_bytes {
                break;
            }
            fs::remove_file(&path).await?;
            total -= bytes;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_file_unused_for_longest_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        for (name, age) in [("old", 300), ("middle", 200), ("new", 100)] {
            let path = folder.path().join(name);
            std::fs::write(&path, [0_u8; 10]).unwrap();
            let file = std::fs::File::open(path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        let cache = InputCache::new(folder.path().to_owned(), 20);
        cache.make_room().await.unwrap();
        assert!(!folder.path().join("old").exists());
        assert!(folder.path().join("middle").exists());
        assert!(folder.path().join("new").exists());
    }

    #[tokio::test]
    async fn the_newest_file_stays_even_when_it_is_too_large() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("large"), [0_u8; 100]).unwrap();
        let cache = InputCache::new(folder.path().to_owned(), 20);
        cache.make_room().await.unwrap();
        assert!(folder.path().join("large").exists());
    }
}
