//! What the portal's pages show.

use std::collections::HashMap;

use domain::job::JobPhase;
use domain::{Admin, JobId, JobState, SeatId};
use queue::report::EngineState;
use store::{Artifact, StoredJob};

use crate::overview::{
    AdminOverview, ArtifactRef, EngineStatus, GalleryItem, JobOverview, SeatOverview, SeatSummary,
    WorkerOverview,
};
use crate::{Workshop, WorkshopError};

/// Ended jobs shown beside the active ones.
const ENDED_SHOWN: u32 = 30;

/// Active jobs with their places in line.
struct Line {
    active: Vec<StoredJob>,
    positions: HashMap<JobId, u32>,
}

impl Workshop {
    /// What the seat's page shows.
    pub async fn seat_overview(&self, seat: SeatId) -> Result<SeatOverview, WorkshopError> {
        let line = self.line().await?;
        let queue_length = u32::try_from(line.active.len()).unwrap_or(u32::MAX);
        let mut jobs: Vec<_> = line.active.iter().filter(|stored| stored.job.seat == seat).cloned().collect();
        jobs.extend(self.store().seat_ended(seat, ENDED_SHOWN).await?);
        Ok(SeatOverview {
            seat,
            engine: self.engine_status(),
            queue_length,
            jobs: self.job_overviews(&jobs, &line.positions).await?,
            gallery_revision: self.inner.hub.gallery_revision(seat),
        })
    }

    /// The seat's results, newest first; `before` is the id of the last one that the page has.
    pub async fn gallery(
        &self,
        seat: SeatId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<GalleryItem>, WorkshopError> {
        let artifacts = self.store().gallery(seat, before, limit.clamp(1, 200)).await?;
        Ok(artifacts.into_iter().map(gallery_item).collect())
    }

    /// What the instructor's page shows.
    pub async fn admin_overview(&self, admin: Admin) -> Result<AdminOverview, WorkshopError> {
        let line = self.line().await?;
        let ended = self.store().ended_jobs(ENDED_SHOWN).await?;
        Ok(AdminOverview {
            engine: self.engine_status(),
            active: self.job_overviews(&line.active, &line.positions).await?,
            ended: self.job_overviews(&ended, &HashMap::new()).await?,
            workers: self.worker_overviews(&line.active).await?,
            seats: self.seat_summaries(admin, &line.active).await?,
        })
    }

    /// The active jobs in the order in which they run: executing ones, then by position.
    async fn line(&self) -> Result<Line, WorkshopError> {
        let mut active = self.store().active_jobs().await?;
        let planned = self.plan(&active).waiting.into_iter();
        let positions: HashMap<_, _> = planned.map(|waiting| (waiting.job, waiting.position)).collect();
        active.sort_by_key(|stored| positions.get(&stored.job.id).copied().unwrap_or(0));
        Ok(Line { active, positions })
    }

    async fn job_overviews(
        &self,
        jobs: &[StoredJob],
        positions: &HashMap<JobId, u32>,
    ) -> Result<Vec<JobOverview>, WorkshopError> {
        let ids: Vec<_> = jobs.iter().map(|stored| stored.job.id).collect();
        let first = self.store().first_artifacts(&ids).await?.into_iter();
        let mut previews: HashMap<_, _> = first.map(|artifact| (artifact.job, artifact)).collect();
        let overview = |stored: &StoredJob| {
            let job = &stored.job;
            JobOverview {
                id: job.id,
                seat: job.seat,
                phase: job.phase(),
                title: stored.title.clone(),
                created_at: job.created_at,
                started_at: job.started_at(),
                finished_at: job.finished_at(),
                position: positions.get(&job.id).copied(),
                progress: self.inner.runs.progress(job.id).filter(|_| job.phase() == JobPhase::Running),
                failure: match &job.state {
                    JobState::Failed { failure, .. } => Some(failure.clone()),
                    _ => None,
                },
                is_stopping: job.cancel_requested_at.is_some() && job.phase().is_active(),
                attempt: job.attempt,
                preview: previews.remove(&job.id).map(artifact_ref),
            }
        };
        Ok(jobs.iter().map(overview).collect())
    }

    async fn worker_overviews(&self, active: &[StoredJob]) -> Result<Vec<WorkerOverview>, WorkshopError> {
        let connected = self.inner.workers.list();
        let version = self.catalog().and_then(|catalog| catalog.comfyui_version().map(str::to_owned));
        let mut list: Vec<_> = connected
            .iter()
            .map(|(id, worker)| {
                let runs_here = |stored: &&StoredJob| {
                    stored.job.phase() == JobPhase::Running
                        && stored.job.lease().and_then(|lease| lease.worker) == Some(*id)
                };
                let (engine, problem) = match &worker.engine {
                    EngineState::Ready => (EngineStatus::Ready, None),
                    EngineState::Starting => (EngineStatus::Starting, None),
                    EngineState::Down { reason } => (EngineStatus::Away, Some(reason.clone())),
                };
                WorkerOverview {
                    name: worker.name.clone(),
                    is_connected: true,
                    engine,
                    problem,
                    slots: worker.slots,
                    running: u32::try_from(active.iter().filter(runs_here).count()).unwrap_or(u32::MAX),
                    last_seen_at: worker.last_seen_at,
                    comfyui_version: version.clone(),
                }
            })
            .collect();
        let known = self.store().workers().await?;
        let gone =
            known.into_iter().filter(|stored| connected.iter().all(|(_, worker)| worker.name != stored.name));
        list.extend(gone.map(|stored| WorkerOverview {
            name: stored.name,
            is_connected: false,
            engine: EngineStatus::Away,
            problem: None,
            slots: stored.slots,
            running: 0,
            last_seen_at: stored.last_seen_at,
            comfyui_version: stored.comfyui_version,
        }));
        Ok(list)
    }

    async fn seat_summaries(
        &self,
        admin: Admin,
        active: &[StoredJob],
    ) -> Result<Vec<SeatSummary>, WorkshopError> {
        let counts = self.store().ended_counts().await?.into_iter();
        let counts: HashMap<_, _> =
            counts.map(|(seat, finished, failed)| (seat, (finished, failed))).collect();
        let seats = self.store().seats(self.settings().seats).await?.into_iter();
        let last_active: HashMap<_, _> = seats.map(|seat| (seat.id, seat.last_active_at)).collect();
        let summary = |link: crate::SeatLink| {
            let count = |is_running: bool| {
                let own = active.iter().filter(|stored| stored.job.seat == link.seat);
                let matching = own.filter(|stored| (stored.job.phase() == JobPhase::Running) == is_running);
                u32::try_from(matching.count()).unwrap_or(u32::MAX)
            };
            let (finished, failed) = counts.get(&link.seat).copied().unwrap_or_default();
            SeatSummary {
                seat: link.seat,
                open_pages: self.inner.hub.open_pages(link.seat),
                waiting: count(false),
                running: count(true),
                finished,
                failed,
                last_active_at: last_active.get(&link.seat).copied().flatten(),
                join_path: link.join_path,
            }
        };
        Ok(self.links_for(admin).into_iter().map(summary).collect())
    }
}

fn gallery_item(artifact: Artifact) -> GalleryItem {
    GalleryItem {
        id: artifact.id,
        job: artifact.job,
        media_type: artifact.media_type.clone(),
        bytes: artifact.bytes,
        created_at: artifact.created_at,
        file: artifact_ref(artifact),
    }
}

fn artifact_ref(artifact: Artifact) -> ArtifactRef {
    ArtifactRef { filename: artifact.filename, subfolder: artifact.subfolder, kind: artifact.kind }
}
