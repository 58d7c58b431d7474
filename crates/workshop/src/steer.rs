//! The instructor's hand on single jobs and workers.

use domain::{Admin, JobId, Priority, SeatId, WorkerId};
use store::{Event, EventKind, NewJob, StoredJob};

use crate::spans::job_span;
use crate::{Workshop, WorkshopError};

impl Workshop {
    /// Moves a job to another class. A demonstration that `interrupts` starts at once: what
    /// executes goes back to the front of the line and is run again by itself.
    pub async fn prioritise(
        &self,
        _admin: Admin,
        id: JobId,
        priority: Priority,
        interrupts: bool,
    ) -> Result<(), WorkshopError> {
        let word = match (priority, interrupts) {
            (Priority::Demo, true) => "demo now",
            (Priority::Demo, false) => "first",
            (Priority::Raised, _) => "raised",
            (Priority::Normal, _) => "normal",
        };
        let event = Event { detail: Some(word.to_owned()), ..Event::new(EventKind::Prioritised, self.now()) };
        let update =
            self.store().update_job(id, Some(&event), |job| Ok(job.prioritise(priority, interrupts))).await?;
        if update.outcome {
            job_span!("job.priority.change", &update.stored)
                .in_scope(|| tracing::info!(priority = word, "priority changed"));
            self.inner.dispatcher.notify_one();
            self.inner.hub.changed();
        }
        Ok(())
    }

    /// Queues the graph of an ended job again, as a new job of the same seat.
    pub async fn run_again(&self, _admin: Admin, id: JobId) -> Result<JobId, WorkshopError> {
        let StoredJob { job, client_id, title, workflow_id, shape, .. } = self.store().job(id).await?;
        if job.phase().is_active() {
            return Err(WorkshopError::BadRequest("this job has not ended yet".into()));
        }
        let new = NewJob {
            id: JobId::from_uuid(self.inner.parts.mint.uuid()),
            trace: self.new_trace(),
            seat: job.seat,
            is_front: false,
            priority: Priority::Normal,
            interrupts: false,
            shape,
            client_id,
            title,
            workflow_id,
            created_at: self.now(),
            graph: self.store().graph(id).await?,
        };
        let stored = self.store().insert_job(&new).await?;
        job_span!("job.prompt.repeat", &stored).in_scope(|| tracing::info!(of = %id, "job queued again"));
        let event = Event {
            seat: Some(job.seat),
            job: Some(new.id),
            ..Event::new(EventKind::RunAgain, new.created_at)
        };
        self.store().record_event(&event).await?;
        self.inner.dispatcher.notify_one();
        self.announce_queue(job.seat).await;
        Ok(new.id)
    }

    /// Cancels all of a seat's jobs, running ones too.
    pub async fn clear_seat(&self, _admin: Admin, seat: SeatId) -> Result<(), WorkshopError> {
        self.seat(seat)?;
        self.cancel_all(seat).await
    }

    /// Gives a worker nothing more, or lets it take jobs again. By name, as that outlives a restart.
    pub async fn drain_worker(
        &self,
        _admin: Admin,
        name: &str,
        is_draining: bool,
    ) -> Result<(), WorkshopError> {
        if !self.store().workers().await?.iter().any(|worker| worker.name == name) {
            return Err(WorkshopError::NotFound);
        }
        self.store().drain_worker(name, is_draining).await?;
        self.inner.workers.drain(name, is_draining);
        let kind = if is_draining { EventKind::WorkerDrained } else { EventKind::WorkerResumed };
        self.store()
            .record_event(&Event { worker: Some(name.to_owned()), ..Event::new(kind, self.now()) })
            .await?;
        self.inner.dispatcher.notify_one();
        self.inner.hub.changed();
        Ok(())
    }

    /// Restarts the ComfyUI of a connected worker. What it ran goes back to the front of the line.
    pub async fn restart_engine(&self, _admin: Admin, worker: WorkerId) -> Result<(), WorkshopError> {
        let name = self.inner.workers.restart_engine(worker).ok_or(WorkshopError::NotFound)?;
        tracing::info!(worker.id = %worker, worker.name = name, "engine restart requested");
        let event = Event { worker: Some(name), ..Event::new(EventKind::EngineRestarted, self.now()) };
        self.store().record_event(&event).await?;
        Ok(())
    }
}
