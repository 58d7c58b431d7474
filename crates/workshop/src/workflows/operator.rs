//! The operator's folder of workflows, read again where something in it has changed.
//!
//! Opened through a directory handle of its own: links are followed only within it.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata};
use sha2::{Digest, Sha256};

use crate::files::SeatPath;

/// With pictures in its notes a workflow reaches a few megabytes.
const MAX_WORKFLOW_BYTES: u64 = 8 << 20;
/// More than a workshop has; a folder named by mistake must not fill every seat.
const MAX_ENTRIES: usize = 1000;

/// The folder, with what was read of it last.
#[derive(Debug)]
pub(crate) struct OperatorFolder {
    path: PathBuf,
    latest: Mutex<Arc<OperatorWorkflows>>,
}

/// The folder at one time.
#[derive(Debug, Default)]
pub(crate) struct OperatorWorkflows {
    /// Grows with each change; 0 is nothing at all.
    pub(crate) revision: u64,
    entries: BTreeMap<String, Entry>,
}

/// A workflow that every seat gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OperatorWorkflow {
    /// Below the operator's folder, and below the seat's workflows.
    pub(crate) path: SeatPath,
    pub(crate) content: Arc<[u8]>,
    pub(crate) sha256: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    stamp: Stamp,
    /// The workflow, or why it is not given to anybody.
    read: Result<OperatorWorkflow, String>,
}

/// What a change of the content changes too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified_at: Option<SystemTime>,
}

impl OperatorFolder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, latest: Mutex::default() }
    }

    /// What the folder holds now. A folder that is not there holds nothing. Blocks.
    pub(crate) fn read(&self) -> Arc<OperatorWorkflows> {
        // Held throughout: two readers at once would each log the same problem.
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        match read_folder(&self.path, &latest.entries) {
            Ok(entries) if entries != latest.entries => {
                log_new_problems(&latest.entries, &entries);
                *latest = Arc::new(OperatorWorkflows { revision: latest.revision + 1, entries });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // What was given before stays given; the next listing tries again.
            Err(error) => {
                tracing::warn!(%error, folder = %self.path.display(), "the folder of workflows cannot be read");
            }
        }
        Arc::clone(&latest)
    }
}

impl OperatorWorkflows {
    pub(crate) fn workflows(&self) -> impl Iterator<Item = &OperatorWorkflow> {
        self.entries.values().filter_map(|entry| entry.read.as_ref().ok())
    }

    pub(crate) fn find(&self, path: &str) -> Option<&OperatorWorkflow> {
        self.entries.get(path)?.read.as_ref().ok()
    }

    /// Each file that nobody gets, with the reason.
    pub(crate) fn problems(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .filter_map(|(path, entry)| Some((path.as_str(), entry.read.as_ref().err()?.as_str())))
    }
}

fn log_new_problems(before: &BTreeMap<String, Entry>, now: &BTreeMap<String, Entry>) {
    for (path, entry) in now {
        if let Err(reason) = &entry.read
            && before.get(path) != Some(entry)
        {
            tracing::warn!(path, reason, "a workflow of the operator's folder is not given to the seats");
        }
    }
}

/// All workflows of the folder; those that look unchanged are taken from `known`.
fn read_folder(path: &Path, known: &BTreeMap<String, Entry>) -> io::Result<BTreeMap<String, Entry>> {
    let folder = Dir::open_ambient_dir(path, ambient_authority())?;
    let mut entries = BTreeMap::new();
    let mut seen = HashSet::new();
    let mut to_read = VecDeque::from([String::new()]);
    while let Some(parent) = to_read.pop_front() {
        let here = if parent.is_empty() { "." } else { parent.as_str() };
        // A link back up would lead round in circles.
        if !seen.insert(folder.canonicalize(here)?) {
            continue;
        }
        for entry in folder.read_dir(here)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') {
                continue;
            }
            let path = if parent.is_empty() { name.into_owned() } else { format!("{parent}/{name}") };
            let is_json = path.to_ascii_lowercase().ends_with(".json");
            match folder.metadata(&path) {
                Ok(metadata) if metadata.is_dir() => to_read.push_back(path),
                Ok(_) if !is_json => {}
                Ok(metadata) => {
                    let stamp = Stamp::of(&metadata);
                    let entry = match known.get(&path).filter(|entry| entry.stamp == stamp) {
                        Some(entry) => entry.clone(),
                        None => Entry { read: read_workflow(&folder, &path, stamp.bytes), stamp },
                    };
                    entries.insert(path, entry);
                }
                Err(_) if !is_json => {}
                Err(error) => {
                    let read = Err(format!("cannot be read: {error}"));
                    entries.insert(path, Entry { stamp: Stamp::default(), read });
                }
            }
            if entries.len() + to_read.len() > MAX_ENTRIES {
                return Err(io::Error::other(format!("it holds more than {MAX_ENTRIES} files and folders")));
            }
        }
    }
    Ok(entries)
}

