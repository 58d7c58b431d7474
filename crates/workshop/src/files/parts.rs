//! Uploads that come in pieces: each grows in the seat's `uploads` folder until it is whole.
//!
//! The file's length is the record of what has arrived. Unlike `incoming` the folder
//! outlives a restart. The content is hashed as it arrives; what arrived before a restart
//! is hashed again along the way, a bounded part with each write, so that nothing waits
//! long for it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use cap_std::fs::{Dir, OpenOptions};
use domain::UploadId;
use sha2::{Digest, Sha256};

use super::error::FilesError;
use super::incoming::{ReceivedFile, TemporaryFile};
use super::seat::{SeatFiles, SeatShared};

/// Where files grow. Made when a seat first needs it.
pub(super) const PARTS: &str = "uploads";
/// Written pages go to disk this often, so that a fast sender waits for the disk and not the
/// kernel for memory.
const SYNC_BYTES: u64 = 64 << 20;
const REHASH_BUFFER_BYTES: usize = 1 << 20;
/// How much of what is not hashed yet is hashed with each write, in writes.
const REHASH_RATIO: u64 = 8;

/// The hash of a file's first bytes.
#[derive(Debug, Clone, Default)]
pub struct PartHash {
    digest: Sha256,
    bytes: u64,
}

/// A part that is open for more.
#[derive(Debug)]
pub struct OpenPart {
    seat: SeatFiles,
    /// Absent while a blocking thread writes to it, and for good if that failed.
    sink: Option<Sink>,
    bytes: u64,
}

#[derive(Debug)]
struct Sink {
    file: File,
    hash: PartHash,
    bytes: u64,
    unsynced_bytes: u64,
}

impl SeatFiles {
    /// Makes an empty part.
    pub async fn create_part(&self, id: UploadId) -> Result<(), FilesError> {
        self.blocking(move |_, folder| {
            folder.create_dir_all(PARTS).map_err(FilesError::of("make the folder of uploads"))?;
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            folder.open_with(part_path(id), &options).map_err(FilesError::of("begin an upload"))?;
            Ok(())
        })
        .await
    }

    /// How many bytes of it have arrived.
    pub async fn part_bytes(&self, id: UploadId) -> Result<u64, FilesError> {
        self.blocking(move |_, folder| part_bytes(folder, id)).await
    }

    /// Opens a part to go on with it; `hash` is of its first bytes as far as that is known.
    pub async fn open_part(&self, id: UploadId, hash: PartHash) -> Result<OpenPart, FilesError> {
        let sink = self.blocking(move |_, folder| Sink::open(folder, id, hash)).await?;
        Ok(OpenPart { seat: self.clone(), bytes: sink.bytes, sink: Some(sink) })
    }

    /// Takes a whole part; the file is removed unless it is moved to its place.
    pub async fn take_part(&self, id: UploadId, hash: PartHash) -> Result<ReceivedFile, FilesError> {
        let shared = Arc::clone(self.shared());
        self.blocking(move |_, folder| {
            let mut sink = Sink::open(folder, id, hash)?;
            sink.rehash(u64::MAX)?;
            let sha256 = format!("{:x}", sink.hash.digest.finalize());
            let temporary = TemporaryFile::at(&shared, part_path(id));
            Ok(ReceivedFile::new(temporary, sink.bytes, sha256))
        })
        .await
    }

    /// Removes a part; one that is gone is none.
    pub async fn remove_part(&self, id: UploadId) -> Result<(), FilesError> {
        self.blocking(move |_, folder| {
            match folder.remove_file(part_path(id)).map_err(FilesError::of("drop an upload")) {
                Err(FilesError::NotFound) => Ok(()),
                removed => removed,
            }
        })
        .await
    }

    /// Removes what lies among the parts and is none of these.
    pub async fn retain_parts(&self, known: Vec<UploadId>) -> Result<(), FilesError> {
        self.blocking(move |_, folder| {
            let failed = FilesError::of("tidy the folder of uploads");
            let entries = match folder.read_dir(PARTS) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(failed(error)),
            };
            for entry in entries {
                let entry = entry.map_err(&failed)?;
                let id = entry.file_name().to_str().and_then(|name| name.parse::<UploadId>().ok());
                if !id.is_some_and(|id| known.contains(&id)) {
                    entry.remove_file().map_err(&failed)?;
                }
            }
            Ok(())
        })
        .await
    }
}

impl OpenPart {
    /// How much of the file is there.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends; gives the buffer back, emptied, for the next bytes.
    pub async fn append(&mut self, mut chunk: Vec<u8>) -> Result<Vec<u8>, FilesError> {
        let mut sink = self.sink.take().ok_or_else(write_failed_before)?;
        let (sink, chunk) = self
            .seat
            .blocking(move |_, _| {
                sink.append(&chunk)?;
                chunk.clear();
                Ok((sink, chunk))
            })
            .await?;
        self.bytes = sink.bytes;
        self.sink = Some(sink);
        Ok(chunk)
    }

    /// Makes what arrived outlive a power cut, and gives its hash for the next time.
    pub async fn close(mut self) -> Result<PartHash, FilesError> {
        let mut sink = self.sink.take().ok_or_else(write_failed_before)?;
        self.seat
            .blocking(move |_, _| {
                sink.sync()?;
                Ok(sink.hash)
            })
            .await
    }
}

