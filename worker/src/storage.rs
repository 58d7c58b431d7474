//! Room on the disk: the files unused for longest go, but never one that a run needs.
//!
//! Invariant: a file that is held is not removed. Who needs one holds it first and looks whether
//! it is there afterwards, so that it is either still there or seen to be gone.

use std::collections::HashMap;
use std::fs::{self, File, FileTimes};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// The files that current and staged runs need. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct InUse {
    counts: Arc<Mutex<HashMap<PathBuf, usize>>>,
}

/// Keeps files from being removed until it is dropped.
#[derive(Debug)]
pub struct Held {
    in_use: InUse,
    paths: Vec<PathBuf>,
}

impl InUse {
    pub fn hold(&self, paths: impl IntoIterator<Item = PathBuf>) -> Held {
        let paths: Vec<_> = paths.into_iter().collect();
        let mut counts = self.lock();
        for path in &paths {
            *counts.entry(path.clone()).or_default() += 1;
        }
        drop(counts);
        Held { in_use: self.clone(), paths }
    }

    /// Removes the file unless it is held; whether it did.
    fn remove(&self, path: &Path) -> io::Result<bool> {
        // Locked until it is gone, so that nobody finds it there in between.
        let counts = self.lock();
        if counts.contains_key(path) {
            return Ok(false);
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(true),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut counts = self.in_use.lock();
        for path in &self.paths {
            if let Some(count) = counts.get_mut(path) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(path);
                }
            }
        }
    }
}

/// Notes that a file is used now. Its content's time stays, by which ComfyUI knows some contents.
pub fn touch(path: &Path) {
    let touched =
        File::open(path).and_then(|file| file.set_times(FileTimes::new().set_accessed(SystemTime::now())));
    if let Err(error) = touched {
        // It only may go earlier than it should.
        tracing::debug!(%error, path = %path.display(), "the use of a file could not be noted");
    }
}

/// Removes the files below these folders that were unused for longest, until the rest fits. Those
/// that `is_counted` leaves out stay, and so do links and what they lead to. Blocks.
pub fn make_room(
    folders: &[PathBuf],
    capacity_bytes: u64,
    in_use: &InUse,
    is_counted: impl Fn(&Path) -> bool,
) -> io::Result<()> {
    let mut files = Vec::new();
    for folder in folders {
        collect(folder, &is_counted, &mut files)?;
    }
    let mut total: u64 = files.iter().map(|file| file.bytes).sum();
    files.sort_by_key(|file| file.used_at);
    for file in files {
        if total <= capacity_bytes {
            break;
        }
        if in_use.remove(&file.path)? {
            tracing::info!(path = %file.path.display(), bytes = file.bytes, "removed to make room");
            total -= file.bytes;
        }
    }
    Ok(())
}

struct Found {
    path: PathBuf,
    bytes: u64,
    used_at: SystemTime,
}

fn collect(folder: &Path, is_counted: &impl Fn(&Path) -> bool, files: &mut Vec<Found>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // Nothing was brought there yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        // One that vanished meanwhile takes no room.
        let Ok(found) = entry.metadata() else { continue };
        let path = entry.path();
        if found.is_dir() {
            collect(&path, is_counted, files)?;
        } else if found.is_file() && is_counted(&path) {
            // Some file systems keep no time of use.
            let changed = found.modified()?;
            let used_at = found.accessed().map_or(changed, |accessed| accessed.max(changed));
            files.push(Found { path, bytes: found.len(), used_at });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn write(folder: &Path, name: &str, age: u64) -> PathBuf {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, [0_u8; 10]).unwrap();
        let time = SystemTime::now() - Duration::from_secs(age);
        let times = FileTimes::new().set_accessed(time).set_modified(time);
        File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
        path
    }

    #[test]
    fn what_is_unused_for_longest_goes_over_all_folders() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let oldest = write(&a, "deep/oldest", 400);
        let held = write(&b, "held", 300);
        let uncounted = write(&b, "probe-x", 500);
        let touched = write(&a, "touched", 450);
        let old = write(&b, "old", 200);
        let in_use = InUse::default();
        let holding = in_use.hold([held.clone()]);
        touch(&touched);
        let modified_at = fs::metadata(&touched).unwrap().modified().unwrap();
        assert!(modified_at.elapsed().unwrap() > Duration::from_secs(400), "its content is as old as before");

        let folders = [a, b, folder.path().join("absent")];
        let is_counted = |path: &Path| !path.ends_with("probe-x");
        make_room(&folders, 20, &in_use, is_counted).unwrap();
        let there = |paths: [&PathBuf; 5]| paths.map(|path| path.exists());
        assert_eq!(there([&oldest, &held, &uncounted, &touched, &old]), [false, true, true, true, false]);

        drop(holding);
        make_room(&folders, 10, &in_use, is_counted).unwrap();
        assert_eq!(there([&oldest, &held, &uncounted, &touched, &old]), [false, false, true, true, false]);
    }

    #[test]
    fn a_file_is_held_until_the_last_who_needs_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "x", 1);
        let in_use = InUse::default();
        let (first, second) = (in_use.hold([path.clone()]), in_use.hold([path.clone()]));
        drop(first);
        assert!(!in_use.remove(&path).unwrap());
        drop(second);
        assert!(in_use.remove(&path).unwrap() && !path.exists());
    }
}
