//! Bytes on their way in: streamed to `incoming`, counted and hashed, then moved to their place.
//!
//! A file that is given up at any point takes its temporary file with it.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use cap_std::fs::{Dir, OpenOptions};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::error::FilesError;
use super::read::OpenFile;
use super::seat::{SeatFiles, SeatShared, lock};

/// Collected before they go to a blocking thread, so that small chunks do not each cost a switch.
const BUFFER_BYTES: usize = 256 * 1024;
const READ_BYTES: usize = 64 * 1024;

/// A file that is arriving.
#[derive(Debug)]
pub struct IncomingFile {
    seat: SeatFiles,
    temporary: TemporaryFile,
    limit_bytes: u64,
    bytes: u64,
    buffer: Vec<u8>,
    /// Absent while a blocking thread writes to it, and for good if that failed.
    sink: Option<Sink>,
}

#[derive(Debug)]
struct Sink {
    file: File,
    digest: Sha256,
}

/// A file that has arrived whole and has no place yet.
#[derive(Debug)]
pub struct ReceivedFile {
    pub(super) temporary: TemporaryFile,
    bytes: u64,
    sha256: String,
}

/// A path in `incoming`; removes the file unless it was moved away.
pub(super) struct TemporaryFile {
    pub(super) shared: Arc<SeatShared>,
    pub(super) path: String,
    pub(super) is_moved: bool,
}

impl SeatFiles {
    /// Begins to receive a file of at most `limit_bytes`.
    pub async fn receive(&self, limit_bytes: u64) -> Result<IncomingFile, FilesError> {
        let shared = Arc::clone(self.shared());
        let (temporary, file) = self
            .blocking(move |_, folder| {
                let path = shared.incoming_path();
                let mut options = OpenOptions::new();
                options.read(true).write(true).create_new(true);
                let file =
                    folder.open_with(&path, &options).map_err(FilesError::of("make a temporary file"))?;
                Ok((TemporaryFile { shared, path, is_moved: false }, file.into_std()))
            })
            .await?;
        let sink = Some(Sink { file, digest: Sha256::new() });
        Ok(IncomingFile { seat: self.clone(), temporary, limit_bytes, bytes: 0, buffer: Vec::new(), sink })
    }

    /// Receives all of `body`, at most `limit_bytes`.
    pub async fn receive_all(
        &self,
        mut body: impl AsyncRead + Send + Unpin,
        limit_bytes: u64,
    ) -> Result<ReceivedFile, FilesError> {
        let mut incoming = self.receive(limit_bytes).await?;
        let mut chunk = vec![0; READ_BYTES];
        loop {
            match body.read(&mut chunk).await {
                Ok(0) => return incoming.finish().await,
                Ok(read) => incoming.write(&chunk[..read]).await?,
                Err(source) => return Err(FilesError::BodyBroke(source)),
            }
        }
    }

    /// Receives what is already in memory.
    pub async fn receive_bytes(&self, content: &[u8]) -> Result<ReceivedFile, FilesError> {
        let mut incoming = self.receive(content.len() as u64).await?;
        incoming.write(content).await?;
        incoming.finish().await
    }
}

impl IncomingFile {
    /// Takes the next bytes.
    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), FilesError> {
        self.bytes += chunk.len() as u64;
        if self.bytes > self.limit_bytes {
            return Err(FilesError::TooLarge { limit_bytes: self.limit_bytes });
        }
        self.buffer.extend_from_slice(chunk);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Ends the file.
    pub async fn finish(mut self) -> Result<ReceivedFile, FilesError> {
        self.flush().await?;
        let sink = self.sink.take().ok_or_else(write_failed_before)?;
        let sha256 = format!("{:x}", sink.digest.finalize());
        Ok(ReceivedFile { temporary: self.temporary, bytes: self.bytes, sha256 })
    }

    async fn flush(&mut self) -> Result<(), FilesError> {
        let mut sink = self.sink.take().ok_or_else(write_failed_before)?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let (sink, buffer) = self
            .seat
            .blocking(move |_, _| {
                sink.file.write_all(&buffer).map_err(FilesError::of("write an arriving file"))?;
                sink.digest.update(&buffer);
                buffer.clear();
                Ok((sink, buffer))
            })
            .await?;
        self.sink = Some(sink);
        self.buffer = buffer;
        Ok(())
    }
}

impl ReceivedFile {
    pub(super) fn new(temporary: TemporaryFile, bytes: u64, sha256: String) -> Self {
        Self { temporary, bytes, sha256 }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Of the content, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Opens the content before it has its place.
    pub async fn open(&self, seat: &SeatFiles) -> Result<OpenFile, FilesError> {
        let path = self.temporary.path.clone();
        seat.blocking(move |_, folder| OpenFile::open(folder, &path)).await
    }

    pub(super) fn open_blocking(&self, folder: &Dir) -> Result<File, FilesError> {
        Ok(OpenFile::open(folder, &self.temporary.path)?.file)
    }

    /// Moves the file to its place, over whatever file is there.
    pub(super) fn move_to(mut self, folder: &Dir, path: &str) -> Result<(), FilesError> {
        folder
            .rename(&self.temporary.path, folder, path)
            .map_err(FilesError::of("move a file to its place"))?;
        self.temporary.is_moved = true;
        // Two contents of one length within one tick of the clock look alike to the cache.
        lock(&self.temporary.shared.hashes).forget(path);
        Ok(())
    }
}

fn write_failed_before() -> FilesError {
    FilesError::Io {
        operation: "write an arriving file",
        source: std::io::Error::other("an earlier write of it failed"),
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if self.is_moved {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let path = std::mem::take(&mut self.path);
        let remove = move || {
            if let Err(error) = shared.folder.remove_file(&path) {
                tracing::warn!(%error, "a temporary file could not be removed; the next start removes it");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

impl std::fmt::Debug for TemporaryFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.path)
    }
}