impl Sink {
    fn open(folder: &Dir, id: UploadId, mut hash: PartHash) -> Result<Self, FilesError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true);
        let file =
            folder.open_with(part_path(id), &options).map_err(FilesError::of("go on with an upload"))?;
        let bytes = file.metadata().map_err(FilesError::of("look at an upload"))?.len();
        if hash.bytes > bytes {
            hash = PartHash::default();
        }
        Ok(Self { file: file.into_std(), hash, bytes, unsynced_bytes: 0 })
    }

    fn append(&mut self, chunk: &[u8]) -> Result<(), FilesError> {
        let length = chunk.len() as u64;
        self.file.write_all(chunk).map_err(FilesError::of("write an upload"))?;
        if self.hash.bytes == self.bytes {
            self.hash.digest.update(chunk);
            self.hash.bytes += length;
        }
        self.bytes += length;
        self.rehash(length.saturating_mul(REHASH_RATIO))?;
        self.unsynced_bytes += length;
        if self.unsynced_bytes >= SYNC_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), FilesError> {
        if self.unsynced_bytes > 0 {
            self.file.sync_data().map_err(FilesError::of("write an upload to disk"))?;
            self.unsynced_bytes = 0;
        }
        Ok(())
    }

    /// Hashes at most so much of what is on disk and not hashed yet.
    fn rehash(&mut self, limit: u64) -> Result<(), FilesError> {
        let missing = (self.bytes - self.hash.bytes).min(limit);
        if missing == 0 {
            return Ok(());
        }
        let failed = FilesError::of("read an upload again");
        // Appending does not follow this position.
        self.file.seek(SeekFrom::Start(self.hash.bytes)).map_err(&failed)?;
        let mut rest = (&self.file).take(missing);
        let mut buffer = vec![0; REHASH_BUFFER_BYTES];
        loop {
            let read = rest.read(&mut buffer).map_err(&failed)?;
            if read == 0 {
                return Ok(());
            }
            self.hash.digest.update(&buffer[..read]);
            self.hash.bytes += read as u64;
        }
    }
}

fn part_path(id: UploadId) -> String {
    format!("{PARTS}/{id}")
}

fn part_bytes(folder: &Dir, id: UploadId) -> Result<u64, FilesError> {
    Ok(folder.metadata(part_path(id)).map_err(FilesError::of("look at an upload"))?.len())
}

fn write_failed_before() -> FilesError {
    FilesError::Io {
        operation: "write an upload",
        source: std::io::Error::other("an earlier write of it failed"),
    }
}

impl TemporaryFile {
    fn at(shared: &Arc<SeatShared>, path: String) -> Self {
        Self { shared: Arc::clone(shared), path, is_moved: false }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_seat::TestSeat;
    use super::super::{FileName, FolderKind, SameName, SeatPath, Upload};
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn id(number: u8) -> UploadId {
        format!("00000000-0000-4000-8000-0000000000{number:02}").parse().unwrap()
    }

    async fn append(seat: &TestSeat, id: UploadId, hash: PartHash, text: &str) -> PartHash {
        let mut part = seat.files.open_part(id, hash).await.unwrap();
        part.append(text.as_bytes().to_vec()).await.unwrap();
        part.close().await.unwrap()
    }

    #[tokio::test]
    async fn pieces_become_one_file_with_its_hash() {
        let seat = TestSeat::new().await;
        seat.files.create_part(id(1)).await.unwrap();
        let hash = append(&seat, id(1), PartHash::default(), "a").await;
        assert_eq!(seat.files.part_bytes(id(1)).await.unwrap(), 1);
        let hash = append(&seat, id(1), hash, "bc").await;
        let received = seat.files.take_part(id(1), hash).await.unwrap();
        assert_eq!((received.bytes(), received.sha256()), (3, ABC));
        let upload = Upload {
            kind: FolderKind::Input,
            subfolder: SeatPath::default(),
            name: FileName::parse("a.txt").unwrap(),
            same_name: SameName::KeepBoth,
        };
        seat.files.store_upload(received, upload).await.unwrap();
        assert_eq!(seat.read("input/a.txt"), "abc");
        assert!(seat.names("uploads").is_empty());
    }

    #[tokio::test]
    async fn a_forgotten_hash_is_made_again() {
        let seat = TestSeat::new().await;
        seat.files.create_part(id(1)).await.unwrap();
        append(&seat, id(1), PartHash::default(), "a").await;
        append(&seat, id(1), PartHash::default(), "b").await;
        // One that is of more than is there, as after a power cut, counts for nothing.
        let ahead = PartHash { digest: Sha256::new(), bytes: 9 };
        append(&seat, id(1), ahead, "c").await;
        let received = seat.files.take_part(id(1), PartHash::default()).await.unwrap();
        assert_eq!(received.sha256(), ABC);
        drop(received);
        seat.wait_until(|| seat.names("uploads").is_empty()).await;
    }

    #[tokio::test]
    async fn what_nobody_knows_is_tidied_away() {
        let seat = TestSeat::new().await;
        seat.files.retain_parts(vec![]).await.unwrap();
        for number in [1, 2] {
            seat.files.create_part(id(number)).await.unwrap();
        }
        seat.files.retain_parts(vec![id(2)]).await.unwrap();
        assert_eq!(seat.names("uploads"), [id(2).to_string()]);
        seat.files.remove_part(id(2)).await.unwrap();
        seat.files.remove_part(id(2)).await.unwrap();
        assert!(matches!(seat.files.part_bytes(id(2)).await, Err(FilesError::NotFound)));
    }
}
