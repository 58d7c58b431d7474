//! Deleted files on their way into a seat's trash, back, and out of it for good.
//!
//! In the trash a file is called by the number of its row, so no two collide and a
//! file and its row find each other after a crash.

use std::collections::HashSet;
use std::io;

use cap_std::fs::Dir;
use store::TrashItem;

use super::error::FilesError;
use super::path::{FileName, SeatPath};
use super::seat::{SeatFiles, SeatShared, lock};

const TRASH: &str = "trash";
/// Names tried before a file is not brought back: each costs a look at the disk.
const MAX_SAME_NAMES: u32 = 10_000;

/// What became of a file that was to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returned {
    /// It is where its item says, or was nowhere at all.
    Done,
    /// Its name was taken in the meantime; it is still in the trash.
    NameTaken,
}

impl SeatFiles {
    /// Moves files into the trash. Returns the items whose files are not there.
    pub(crate) async fn move_to_trash(&self, items: Vec<TrashItem>) -> Result<Vec<i64>, FilesError> {
        self.blocking(move |shared, folder| {
            folder.create_dir_all(TRASH).map_err(FilesError::of("make the trash"))?;
            let mut absent = Vec::new();
            for item in items {
                if !shared.move_to_trash(folder, &item)? {
                    absent.push(item.id);
                }
            }
            Ok(absent)
        })
        .await
    }

    /// Those of the items whose files have not arrived in the trash.
    pub(crate) async fn not_in_trash(&self, items: Vec<TrashItem>) -> Result<Vec<TrashItem>, FilesError> {
        self.blocking(move |_, folder| {
            let mut waiting = Vec::new();
            for item in items {
                if !exists(folder, &trash_path(item.id))? {
                    waiting.push(item);
                }
            }
            Ok(waiting)
        })
        .await
    }

    /// The names under which the files of these items can return: their own, or where those
    /// are taken, the next free ones. An item whose file is not in the trash keeps its name.
    pub(crate) async fn names_to_return(
        &self,
        items: Vec<TrashItem>,
    ) -> Result<Vec<(i64, String)>, FilesError> {
        self.blocking(move |_, folder| {
            let mut promised = HashSet::new();
            let name = |item: &TrashItem| {
                let is_here = exists(folder, &trash_path(item.id))?;
                let name = if is_here { free_name(folder, item, &mut promised)? } else { item.name.clone() };
                Ok((item.id, name))
            };
            items.iter().map(name).collect()
        })
        .await
    }

    /// Moves files back to where their items say.
    pub(crate) async fn return_from_trash(
        &self,
        items: Vec<TrashItem>,
    ) -> Result<Vec<(TrashItem, Returned)>, FilesError> {
        self.blocking(move |shared, folder| {
            let back = |item: TrashItem| {
                let returned = shared.return_from_trash(folder, &item)?;
                Ok((item, returned))
            };
            items.into_iter().map(back).collect()
        })
        .await
    }

    /// Removes files of the trash for good.
    pub(crate) async fn remove_from_trash(&self, items: Vec<i64>) -> Result<(), FilesError> {
        self.blocking(move |_, folder| {
            for item in items {
                match folder.remove_file(trash_path(item)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(FilesError::of("remove a deleted file")(error));
                    }
                    _ => {}
                }
            }
            Ok(())
        })
        .await
    }
}

impl SeatShared {
    fn move_to_trash(&self, folder: &Dir, item: &TrashItem) -> Result<bool, FilesError> {
        let path = own_path(item, &FileName::parse(&item.name)?)?;
        let _choosing = self.choose_name();
        // Only files: a folder's content would vanish with it unseen.
        match folder.symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Ok(false),
            Err(error) => return absent(error, "look at a file"),
        }
        match folder.rename(&path, folder, trash_path(item.id)) {
            Ok(()) => {
                lock(&self.hashes).forget(&path);
                Ok(true)
            }
            Err(error) => absent(error, "move a file to the trash"),
        }
    }

    fn return_from_trash(&self, folder: &Dir, item: &TrashItem) -> Result<Returned, FilesError> {
        let trashed = trash_path(item.id);
        let path = own_path(item, &FileName::parse(&item.name)?)?;
        let _choosing = self.choose_name();
        if !exists(folder, &trashed)? {
            return Ok(Returned::Done);
        }
        if exists(folder, &path)? {
            return Ok(Returned::NameTaken);
        }
        folder.create_dir_all(folder_of(item)?.as_str()).map_err(FilesError::of("make a subfolder"))?;
        folder.rename(&trashed, folder, &path).map_err(FilesError::of("bring a file back"))?;
        lock(&self.hashes).forget(&path);
        Ok(Returned::Done)
    }
}

fn free_name(folder: &Dir, item: &TrashItem, promised: &mut HashSet<String>) -> Result<String, FilesError> {
    let own = FileName::parse(&item.name)?;
    let (stem, extension) = own.split_extension();
    let mut name = own.clone();
    for number in 1..=MAX_SAME_NAMES {
        let path = own_path(item, &name)?;
        if !exists(folder, &path)? && promised.insert(path) {
            return Ok(name.to_string());
        }
        name = FileName::parse(&format!("{stem} ({number}){extension}"))?;
    }
    Err(FilesError::TooManyOfOneName)
}

fn own_path(item: &TrashItem, name: &FileName) -> Result<String, FilesError> {
    Ok(format!("{}/{name}", folder_of(item)?))
}

/// Parsed once more: what a database says is no proof that a path stays where it should.
fn folder_of(item: &TrashItem) -> Result<SeatPath, FilesError> {
    Ok(SeatPath::parse_file(&item.folder)?)
}

fn trash_path(item: i64) -> String {
    format!("{TRASH}/{item}")
}

fn exists(folder: &Dir, path: &str) -> Result<bool, FilesError> {
    folder.try_exists(path).map_err(FilesError::of("look for a file"))
}

/// What fails because nothing is there does not fail.
fn absent(error: io::Error, operation: &'static str) -> Result<bool, FilesError> {
    match FilesError::of(operation)(error) {
        FilesError::NotFound | FilesError::IsFile => Ok(false),
        error => Err(error),
    }
}