fn read_workflow(folder: &Dir, path: &str, bytes: u64) -> Result<OperatorWorkflow, String> {
    if bytes > MAX_WORKFLOW_BYTES {
        return Err(format!("is larger than {} MiB", MAX_WORKFLOW_BYTES >> 20));
    }
    let seat_path =
        SeatPath::parse_file(path).map_err(|error| format!("has a name that no seat can have: {error}"))?;
    let mut content = Vec::new();
    folder
        .open(path)
        .and_then(|file| file.take(MAX_WORKFLOW_BYTES).read_to_end(&mut content))
        .map_err(|error| format!("cannot be read: {error}"))?;
    match comfy_api::json::from_slice::<serde_json::Value>(&content) {
        Ok(value) if value.is_object() => {}
        Ok(_) => return Err("holds no workflow".to_owned()),
        Err(error) => return Err(format!("is not valid JSON: {error}")),
    }
    let sha256 = format!("{:x}", Sha256::digest(&content));
    Ok(OperatorWorkflow { path: seat_path, content: content.into(), sha256 })
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { bytes: metadata.len(), modified_at: metadata.modified().ok().map(|time| time.into_std()) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> (tempfile::TempDir, OperatorFolder) {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("workflows");
        fs::create_dir_all(path.join("day 1")).unwrap();
        (parent, OperatorFolder::new(path))
    }

    fn paths(workflows: &OperatorWorkflows) -> Vec<String> {
        workflows.workflows().map(|workflow| workflow.path.to_string()).collect()
    }

    fn problems(workflows: &OperatorWorkflows) -> Vec<(String, String)> {
        workflows.problems().map(|(path, reason)| (path.to_owned(), reason.to_owned())).collect()
    }

    #[test]
    fn workflows_are_found_in_subfolders_and_other_files_left_out() {
        let (_parent, folder) = folder();
        fs::write(folder.path.join("a.json"), "{}").unwrap();
        fs::write(folder.path.join("day 1/b.JSON"), "{}").unwrap();
        fs::write(folder.path.join("day 1/readme.txt"), "x").unwrap();
        fs::write(folder.path.join(".hidden.json"), "{}").unwrap();
        let read = folder.read();
        assert_eq!(paths(&read), ["a.json", "day 1/b.JSON"]);
        assert!(problems(&read).is_empty());
    }

    #[test]
    fn the_revision_changes_with_the_content_alone() {
        let (_parent, folder) = folder();
        assert_eq!(folder.read().revision, 0);
        fs::write(folder.path.join("a.json"), "{}").unwrap();
        assert_eq!(folder.read().revision, 1);
        assert_eq!(folder.read().revision, 1);
        fs::write(folder.path.join("a.json"), r#"{"nodes": []}"#).unwrap();
        let read = folder.read();
        assert_eq!((read.revision, &*read.find("a.json").unwrap().content), (2, &br#"{"nodes": []}"#[..]));
        fs::remove_file(folder.path.join("a.json")).unwrap();
        assert_eq!((folder.read().revision, paths(&folder.read()).len()), (3, 0));
    }

    #[test]
    fn bad_and_too_large_files_are_named_and_the_others_given() {
        let (_parent, folder) = folder();
        fs::write(folder.path.join("bad.json"), "{").unwrap();
        fs::write(folder.path.join("list.json"), "[]").unwrap();
        fs::write(folder.path.join("good.json"), "{}").unwrap();
        let large = fs::File::create(folder.path.join("large.json")).unwrap();
        large.set_len(MAX_WORKFLOW_BYTES + 1).unwrap();
        let read = folder.read();
        assert_eq!(paths(&read), ["good.json"]);
        let problems = problems(&read);
        assert_eq!(
            problems.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
            ["bad.json", "large.json", "list.json"]
        );
        assert!(problems[0].1.starts_with("is not valid JSON"), "{}", problems[0].1);
        assert_eq!(problems[1].1, "is larger than 8 MiB");
    }

    #[test]
    fn links_are_followed_within_the_folder_alone() {
        let (parent, folder) = folder();
        fs::write(parent.path().join("secret.json"), "{}").unwrap();
        fs::write(folder.path.join("a.json"), "{}").unwrap();
        symlink("a.json", folder.path.join("same.json")).unwrap();
        symlink("../secret.json", folder.path.join("out.json")).unwrap();
        symlink(parent.path().join("secret.json"), folder.path.join("absolute.json")).unwrap();
        symlink("..", folder.path.join("up")).unwrap();
        symlink("..", folder.path.join("day 1/round")).unwrap();
        let read = folder.read();
        assert_eq!(paths(&read), ["a.json", "same.json"]);
        let problems = problems(&read);
        assert_eq!(
            problems.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
            ["absolute.json", "out.json"]
        );
    }

    #[test]
    fn a_folder_that_is_not_there_holds_nothing() {
        let folder = OperatorFolder::new(PathBuf::from("/nowhere/workflows"));
        assert_eq!((folder.read().revision, folder.read().workflows().count()), (0, 0));
    }
}
