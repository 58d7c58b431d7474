//! ComfyUI's user directory: workflows, saved subgraphs and whatever else the editor keeps.

use std::collections::VecDeque;
use std::io::Read;
use std::time::SystemTime;

use cap_std::fs::{Dir, Metadata};

use super::error::FilesError;
use super::incoming::ReceivedFile;
use super::location::FolderKind;
use super::path::SeatPath;
use super::read::{OpenFile, modified_at};
use super::seat::{SeatFiles, USER};

/// More than a person's workflows ever are; a listing is held in memory.
const MAX_ENTRIES: usize = 20_000;

/// A file of the user directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFile {
    /// Relative to the folder that was listed, or to the user directory.
    pub path: SeatPath,
    pub bytes: u64,
    pub modified_at: SystemTime,
    pub created_at: SystemTime,
}

/// A file or folder of the user directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserEntry {
    Folder(SeatPath),
    File(UserFile),
}

/// How far a listing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Only what lies directly in the folder.
    Direct,
    /// Its subfolders as well.
    All,
}

/// What becomes of a file that already has the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Replace,
    Refuse,
}

impl SeatFiles {
    /// All files of one of the three folders, sorted, with paths relative to it.
    pub async fn list_all(&self, kind: FolderKind) -> Result<Vec<UserFile>, FilesError> {
        self.blocking(move |_, folder| {
            let top = folder.open_dir(kind.as_str()).map_err(FilesError::of("open a folder"))?;
            let entries = walk(&top, &SeatPath::default(), Depth::All, |_| true)?;
            let mut files: Vec<UserFile> = entries.into_iter().filter_map(UserEntry::into_file).collect();
            files.sort_by(|file, other| file.path.cmp(&other.path));
            Ok(files)
        })
        .await
    }

    /// The files in a folder, sorted, with paths relative to it. Hidden ones are left out, as in ComfyUI.
    pub async fn list_userdata(&self, path: SeatPath, depth: Depth) -> Result<Vec<UserFile>, FilesError> {
        self.blocking(move |_, folder| {
            let is_shown = |name: &str| !name.starts_with('.');
            let entries = walk(&open_user_folder(folder, &path)?, &SeatPath::default(), depth, is_shown)?;
            let mut files: Vec<UserFile> = entries.into_iter().filter_map(UserEntry::into_file).collect();
            files.sort_by(|file, other| file.path.cmp(&other.path));
            Ok(files)
        })
        .await
    }

    /// Everything below a folder: folders first, then files, each by name, with paths
    /// relative to the user directory.
    pub async fn userdata_tree(&self, path: SeatPath) -> Result<Vec<UserEntry>, FilesError> {
        self.blocking(move |_, folder| {
            let mut entries = walk(&open_user_folder(folder, &path)?, &path, Depth::All, |_| true)?;
            entries.sort_by_cached_key(UserEntry::sort_key);
            Ok(entries)
        })
        .await
    }

    /// Opens a file for reading.
    pub async fn open_userdata(&self, path: &SeatPath) -> Result<OpenFile, FilesError> {
        let path = user_path(path);
        self.blocking(move |_, folder| OpenFile::open(folder, &path)).await
    }

    /// The whole of a file of at most `limit_bytes`. Blocks.
    pub fn read_userdata_blocking(&self, path: &SeatPath, limit_bytes: u64) -> Result<Vec<u8>, FilesError> {
        let open = OpenFile::open(&self.shared().folder, &user_path(path))?;
        if open.bytes > limit_bytes {
            return Err(FilesError::TooLarge { limit_bytes });
        }
        let mut content = Vec::new();
        open.file.take(limit_bytes).read_to_end(&mut content).map_err(FilesError::of("read a file"))?;
        Ok(content)
    }

    /// Puts a received file in its place, making the folders that lead there.
    pub async fn store_userdata(
        &self,
        received: ReceivedFile,
        path: SeatPath,
        existing: Existing,
    ) -> Result<UserFile, FilesError> {
        self.blocking(move |shared, folder| {
            let place = user_path(&path);
            folder.create_dir_all(user_path(&path.parent())).map_err(FilesError::of("make a folder"))?;
            let _choosing = shared.choose_name();
            refuse_existing(folder, &place, existing)?;
            received.move_to(folder, &place)?;
            user_file(folder, path)
        })
        .await
    }

