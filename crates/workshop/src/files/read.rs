//! Reading: opening a file, listing a folder, and the content hash of an input.
//!
//! Files are only ever replaced by renaming, never written in place, so an open
//! handle sees one content from begin to end.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::time::SystemTime;

use cap_std::fs::{Dir, Metadata};
use comfy_api::annotated_path::AnnotatedPath;
use sha2::{Digest, Sha256};

use super::error::FilesError;
use super::location::{FileLocation, FolderKind};
use super::path::SeatPath;
use super::seat::{SeatFiles, SeatShared, USER, lock};

/// Entries of the hash cache of one seat before it is begun anew.
const MAX_CACHED_HASHES: usize = 4096;

/// An open file with what was true of it when it was opened.
#[derive(Debug)]
pub struct OpenFile {
    pub file: File,
    pub bytes: u64,
    pub modified_at: SystemTime,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentHash {
    /// In lower-case hexadecimal.
    pub sha256: String,
    pub bytes: u64,
}

/// Hashes by path, each valid for one length and modification time.
#[derive(Default)]
pub(super) struct HashCache(HashMap<String, (u64, SystemTime, String)>);

impl SeatFiles {
    /// Opens a file for reading.
    pub async fn open(&self, location: &FileLocation) -> Result<OpenFile, FilesError> {
        let path = location.path();
        self.blocking(move |_, folder| OpenFile::open(folder, &path)).await
    }

    /// As [`SeatFiles::open`], for a thread that may block.
    pub fn open_blocking(&self, location: &FileLocation) -> Result<OpenFile, FilesError> {
        OpenFile::open(&self.shared().folder, &location.path())
    }

    /// Opens a file of the user directory, on a thread that may block.
    pub fn open_userdata_blocking(&self, path: &SeatPath) -> Result<OpenFile, FilesError> {
        OpenFile::open(&self.shared().folder, &format!("{USER}/{path}"))
    }

    /// Opens the file that a node names.
    pub async fn open_path(&self, path: &AnnotatedPath) -> Result<File, FilesError> {
        Ok(self.open(&path.try_into()?).await?.file)
    }

    /// Whether the file that a node names is there. Blocks.
    pub fn exists_blocking(&self, path: &AnnotatedPath) -> bool {
        let shared = self.shared();
        let metadata = FileLocation::try_from(path).map_err(FilesError::from).and_then(|location| {
            shared.folder.metadata(location.path()).map_err(FilesError::of("look at a file"))
        });
        present(metadata).is_some_and(|metadata| metadata.is_file())
    }

    /// The SHA-256 and length of the file that a node names, if it is there. Blocks.
    pub fn hash_blocking(&self, path: &AnnotatedPath) -> Option<(String, u64)> {
        let shared = self.shared();
        let hash = FileLocation::try_from(path)
            .map_err(FilesError::from)
            .and_then(|location| shared.content_hash(&shared.folder, &location.path()));
        present(hash).map(|hash| (hash.sha256, hash.bytes))
    }

    /// The names of the files directly in a folder, sorted as ComfyUI's loaders list them.
    pub async fn list_names(&self, kind: impl Into<FolderKind>) -> Result<Vec<String>, FilesError> {
        let mut files = self.files_directly_in(kind.into()).await?;
        files.sort();
        Ok(files.into_iter().map(|(name, _)| name).collect())
    }

    /// The names of the files directly in a folder, newest first.
    pub async fn names_newest_first(&self, kind: FolderKind) -> Result<Vec<String>, FilesError> {
        let mut files = self.files_directly_in(kind).await?;
        files.sort_by(|(name, modified_at), (other, other_modified_at)| {
            other_modified_at.cmp(modified_at).then_with(|| name.cmp(other))
        });
        Ok(files.into_iter().map(|(name, _)| name).collect())
    }

    /// The hash of a file's content. Read once per content: remembered by path, length and time.
    pub async fn content_hash(&self, location: &FileLocation) -> Result<ContentHash, FilesError> {
        let path = location.path();
        self.blocking(move |shared, folder| shared.content_hash(folder, &path)).await
    }

    async fn files_directly_in(&self, kind: FolderKind) -> Result<Vec<(String, SystemTime)>, FilesError> {
        self.blocking(move |_, folder| {
            let failed = FilesError::of("list a folder");
            let mut files = Vec::new();
            for entry in folder.read_dir(kind.as_str()).map_err(&failed)? {
                let entry = entry.map_err(&failed)?;
                let Ok(name) = entry.file_name().into_string() else {
                    continue;
                };
                match entry.metadata() {
                    Ok(metadata) if metadata.is_file() => files.push((name, modified_at(&metadata))),
                    Ok(_) => {}
                    // Removed since the folder was read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(failed(error)),
                }
            }
            Ok(files)
        })
        .await
    }
}

impl OpenFile {
    pub(super) fn open(folder: &Dir, path: &str) -> Result<Self, FilesError> {
        let failed = FilesError::of("open a file");
        let file = folder.open(path).map_err(&failed)?;
        let metadata = file.metadata().map_err(&failed)?;
        if !metadata.is_file() {
            return Err(FilesError::IsFolder);
        }
        Ok(Self { bytes: metadata.len(), modified_at: modified_at(&metadata), file: file.into_std() })
    }
}

impl SeatShared {
    pub(super) fn content_hash(&self, folder: &Dir, path: &str) -> Result<ContentHash, FilesError> {
        let mut open = OpenFile::open(folder, path)?;
        if let Some(sha256) = lock(&self.hashes).get(path, &open) {
            return Ok(ContentHash { sha256, bytes: open.bytes });
        }
        let mut digest = Sha256::new();
        io::copy(&mut open.file, &mut digest).map_err(FilesError::of("read a file"))?;
        let sha256 = format!("{:x}", digest.finalize());
        lock(&self.hashes).insert(path, &open, &sha256);
        Ok(ContentHash { sha256, bytes: open.bytes })
    }
}

impl HashCache {
    fn get(&self, path: &str, open: &OpenFile) -> Option<String> {
        let (bytes, modified_at, sha256) = self.0.get(path)?;
        (*bytes == open.bytes && *modified_at == open.modified_at).then(|| sha256.clone())
    }

