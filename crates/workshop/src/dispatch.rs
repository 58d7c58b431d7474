//! The dispatcher: takes lapsed leases back, and hands out jobs just in time.
//!
//! It works from the stored state alone, so a pass may be repeated, skipped or cut
//! short at any point: a lease without a push lapses, a push without a lease is refused.

use std::time::Duration;

use domain::{JobId, LeaseToken, ReturnReason};
use queue::TaskMessage;
use scheduler::{Arrivals, Plan};
use store::{Event, EventKind, StoredJob};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::health::error_chain;
use crate::spans::job_span;
use crate::{Workshop, WorkshopError};

/// Every change wakes the dispatcher; this is how long what nobody announces (a lapsed
/// lease, a Redis that is back) may go unnoticed.
const PERIOD: Duration = Duration::from_secs(1);

impl Workshop {
    /// Dispatches until `shutdown`.
    pub async fn run_dispatcher(&self, shutdown: CancellationToken) {
        loop {
            if let Err(error) = self.dispatch_once().await {
                tracing::error!(error = %error_chain(&error), "a dispatch pass failed; trying again");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.inner.dispatcher.notified() => {}
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    /// One pass.
    pub async fn dispatch_once(&self) -> Result<(), WorkshopError> {
        let mut active = self.store().active_jobs().await?;
        if self.take_back_lapsed(&active).await? {
            active = self.store().active_jobs().await?;
        }
        self.repeat_cancels(&active);
        let planned = self.plan(&active, Arrivals::default());
        self.take_back(&active, &planned);
        for job in planned.dispatches {
            if !self.dispatch(job).await? {
                break;
            }
        }
        Ok(())
    }

    /// Leases that were alive when the server stopped get a whole lease to be heard again, by the
    /// clock as it is now: it may have been set back meanwhile.
    pub(crate) async fn renew_leases_after_restart(&self) -> Result<(), WorkshopError> {
        let (now, settings) = (self.now(), self.settings());
        for stored in self.store().active_jobs().await? {
            let Some(lease) = stored.job.lease().copied() else { continue };
            let time = if lease.worker.is_some() { settings.lease } else { settings.delivery_timeout };
            self.store().update_job(stored.job.id, None, |job| job.renew(lease.token, now, time)).await?;
        }
        Ok(())
    }

    /// Tells whether there was anything to take back.
    async fn take_back_lapsed(&self, active: &[StoredJob]) -> Result<bool, WorkshopError> {
        let now = self.now();
        let mut has_lapsed = false;
        let lapsed = |stored: &&StoredJob| stored.job.lease().is_some_and(|lease| lease.expires_at <= now);
        for stored in active.iter().filter(lapsed) {
            has_lapsed = true;
            let event = Event::new(EventKind::LeaseLapsed, now);
            let update =
                self.store().update_job(stored.job.id, Some(&event), |job| Ok(job.expire(now))).await?;
            if update.outcome {
                let was_claimed = stored.job.lease().is_some_and(|lease| lease.worker.is_some());
                let ending = async {
                    let phase = update.stored.job.phase();
                    tracing::warn!(claimed = was_claimed, ?phase, "lease lapsed");
                    self.attempt_ended(&update.before, &update.stored).await;
                };
                // As it was before: who held the lease is gone from the record now.
                ending.instrument(job_span!("job.lease.lapse", stored)).await;
            }
        }
        Ok(has_lapsed)
    }

    /// A worker may have missed the word, or ComfyUI the interrupt: it is said until the job ends.
    fn repeat_cancels(&self, active: &[StoredJob]) {
        for StoredJob { job, .. } in active.iter().filter(|stored| stored.job.cancel_requested_at.is_some()) {
            if let Some(lease) = job.lease()
                && let Some(worker) = lease.worker
            {
                self.inner.workers.cancel(worker, job.id, lease.token);
            }
        }
    }

    /// Asks workers for what makes way. It is asked at every pass until it has had effect: the
    /// plan names it as long as it stands in the way.
    fn take_back(&self, active: &[StoredJob], planned: &Plan) {
        let named = |jobs: &[JobId], reason| {
            for StoredJob { job, .. } in active.iter().filter(|stored| jobs.contains(&stored.job.id)) {
                if let Some(lease) = job.lease()
                    && let Some(worker) = lease.worker
                {
                    self.inner.workers.give_back(worker, job.id, lease.token, reason);
                }
            }
        };
        named(&planned.recalls, ReturnReason::Recalled);
        named(&planned.interrupts, ReturnReason::Demo);
    }

    /// Writes the lease, then pushes the task that names it. Tells whether it was pushed.
    async fn dispatch(&self, id: JobId) -> Result<bool, WorkshopError> {
        let now = self.now();
        let token = LeaseToken::from_uuid(self.inner.parts.mint.uuid());
        let delivery_timeout = self.settings().delivery_timeout;
        let event = Event::new(EventKind::Dispatched, now);
        let update =
            self.store().update_job(id, Some(&event), |job| job.dispatch(token, now, delivery_timeout)).await;
        let stored = match update.map_err(WorkshopError::from) {
            Ok(update) => update.stored,
            // Cancelled since the plan was made.
            Err(WorkshopError::Store(store::StoreError::Transition(_))) => return Ok(true),
            Err(error) => return Err(error),
        };
        let span = job_span!("job.task.push", &stored);
        let task = TaskMessage::new(id, stored.job.attempt, token).traced(stored.job.seat, stored.trace);
        let pushed = self.inner.parts.queue.push(&task).instrument(span.clone()).await;
        self.note_queue(pushed.is_err());
        if let Err(error) = pushed {
            span.in_scope(|| {
                tracing::warn!(error = %error_chain(&error), "could not hand the job to Redis; it keeps its place");
            });
            self.store().update_job(id, None, |job| job.release(token, ReturnReason::Recalled, now)).await?;
            return Ok(false);
        }
        span.in_scope(|| tracing::info!("job handed out"));
        self.inner.hub.changed();
        Ok(true)
    }
}
