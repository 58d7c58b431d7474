//! The gallery: results to look at, choose from, mark and take away.

use domain::{JobId, SeatId};
use serde_json::Value;
use store::{Artifact, DayCount, WorkflowCount};

pub use store::{GalleryFilter, Media};

use crate::files::{FileLocation, FilesError, FolderKind};
use crate::overview::GalleryItem;
use crate::queries::artifact_ref;
use crate::trash::{Discard, TrashId, UNDO_WINDOW};
use crate::{Workshop, WorkshopError};

/// Results of a gallery that are chosen at a time.
pub const MAX_CHOSEN: u32 = 20_000;
/// Workflows and days that a filter offers.
const MAX_CHOICES: u32 = 100;
const MS_PER_MINUTE: i64 = 60_000;

/// Results that something is to be done with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    These(Vec<i64>),
    /// All that the filter lists.
    All(GalleryFilter),
}

/// What there is to filter by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GalleryChoices {
    pub workflows: Vec<WorkflowCount>,
    pub days: Vec<DayCount>,
    /// Results in all.
    pub results: u32,
}

/// A file of the gallery, to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultFile {
    pub location: FileLocation,
    pub media: Media,
    pub media_type: String,
    pub sha256: String,
    pub bytes: u64,
    pub created_at: domain::Timestamp,
    pub title: String,
}

impl Workshop {
    /// The seat's results, newest first; `before` is the id of the last one that the page has.
    pub async fn gallery(
        &self,
        seat: SeatId,
        filter: &GalleryFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<GalleryItem>, WorkshopError> {
        let artifacts = self.store().gallery(seat, filter, before, limit.clamp(1, 200)).await?;
        Ok(artifacts.into_iter().map(gallery_item).collect())
    }

    /// What the seat's results can be filtered by, with days by a clock so many minutes ahead of UTC.
    pub async fn gallery_choices(
        &self,
        seat: SeatId,
        ahead_minutes: i32,
    ) -> Result<GalleryChoices, WorkshopError> {
        let ahead_ms = i64::from(ahead_minutes) * MS_PER_MINUTE;
        Ok(GalleryChoices {
            workflows: self.store().gallery_workflows(seat, MAX_CHOICES).await?,
            days: self.store().gallery_days(seat, ahead_ms, MAX_CHOICES).await?,
            results: self.store().gallery_totals(seat).await?.0,
        })
    }

    /// One result of the seat.
    pub async fn result_file(&self, seat: SeatId, id: i64) -> Result<ResultFile, WorkshopError> {
        let artifact = self.store().gallery_artifact(seat, id).await?.ok_or(WorkshopError::NotFound)?;
        result_file(artifact)
    }

    /// The files of the chosen results, newest first.
    pub async fn result_files(
        &self,
        seat: SeatId,
        chosen: &Chosen,
    ) -> Result<Vec<ResultFile>, WorkshopError> {
        self.chosen(seat, chosen).await?.into_iter().map(result_file).collect()
    }

    /// Makes the chosen results favourites, or no longer.
    pub async fn set_favourite(
        &self,
        seat: SeatId,
        chosen: &Chosen,
        is_favourite: bool,
    ) -> Result<(), WorkshopError> {
        let ids: Vec<_> = self.chosen(seat, chosen).await?.iter().map(|artifact| artifact.id).collect();
        if self.store().set_favourite(seat, &ids, is_favourite).await? == 0 {
            return Err(WorkshopError::NotFound);
        }
        self.inner.hub.gallery_changed(seat);
        Ok(())
    }

    /// Deletes the chosen results; [`Workshop::restore`] undoes it.
    pub async fn discard_results(&self, seat: SeatId, chosen: &Chosen) -> Result<TrashId, WorkshopError> {
        let chosen = self.chosen(seat, chosen).await?;
        let things = chosen.iter().map(|artifact| Discard::Output { artifact: artifact.id }).collect();
        self.discard(seat, things).await
    }

    /// The latest deletion of the seat that can be undone: what it was, and how much.
    pub async fn latest_trash(&self, seat: SeatId) -> Result<Option<(TrashId, u32)>, WorkshopError> {
        let since = self.now().unix_ms() - i64::try_from(UNDO_WINDOW.as_millis()).unwrap_or(i64::MAX);
        let latest = self.trash(seat).await?.into_iter().next();
        let latest = latest.filter(|summary| summary.created_at.unix_ms() >= since);
        Ok(latest.map(|summary| (summary.id, summary.items)))
    }

    /// The workflow that made a job's results as the editor saved it with the job. A job that
    /// came without one gives its graph, which the editor opens as well.
    pub async fn job_workflow(&self, seat: SeatId, id: JobId) -> Result<(String, Value), WorkshopError> {
        // A job stays the way to its results when it is taken out of the history.
        let stored = self.store().seat_job_ever(seat, id).await?;
        let mut graph = self.store().graph(id).await?;
        let saved = graph.extra_data.get_mut("extra_pnginfo").and_then(|info| info.get_mut("workflow"));
        let workflow = match saved {
            Some(workflow) if workflow.is_object() => workflow.take(),
            _ => Value::Object(graph.prompt),
        };
        Ok((stored.title, workflow))
    }

    async fn chosen(&self, seat: SeatId, chosen: &Chosen) -> Result<Vec<Artifact>, WorkshopError> {
        let artifacts = match chosen {
            Chosen::These(ids) => self.store().gallery_artifacts(seat, ids).await?,
            Chosen::All(filter) => self.store().gallery(seat, filter, None, MAX_CHOSEN).await?,
        };
        if artifacts.is_empty() { Err(WorkshopError::NotFound) } else { Ok(artifacts) }
    }
}

fn gallery_item(artifact: Artifact) -> GalleryItem {
    GalleryItem {
        id: artifact.id,
        job: artifact.job,
        media: artifact.media,
        bytes: artifact.bytes,
        created_at: artifact.created_at,
        is_favourite: artifact.is_favourite,
        title: artifact.title.clone(),
        content: artifact.sha256.get(..16).unwrap_or_default().to_owned(),
        file: artifact_ref(artifact),
    }
}

fn result_file(artifact: Artifact) -> Result<ResultFile, WorkshopError> {
    let location = FileLocation::parse(FolderKind::Output, &artifact.subfolder, &artifact.filename);
    Ok(ResultFile {
        location: location.map_err(FilesError::from)?,
        media: artifact.media,
        media_type: artifact.media_type,
        sha256: artifact.sha256,
        bytes: artifact.bytes,
        created_at: artifact.created_at,
        title: artifact.title,
    })
}
