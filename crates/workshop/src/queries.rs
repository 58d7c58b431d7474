//! What the portal's pages show.

use std::collections::HashMap;

use domain::job::JobPhase;
use domain::{Admin, Job, JobId, JobState, SeatId};
use queue::report::EngineState;
use store::{Artifact, Seat, StoredJob};

use crate::accounts::join_path;
use crate::line::Place;
use crate::overview::{
    AdminOverview, ArtifactRef, DeviceOverview, EngineStatus, JobOverview, QueuePolicy, SeatOverview,
    SeatSummary, Wait, WorkerOverview,
};
use crate::{Workshop, WorkshopError};

/// Ended jobs shown beside the active ones.
const ENDED_SHOWN: u32 = 30;

impl Workshop {
    /// What the seat's page shows.
    pub async fn seat_overview(&self, seat: SeatId) -> Result<SeatOverview, WorkshopError> {
        let account = self.seat(seat)?;
        let line = self.line().await?;
        let queue_length = u32::try_from(line.active.len()).unwrap_or(u32::MAX);
        let mut jobs: Vec<_> = line.active.iter().filter(|stored| stored.job.seat == seat).cloned().collect();
        jobs.extend(self.store().seat_ended(seat, ENDED_SHOWN).await?);
        Ok(SeatOverview {
            seat,
            engine: self.engine_status(),
            queue_length,
            queue: self.queue_policy(),
            name: account.name,
            is_paused: account.is_paused,
            message: account.message,
            jobs: self.job_overviews(&jobs, &line.places).await?,
            gallery_revision: self.inner.hub.gallery_revision(seat),
            files_revision: self.inner.hub.files_revision(seat),
            is_shared: self.is_shared(seat),
        })
    }

    /// What the instructor's page shows.
    pub async fn admin_overview(&self, _admin: Admin) -> Result<AdminOverview, WorkshopError> {
        let line = self.line().await?;
        let ended = self.store().ended_jobs(ENDED_SHOWN).await?;
        Ok(AdminOverview {
            engine: self.engine_status(),
            queue: self.queue_policy(),
            active: self.job_overviews(&line.active, &line.places).await?,
            ended: self.job_overviews(&ended, &HashMap::new()).await?,
            workers: self.worker_overviews(&line.active).await?,
            seats: self.seat_summaries(&line.active).await?,
            health: self.health_overview().await?,
            workflow_problems: self.workflow_problems().await,
        })
    }

    fn queue_policy(&self) -> QueuePolicy {
        let policy = self.policy();
        QueuePolicy {
            mode: policy.mode,
            is_paused: policy.is_paused,
            max_queued_per_seat: policy.max_queued_per_seat,
            max_running_per_seat: policy.max_running_per_seat,
            announcement: policy.announcement,
        }
    }

    async fn job_overviews(
        &self,
        jobs: &[StoredJob],
        places: &HashMap<JobId, Place>,
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
                priority: job.priority,
                wait: places.get(&job.id).map(|place| wait(job, place)),
                progress: self.inner.runs.progress(job.id).filter(|_| job.lease().is_some()),
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
                let device = worker.device.as_ref().map(|device| DeviceOverview {
                    name: device.name.clone(),
                    memory_total_bytes: device.memory_total_bytes,
                    memory_free_bytes: device.memory_free_bytes,
                });
                let jobs: Vec<_> = active.iter().filter(runs_here).map(|stored| stored.job.id).collect();
                WorkerOverview {
                    id: Some(*id),
                    name: worker.name.clone(),
                    version: Some(worker.version.clone()),
                    is_draining: worker.is_draining,
                    device,
                    is_connected: true,
                    engine,
                    problem,
                    slots: worker.slots,
                    jobs,
                    last_seen_at: worker.last_seen_at,
                    comfyui_version: version.clone(),
                }
            })
            .collect();
        let known = self.store().workers().await?;
        let gone =
            known.into_iter().filter(|stored| connected.iter().all(|(_, worker)| worker.name != stored.name));
        list.extend(gone.map(|stored| WorkerOverview {
            id: None,
            name: stored.name,
            version: None,
            is_draining: stored.is_draining,
            device: None,
            jobs: Vec::new(),
            is_connected: false,
            engine: EngineStatus::Away,
            problem: None,
            slots: stored.slots,
            last_seen_at: stored.last_seen_at,
            comfyui_version: stored.comfyui_version,
        }));
        Ok(list)
    }

    async fn seat_summaries(&self, active: &[StoredJob]) -> Result<Vec<SeatSummary>, WorkshopError> {
        let totals = self.store().ended_totals().await?;
        let bytes = self.store().bytes_by_seat().await?;
        let seats = self.store().seats(self.settings().seats).await?;
        let summary = |seat: Seat| {
            let count = |is_running: bool| {
                let own = active.iter().filter(|stored| stored.job.seat == seat.id);
                let matching = own.filter(|stored| (stored.job.phase() == JobPhase::Running) == is_running);
                u32::try_from(matching.count()).unwrap_or(u32::MAX)
            };
            let totals = totals.get(&seat.id).copied().unwrap_or_default();
            SeatSummary {
                seat: seat.id,
                join_path: join_path(&seat),
                is_paused: seat.is_paused,
                is_demo: seat.is_demo,
                gpu_ms: totals.gpu_ms,
                result_bytes: bytes.get(&seat.id).copied().unwrap_or(0),
                open_pages: self.inner.hub.open_pages(seat.id),
                waiting: count(false),
                running: count(true),
                finished: totals.succeeded,
                failed: totals.failed,
                last_active_at: seat.last_active_at,
                name: seat.name,
                message: seat.message,
            }
        };
        Ok(seats.into_iter().map(summary).collect())
    }
}

fn wait(job: &Job, place: &Place) -> Wait {
    Wait { position: place.position, reason: place.reason, start: place.start, returned: job.returned }
}

pub(crate) fn artifact_ref(artifact: Artifact) -> ArtifactRef {
    ArtifactRef { filename: artifact.filename, subfolder: artifact.subfolder, kind: artifact.kind }
}