    pub(super) fn forget(&mut self, path: &str) {
        self.0.remove(path);
    }

    fn insert(&mut self, path: &str, open: &OpenFile, sha256: &str) {
        if self.0.len() >= MAX_CACHED_HASHES {
            self.0.clear();
        }
        self.0.insert(path.to_owned(), (open.bytes, open.modified_at, sha256.to_owned()));
    }
}

/// What was asked of a file, if it is there. A failing disk looks like an absent file to
/// these callers, so it is logged here.
fn present<T>(found: Result<T, FilesError>) -> Option<T> {
    found
        .inspect_err(|error| {
            if error.status() >= 500 {
                tracing::error!(error = %error, cause = ?std::error::Error::source(error), "an input file could not be read");
            }
        })
        .ok()
}

/// When the file's content last changed; a file system without times counts as never.
pub(super) fn modified_at(metadata: &Metadata) -> SystemTime {
    metadata.modified().map_or(SystemTime::UNIX_EPOCH, |time| time.into_std())
}

#[cfg(test)]
mod tests {
    use super::super::test_seat::TestSeat;
    use super::*;

    #[tokio::test]
    async fn inputs_are_listed_by_name_and_files_by_age() {
        let seat = TestSeat::new().await;
        for (age, name) in ["b.png", "B.png", "a.png"].into_iter().enumerate() {
            seat.write(&format!("input/{name}"), name);
            seat.set_age(&format!("input/{name}"), age as u64);
        }
        seat.write("input/sub/deep.png", "");
        assert_eq!(seat.files.list_names(FolderKind::Input).await.unwrap(), ["B.png", "a.png", "b.png"]);
        let newest_first = seat.files.names_newest_first(FolderKind::Input).await.unwrap();
        assert_eq!(newest_first, ["a.png", "B.png", "b.png"]);
    }

    #[tokio::test]
    async fn a_new_seat_has_empty_folders() {
        let seat = TestSeat::new().await;
        for kind in FolderKind::ALL {
            assert!(seat.files.names_newest_first(kind).await.unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn the_hash_follows_the_content() {
        let seat = TestSeat::new().await;
        let location = FileLocation::parse(FolderKind::Input, "", "a.txt").unwrap();
        seat.write("input/a.txt", "abc");
        let hash = seat.files.content_hash(&location).await.unwrap();
        assert_eq!(hash.bytes, 3);
        assert_eq!(hash.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(seat.files.content_hash(&location).await.unwrap(), hash);
        seat.write("input/a.txt", "other");
        assert_ne!(seat.files.content_hash(&location).await.unwrap().sha256, hash.sha256);
    }

    #[tokio::test]
    async fn a_node_finds_its_files_only() {
        let seat = TestSeat::new().await;
        seat.write("output/sub/a.png", "abc");
        let found = AnnotatedPath::parse("sub/a.png [output]").unwrap();
        assert!(seat.files.exists_blocking(&found));
        assert_eq!(seat.files.hash_blocking(&found).unwrap().1, 3);
        assert_eq!(std::io::read_to_string(seat.files.open_path(&found).await.unwrap()).unwrap(), "abc");
        for absent in ["sub/a.png", "sub [output]", "other.png"] {
            let absent = AnnotatedPath::parse(absent).unwrap();
            assert!(!seat.files.exists_blocking(&absent));
            assert!(seat.files.hash_blocking(&absent).is_none());
        }
        // Not every such value comes from the parser.
        let escape = AnnotatedPath { subfolder: "../../user002/input".into(), ..found };
        assert!(!seat.files.exists_blocking(&escape));
        assert!(seat.files.open_path(&escape).await.is_err());
    }

    #[tokio::test]
    async fn folders_and_absent_files_do_not_open() {
        let seat = TestSeat::new().await;
        seat.write("input/sub/a.png", "x");
        let open = |name: &str| FileLocation::parse(FolderKind::Input, "", name).unwrap();
        assert!(matches!(seat.files.open(&open("sub")).await, Err(FilesError::IsFolder)));
        assert!(matches!(seat.files.open(&open("gone.png")).await, Err(FilesError::NotFound)));
    }
}
