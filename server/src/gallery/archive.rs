//! Archives sent while they are made: nothing is copied to the disk, and never more than
//! [`CHUNKS_AHEAD`] chunks are in memory, however large the files are.
//!
//! Media are compressed already, so they are stored as they are. What fails on the way
//! breaks the answer off: an archive that arrives whole is whole.

use std::io::{self, Write};

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use domain::Timestamp;
use futures::StreamExt;
use tokio::sync::{Semaphore, mpsc};
use workshop::files::{FileLocation, FilesError, OpenFile, SeatFiles, SeatPath};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::comfy::seat_file;
use crate::error::HttpError;

const CHUNK_BYTES: usize = 64 * 1024;
const CHUNKS_AHEAD: usize = 8;
/// From this size on an entry's lengths need 64 bits.
const LARGE_BYTES: u64 = u32::MAX as u64;

/// Each holds a thread for as long as its browser takes to load it.
static UNDER_WAY: Semaphore = Semaphore::const_new(64);

/// A file of an archive.
pub(super) struct Entry {
    pub name: String,
    pub made_at: Timestamp,
    pub source: Source,
}

pub(super) enum Source {
    File(FileLocation),
    User(SeatPath),
    Text(String),
}

/// Answers with the archive. A file that has gone by the time it is reached is left out.
pub(super) fn respond(files: SeatFiles, entries: Vec<Entry>, name: &str) -> Result<Response, HttpError> {
    let permit = UNDER_WAY.try_acquire().map_err(|_| {
        HttpError::refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "Many people are downloading just now. Try again in a moment.",
        )
    })?;
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let out = ChannelWriter { sender: sender.clone(), buffer: BytesMut::with_capacity(CHUNK_BYTES) };
        match write(out, &files, &entries) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                tracing::debug!("a download was given up")
            }
            Err(error) => {
                tracing::error!(%error, "an archive broke off");
                // Nobody listening any more is fine.
                let _ = sender.blocking_send(Err(error));
            }
        }
    });
    let chunks = futures::stream::unfold(receiver, |mut receiver: mpsc::Receiver<io::Result<Bytes>>| async {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    Ok((seat_file::headers(name, "application/zip", "attachment"), Body::from_stream(chunks.boxed()))
        .into_response())
}

fn write(out: impl Write, files: &SeatFiles, entries: &[Entry]) -> io::Result<()> {
    let mut archive = ZipWriter::new_stream(out);
    for entry in entries {
        match &entry.source {
            Source::Text(text) => {
                archive.start_file(entry.name.as_str(), options(entry, text.len() as u64))?;
                archive.write_all(text.as_bytes())?;
            }
            Source::File(location) => add_file(&mut archive, entry, files.open_blocking(location))?,
            Source::User(path) => add_file(&mut archive, entry, files.open_userdata_blocking(path))?,
        }
    }
    archive.finish()?.into_inner().flush()
}

fn add_file<W: Write>(
    archive: &mut ZipWriter<zip::write::StreamWriter<W>>,
    entry: &Entry,
    open: Result<OpenFile, FilesError>,
) -> io::Result<()> {
    let mut open = match open {
        Ok(open) => open,
        Err(error) if error.status() == 404 => return Ok(()),
        Err(error) => return Err(io::Error::other(error)),
    };
    archive.start_file(entry.name.as_str(), options(entry, open.bytes))?;
    io::copy(&mut open.file, archive)?;
    Ok(())
}

fn options(entry: &Entry, bytes: u64) -> SimpleFileOptions {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(bytes >= LARGE_BYTES);
    match dos_time(entry.made_at) {
        Some(time) => options.last_modified_time(time),
        None => options,
    }
}

/// None before 1980, when that calendar begins.
fn dos_time(at: Timestamp) -> Option<zip::DateTime> {
    let at = time::OffsetDateTime::from_unix_timestamp(at.unix_ms().div_euclid(1000)).ok()?;
    zip::DateTime::try_from(time::PrimitiveDateTime::new(at.date(), at.time())).ok()
}

/// Hands what is written on in chunks, and waits while the browser is slower.
struct ChannelWriter {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: BytesMut,
}

impl Write for ChannelWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == CHUNK_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = self.buffer.split().freeze();
        self.buffer.reserve(CHUNK_BYTES);
        self.sender.blocking_send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use domain::SeatId;
    use workshop::files::{FolderKind, SeatFolders};
    use zip::ZipArchive;

    use super::*;

    async fn seat(folder: &tempfile::TempDir) -> SeatFiles {
        SeatFolders::open(folder.path()).unwrap().seat(SeatId::new(1).unwrap()).await.unwrap()
    }

    fn entry(name: &str, source: Source) -> Entry {
        Entry { name: name.to_owned(), made_at: Timestamp::from_unix_ms(1_795_442_589_000), source }
    }

    fn output(name: &str) -> Source {
        Source::File(FileLocation::parse(FolderKind::Output, "", name).unwrap())
    }

    #[tokio::test]
    async fn an_archive_holds_what_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let files = seat(&folder).await;
        let content: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
        std::fs::write(folder.path().join("seats/user001/output/a.png"), &content).unwrap();
        let entries = vec![
            entry("index.html", Source::Text("<p>".into())),
            entry("sub/ä b.png", output("a.png")),
            entry("gone.png", output("gone.png")),
        ];
        let response = respond(files, entries, "x.zip").unwrap();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let mut archive = ZipArchive::new(io::Cursor::new(bytes)).unwrap();
        let names: Vec<_> = archive.file_names().map(Result::unwrap).collect();
        assert_eq!(names, ["index.html", "sub/ä b.png"]);
        let mut read = Vec::new();
        let mut file = archive.by_name("sub/ä b.png").unwrap();
        assert_eq!(
            (file.compression(), file.last_modified().unwrap().year()),
            (CompressionMethod::Stored, 2026)
        );
        io::copy(&mut file, &mut read).unwrap();
        assert_eq!(read, content);
    }

    #[tokio::test]
    async fn a_download_that_is_given_up_ends() {
        let folder = tempfile::tempdir().unwrap();
        let files = seat(&folder).await;
        std::fs::write(folder.path().join("seats/user001/output/a.png"), vec![7; 10 * CHUNK_BYTES]).unwrap();
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        let out = ChannelWriter { sender, buffer: BytesMut::new() };
        let written =
            tokio::task::spawn_blocking(move || write(out, &files, &[entry("a.png", output("a.png"))]));
        assert_eq!(written.await.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
