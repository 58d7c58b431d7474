//! Cancelling jobs that wait or run.
//!
//! A job that is on a worker is only asked to stop; what then comes back from the
//! worker decides, so a cancel that races completion ends in one truthful state.

use domain::job::CancelOutcome;
use domain::{Admin, JobId, JobState, SeatId};
use store::{Event, EventKind, StoredJob};

use crate::spans::job_span;
use crate::{Workshop, WorkshopError};

impl Workshop {
    /// Cancels one of the seat's jobs, whatever its state. Ended ones stay as they are.
    pub async fn cancel(&self, seat: SeatId, job: JobId) -> Result<(), WorkshopError> {
        self.store().seat_job(seat, job).await?;
        self.cancel_job(job).await.map(drop)
    }

    /// Cancels any seat's job.
    pub async fn cancel_as_admin(&self, _admin: Admin, job: JobId) -> Result<(), WorkshopError> {
        self.cancel_job(job).await.map(drop)
    }

    /// ComfyUI's `/interrupt`: stops the given job if it runs; without an id, whatever of
    /// the seat's runs. A job of another seat is no job here, and nothing happens.
    pub async fn interrupt(&self, seat: SeatId, job: Option<JobId>) -> Result<(), WorkshopError> {
        let running = |stored: &StoredJob| matches!(stored.job.state, JobState::Running { .. });
        self.cancel_matching(seat, |stored| running(stored) && job.is_none_or(|job| job == stored.job.id))
            .await
    }

    /// ComfyUI's `/queue` `delete`: takes the seat's given jobs out of the line. Running ones run on.
    pub async fn delete_waiting(&self, seat: SeatId, jobs: &[JobId]) -> Result<(), WorkshopError> {
        self.cancel_matching(seat, |stored| is_waiting(stored) && jobs.contains(&stored.job.id)).await
    }

    /// ComfyUI's `/queue` `clear`: takes all of the seat's jobs out of the line. Running ones run on.
    pub async fn clear_waiting(&self, seat: SeatId) -> Result<(), WorkshopError> {
        self.cancel_matching(seat, is_waiting).await
    }

    /// The newest ComfyUI's `/jobs/{id}/cancel`: whether there was something to cancel.
    pub async fn cancel_if_active(&self, seat: SeatId, job: JobId) -> Result<bool, WorkshopError> {
        match self.store().seat_job(seat, job).await.map_err(WorkshopError::from) {
            Ok(_) => Ok(self.cancel_job(job).await? != CancelOutcome::AlreadyEnded),
            Err(WorkshopError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Cancels all of the seat's jobs, running ones too.
    pub async fn cancel_all(&self, seat: SeatId) -> Result<(), WorkshopError> {
        self.cancel_matching(seat, |_| true).await
    }

    async fn cancel_matching(
        &self,
        seat: SeatId,
        matches: impl Fn(&StoredJob) -> bool,
    ) -> Result<(), WorkshopError> {
        for stored in self.store().active_jobs().await? {
            if stored.job.seat == seat && matches(&stored) {
                self.cancel_job(stored.job.id).await?;
            }
        }
        Ok(())
    }

    async fn cancel_job(&self, id: JobId) -> Result<CancelOutcome, WorkshopError> {
        let now = self.now();
        let event = Event::new(EventKind::CancelRequested, now);
        let update = self.store().update_job(id, Some(&event), |job| Ok(job.cancel(now))).await?;
        let job = &update.stored.job;
        if let CancelOutcome::Requested(token) = update.outcome
            && let Some(worker) = job.lease().and_then(|lease| lease.worker)
        {
            self.inner.workers.cancel(worker, id, token);
        }
        if update.before != *job {
            self.inner.metrics.ended(job);
            job_span!("job.cancel.request", &update.stored)
                .in_scope(|| tracing::info!(phase = ?job.phase(), "cancel requested"));
            self.inner.dispatcher.notify_one();
            self.announce_queue(job.seat).await;
        }
        Ok(update.outcome)
    }
}

fn is_waiting(stored: &StoredJob) -> bool {
    matches!(stored.job.state, JobState::Queued | JobState::Leased { .. })
}
