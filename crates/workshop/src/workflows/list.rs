//! The seat's saved workflows, each with whether it can run here.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use comfy_api::annotated_path::AnnotatedPath;
use comfy_api::json_values;
use comfy_api::needs::Needs;
use comfy_api::validate::InputFiles;
use domain::{SeatId, Timestamp};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::operator::OperatorWorkflows;
use super::{FOLDER, seat_path};
use crate::files::{Depth, FilesError, SeatFiles, SeatPath, UserFile};
use crate::{Workshop, WorkshopError};

/// The latest so many are listed.
const MAX_LISTED: usize = 500;
/// A larger file is listed without being read.
const MAX_READ_BYTES: u64 = 8 << 20;

/// One saved workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatWorkflow {
    /// Below the seat's workflows.
    pub path: SeatPath,
    pub bytes: u64,
    pub modified_at: Timestamp,
    pub origin: WorkflowOrigin,
    /// The operator's folder has it, so that the original can be had again.
    pub has_original: bool,
    pub is_bookmarked: bool,
    pub readiness: Readiness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkflowOrigin {
    /// The participant saved it.
    Own,
    /// As it was given.
    Given,
    /// Given, and changed by the participant since.
    Changed,
}

/// Whether a workflow could run if it were queued now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    Needs(Needs),
    /// The file holds no workflow.
    Unreadable,
    /// No engine has ever told what it offers, or the file is too large to look into.
    Unknown,
}

impl Workshop {
    /// The seat's workflows, those changed last first.
    pub async fn seat_workflows(&self, seat: SeatId) -> Result<Vec<SeatWorkflow>, WorkshopError> {
        let files = self.files().seat(seat).await?;
        let folder = SeatPath::parse(FOLDER).map_err(FilesError::from)?;
        let mut saved = match files.list_userdata(folder, Depth::All).await {
            Err(FilesError::NotFound) => Vec::new(),
            saved => saved?,
        };
        saved.retain(|file| file.path.name().to_ascii_lowercase().ends_with(".json"));
        saved.sort_by(|file, other| {
            other.modified_at.cmp(&file.modified_at).then_with(|| file.path.cmp(&other.path))
        });
        saved.truncate(MAX_LISTED);
        let look = Look {
            catalog: self.all_definitions(seat).await?,
            given: self.store().given_workflows(seat).await?,
            offered: self.operator_workflows().await?,
            bookmarks: bookmarks(&files).await,
            files,
        };
        let looking =
            tokio::task::spawn_blocking(move || saved.into_iter().map(|file| look.at(file)).collect());
        Ok(looking.await.map_err(FilesError::CutShort)?)
    }
}

/// What is known while the files are looked at, one after the other.
struct Look {
    catalog: Option<Map<String, Value>>,
    /// Path → hash of what was given.
    given: BTreeMap<String, String>,
    offered: Arc<OperatorWorkflows>,
    bookmarks: HashSet<String>,
    files: SeatFiles,
}

impl Look {
    fn at(&self, file: UserFile) -> SeatWorkflow {
        let content = seat_path(file.path.as_str())
            .ok()
            .and_then(|path| self.files.read_userdata_blocking(&path, MAX_READ_BYTES).ok());
        let is_version = |sha256: &String| {
            content.as_ref().is_some_and(|content| format!("{:x}", Sha256::digest(content)) == *sha256)
        };
        let origin = match self.given.get(file.path.as_str()) {
            None => WorkflowOrigin::Own,
            Some(given) if is_version(given) => WorkflowOrigin::Given,
            Some(_) => WorkflowOrigin::Changed,
        };
        let since_epoch = file.modified_at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        SeatWorkflow {
            bytes: file.bytes,
            modified_at: Timestamp::from_unix_ms(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)),
            origin,
            has_original: self.offered.find(file.path.as_str()).is_some(),
            is_bookmarked: self.bookmarks.contains(file.path.as_str()),
            readiness: self.readiness(content.as_deref()),
            path: file.path,
        }
    }

    fn readiness(&self, content: Option<&[u8]>) -> Readiness {
        let Some(content) = content else { return Readiness::Unknown };
        if json_values::has_too_many(content) {
            return Readiness::Unreadable;
        }
        let Ok(workflow) = comfy_api::json::from_slice::<Value>(content) else {
            return Readiness::Unreadable;
        };
        // Without a catalog, every node would count as missing.
        let no_catalog = Map::new();
        let catalog = self.catalog.as_ref();
        let needs = Needs::of(&workflow, catalog.unwrap_or(&no_catalog), &Inputs(&self.files));
        match needs {
            None => Readiness::Unreadable,
            Some(_) if catalog.is_none() => Readiness::Unknown,
            Some(needs) if needs.is_empty() => Readiness::Ready,
            Some(needs) => Readiness::Needs(needs),
        }
    }
}

struct Inputs<'a>(&'a SeatFiles);

impl InputFiles for Inputs<'_> {
    fn exists(&self, file: &AnnotatedPath) -> bool {
        self.0.exists_blocking(file)
    }
}

/// The paths that the editor keeps as bookmarks, in a file of its own; none if it cannot be read.
async fn bookmarks(files: &SeatFiles) -> HashSet<String> {
    let files = files.clone();
    let read = tokio::task::spawn_blocking(move || {
        let path = seat_path(".index.json").ok()?;
        files.read_userdata_blocking(&path, MAX_READ_BYTES).ok()
    });
    let index =
        read.await.ok().flatten().filter(|index| !json_values::has_too_many(index)).unwrap_or_default();
    let index: Value = comfy_api::json::from_slice(&index).unwrap_or_default();
    let paths = index.get("bookmarks").and_then(Value::as_array).into_iter().flatten();
    paths
        .filter_map(Value::as_str)
        .map(|path| path.strip_prefix("workflows/").unwrap_or(path).to_owned())
        .collect()
}