    /// Deletes a file.
    pub async fn delete_userdata(&self, path: &SeatPath) -> Result<(), FilesError> {
        let path = user_path(path);
        self.blocking(move |_, folder| {
            let failed = FilesError::of("delete a file");
            if folder.symlink_metadata(&path).map_err(&failed)?.is_dir() {
                return Err(FilesError::IsFolder);
            }
            folder.remove_file(&path).map_err(&failed)
        })
        .await
    }

    /// Moves or renames a file or folder.
    pub async fn move_userdata(
        &self,
        source: &SeatPath,
        destination: SeatPath,
        existing: Existing,
    ) -> Result<UserFile, FilesError> {
        let source = user_path(source);
        self.blocking(move |shared, folder| {
            let failed = FilesError::of("move a file");
            let place = user_path(&destination);
            let is_folder = folder.symlink_metadata(&source).map_err(&failed)?.is_dir();
            folder.create_dir_all(user_path(&destination.parent())).map_err(&failed)?;
            let _choosing = shared.choose_name();
            // A folder may take no other's place: all that is in that one would be lost or mixed in.
            refuse_existing(folder, &place, if is_folder { Existing::Refuse } else { existing })?;
            folder.rename(&source, folder, &place).map_err(&failed)?;
            user_file(folder, destination)
        })
        .await
    }
}

impl UserEntry {
    pub(super) fn into_file(self) -> Option<UserFile> {
        match self {
            Self::File(file) => Some(file),
            Self::Folder(_) => None,
        }
    }

    fn sort_key(&self) -> (bool, String) {
        match self {
            Self::Folder(path) => (false, path.name().to_lowercase()),
            Self::File(file) => (true, file.path.name().to_lowercase()),
        }
    }
}

pub(super) fn user_path(path: &SeatPath) -> String {
    if path.is_root() { USER.to_owned() } else { format!("{USER}/{path}") }
}

fn open_user_folder(folder: &Dir, path: &SeatPath) -> Result<Dir, FilesError> {
    folder.open_dir(user_path(path)).map_err(FilesError::of("open a folder"))
}

fn refuse_existing(folder: &Dir, path: &str, existing: Existing) -> Result<(), FilesError> {
    match folder.symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() || existing == Existing::Refuse => Err(FilesError::AlreadyExists),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FilesError::of("look for a file")(error)),
    }
}

fn user_file(folder: &Dir, path: SeatPath) -> Result<UserFile, FilesError> {
    let metadata = folder.metadata(user_path(&path)).map_err(FilesError::of("look at a file"))?;
    Ok(UserFile::new(path, &metadata))
}

impl UserFile {
    fn new(path: SeatPath, metadata: &Metadata) -> Self {
        let modified_at = modified_at(metadata);
        // Not every file system knows when a file was made.
        let created_at = metadata.created().map_or(modified_at, |time| time.into_std());
        Self { path, bytes: metadata.len(), modified_at, created_at }
    }
}

/// Reads a folder breadth-first. Links are left out, so no walk goes round in circles.
pub(super) fn walk(
    folder: &Dir,
    named: &SeatPath,
    depth: Depth,
    is_shown: impl Fn(&str) -> bool,
) -> Result<Vec<UserEntry>, FilesError> {
    let failed = FilesError::of("list a folder");
    let mut entries = Vec::new();
    let mut to_read = VecDeque::from([(SeatPath::default(), named.clone())]);
    while let Some((path, named)) = to_read.pop_front() {
        let here = if path.is_root() { "." } else { path.as_str() };
        for entry in folder.read_dir(here).map_err(&failed)? {
            let entry = entry.map_err(&failed)?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if !is_shown(&name) {
                continue;
            }
            if entries.len() == MAX_ENTRIES {
                return Err(FilesError::TooManyEntries);
            }
            let kind = entry.file_type().map_err(&failed)?;
            if kind.is_dir() {
                entries.push(UserEntry::Folder(named.join(&name)));
                if depth == Depth::All {
                    to_read.push_back((path.join(&name), named.join(&name)));
                }
            } else if kind.is_file() {
                match entry.metadata() {
                    Ok(metadata) => {
                        entries.push(UserEntry::File(UserFile::new(named.join(&name), &metadata)))
                    }
                    // Removed since the folder was read.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(failed(error)),
                }
            }
        }
    }
    Ok(entries)
}
