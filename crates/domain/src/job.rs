//! A job's life: queued → leased → running → succeeded, failed or cancelled,
//! and back to queued when a lease is released or lapses.
//!
//! Invariant: whatever a worker does is accepted with the token of the job's
//! current lease only. A stale token changes nothing, so a task delivered twice
//! or a worker back from the dead cannot produce a second result.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Failure, FailureKind, JobId, LeaseToken, Priority, SeatId, Timestamp, WorkerId};

/// How often infrastructure may fail a job before it is given up.
pub const MAX_FAILURES: u32 = 3;
/// How often a job may kill its engine before it is quarantined.
pub const MAX_ENGINE_DEATHS: u32 = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: JobId,
    pub seat: SeatId,
    /// Order of arrival over all seats; unique.
    pub sequence: i64,
    /// Run (front): goes before the seat's own other jobs, never before another's.
    pub is_front: bool,
    pub priority: Priority,
    /// A demonstration that interrupts what executes.
    pub interrupts: bool,
    pub created_at: Timestamp,
    /// Number of the latest attempt; 0 before the first dispatch.
    pub attempt: u32,
    /// Attempts that infrastructure has failed.
    pub failures: u32,
    /// Attempts during which the engine died.
    pub engine_deaths: u32,
    /// When the participant or the instructor asked to cancel it.
    pub cancel_requested_at: Option<Timestamp>,
    /// Why it came back from a worker, from then until it executes again: it goes first in
    /// its class.
    pub returned: Option<ReturnReason>,
    pub state: JobState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// Waiting for a worker.
    Queued,
    /// Handed to delivery, and from the claim on prepared by a worker.
    Leased {
        lease: Lease,
    },
    /// Executing in ComfyUI.
    Running {
        lease: Lease,
        started_at: Timestamp,
    },
    Succeeded {
        started_at: Timestamp,
        finished_at: Timestamp,
    },
    Failed {
        started_at: Option<Timestamp>,
        finished_at: Timestamp,
        failure: Failure,
    },
    Cancelled {
        started_at: Option<Timestamp>,
        finished_at: Timestamp,
    },
}

/// Why a job that was on a worker waits again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnReason {
    /// Interrupted while it ran, so that a demonstration can be shown.
    Demo,
    /// Taken back before it ran, for a job that goes first.
    Recalled,
    /// Its worker was stopped, was never reached, or has no ComfyUI at the moment.
    WorkerStopped,
    /// The attempt failed by no fault of the job's own.
    Retry,
}

/// One handing of a job to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub token: LeaseToken,
    /// Who claimed it; nobody while the task is still on its way.
    pub worker: Option<WorkerId>,
    /// Without renewal the job is taken back from this moment on.
    pub expires_at: Timestamp,
}

/// What a state can be called by without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobPhase {
    Queued,
    Leased,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

/// The job is not in a state that allows this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// The token is not that of the current lease. Answered 409.
    #[error("the lease is no longer current")]
    StaleLease,
    #[error("a job that is {from:?} cannot become {to:?}")]
    NotAllowed { from: JobPhase, to: JobPhase },
}

/// What asking to cancel came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It was not on a worker: it is cancelled.
    Cancelled,
    /// The worker holding this lease must be told to stop.
    Requested(LeaseToken),
    /// It had ended before.
    AlreadyEnded,
}

impl Job {
    pub fn phase(&self) -> JobPhase {
        match self.state {
            JobState::Queued => JobPhase::Queued,
            JobState::Leased { .. } => JobPhase::Leased,
            JobState::Running { .. } => JobPhase::Running,
            JobState::Succeeded { .. } => JobPhase::Succeeded,
            JobState::Failed { .. } => JobPhase::Failed,
            JobState::Cancelled { .. } => JobPhase::Cancelled,
        }
    }

    pub fn lease(&self) -> Option<&Lease> {
        match &self.state {
            JobState::Leased { lease } | JobState::Running { lease, .. } => Some(lease),
            _ => None,
        }
    }

    /// When execution began in the current or final attempt.
    pub fn started_at(&self) -> Option<Timestamp> {
        match self.state {
            JobState::Running { started_at, .. } | JobState::Succeeded { started_at, .. } => Some(started_at),
            JobState::Failed { started_at, .. } | JobState::Cancelled { started_at, .. } => started_at,
            JobState::Queued | JobState::Leased { .. } => None,
        }
    }

    pub fn finished_at(&self) -> Option<Timestamp> {
        match self.state {
            JobState::Succeeded { finished_at, .. }
            | JobState::Failed { finished_at, .. }
            | JobState::Cancelled { finished_at, .. } => Some(finished_at),
            _ => None,
        }
    }

    /// Hands the job to delivery as its next attempt.
    pub fn dispatch(
        &mut self,
        token: LeaseToken,
        now: Timestamp,
        delivery_timeout: Duration,
    ) -> Result<(), TransitionError> {
        let JobState::Queued = self.state else {
            return Err(self.not_allowed(JobPhase::Leased));
        };
        self.attempt += 1;
        self.state =
            JobState::Leased { lease: Lease { token, worker: None, expires_at: now + delivery_timeout } };
        Ok(())
    }

    /// A worker takes the lease up. The same worker may claim again (a redelivered task).
    pub fn claim(
        &mut self,
        token: LeaseToken,
        worker: WorkerId,
        now: Timestamp,
        lease_time: Duration,
    ) -> Result<(), TransitionError> {
        let lease = self.current_lease(token)?;
        if lease.worker.is_some_and(|holder| holder != worker) {
            return Err(TransitionError::StaleLease);
        }
        lease.worker = Some(worker);
        lease.expires_at = now + lease_time;
        Ok(())
    }

    /// The holder is alive and at it.
    pub fn renew(
        &mut self,
        token: LeaseToken,
        now: Timestamp,
        lease_time: Duration,
    ) -> Result<(), TransitionError> {
        let lease = self.current_lease(token)?;
        lease.expires_at = now + lease_time;
        Ok(())
    }

    /// ComfyUI began to execute it.
    pub fn start(&mut self, token: LeaseToken, now: Timestamp) -> Result<(), TransitionError> {
        let lease = *self.current_lease(token)?;
        if let JobState::Leased { .. } = self.state {
            self.state = JobState::Running { lease, started_at: now };
            self.returned = None;
        }
        Ok(())
    }

    pub fn succeed(&mut self, token: LeaseToken, now: Timestamp) -> Result<(), TransitionError> {
        self.current_lease(token)?;
        self.state = JobState::Succeeded { started_at: self.started_at().unwrap_or(now), finished_at: now };
        Ok(())
    }

    /// The attempt failed. Infrastructure's fault is tried again, in front, until it has
    /// happened too often; the participant's own is final.
    pub fn fail(
        &mut self,
        token: LeaseToken,
        failure: Failure,
        now: Timestamp,
    ) -> Result<(), TransitionError> {
        self.current_lease(token)?;
        self.end_attempt(failure, now);
        Ok(())
    }

    /// ComfyUI stopped it on request.
    pub fn interrupted(&mut self, token: LeaseToken, now: Timestamp) -> Result<(), TransitionError> {
        self.current_lease(token)?;
        self.end_cancelled(now);
        Ok(())
    }

    /// The worker gives the job back unharmed, without it counting as a failure.
    pub fn release(
        &mut self,
        token: LeaseToken,
        reason: ReturnReason,
        now: Timestamp,
    ) -> Result<(), TransitionError> {
        self.current_lease(token)?;
        self.requeue(reason, now);
        Ok(())
    }

    /// Takes the job back if its lease has lapsed; tells whether it did.
    /// A task that nobody claimed was not delivered, which is not the job's failure.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        let Some(lease) = self.lease().copied().filter(|lease| lease.expires_at <= now) else {
            return false;
        };
        if lease.worker.is_some() {
            let message = "The GPU machine stopped answering while your job was on it.".to_owned();
            let advice = "Press Run again once the GPU machine is back.".to_owned();
            self.end_attempt(Failure { kind: FailureKind::WorkerLost, message, advice, detail: None }, now);
        } else {
            self.requeue(ReturnReason::WorkerStopped, now);
        }
        true
    }

    /// Moves the job to another class, wherever it is; tells whether that changed anything.
    /// Only a demonstration interrupts.
    pub fn prioritise(&mut self, priority: Priority, interrupts: bool) -> bool {
        let interrupts = interrupts && priority == Priority::Demo;
        let changes = self.phase().is_active() && (self.priority, self.interrupts) != (priority, interrupts);
        if changes {
            (self.priority, self.interrupts) = (priority, interrupts);
        }
        changes
    }

    pub fn cancel(&mut self, now: Timestamp) -> CancelOutcome {
        match self.state {
            JobState::Queued | JobState::Leased { lease: Lease { worker: None, .. } } => {
                self.end_cancelled(now);
                CancelOutcome::Cancelled
            }
            JobState::Leased { lease } | JobState::Running { lease, .. } => {
                self.cancel_requested_at.get_or_insert(now);
                CancelOutcome::Requested(lease.token)
            }
            JobState::Succeeded { .. } | JobState::Failed { .. } | JobState::Cancelled { .. } => {
                CancelOutcome::AlreadyEnded
            }
        }
    }

    fn end_attempt(&mut self, failure: Failure, now: Timestamp) {
        let started_at = self.started_at();
        if self.cancel_requested_at.is_some() {
            return self.end_cancelled(now);
        }
        if failure.kind.is_infrastructure() {
            self.failures += 1;
            self.engine_deaths += u32::from(failure.kind.kills_engine());
            if self.failures < MAX_FAILURES && self.engine_deaths < MAX_ENGINE_DEATHS {
                return self.requeue(ReturnReason::Retry, now);
            }
        }
        self.state = JobState::Failed { started_at, finished_at: now, failure };
    }

    fn end_cancelled(&mut self, now: Timestamp) {
        self.state = JobState::Cancelled { started_at: self.started_at(), finished_at: now };
    }

    fn requeue(&mut self, reason: ReturnReason, now: Timestamp) {
        if self.cancel_requested_at.is_some() {
            self.end_cancelled(now);
        } else {
            self.state = JobState::Queued;
            // What was only recalled has its turn still, and what came back before stays first.
            if reason != ReturnReason::Recalled {
                self.returned = Some(reason);
            }
        }
    }

    /// Whether what a worker does with this token counts.
    pub fn is_held_by(&self, token: LeaseToken) -> bool {
        self.lease().is_some_and(|lease| lease.token == token) || cfg!(feature = "without-lease-check")
    }

    fn current_lease(&mut self, token: LeaseToken) -> Result<&mut Lease, TransitionError> {
        if !self.is_held_by(token) {
            return Err(TransitionError::StaleLease);
        }
        if cfg!(feature = "without-lease-check") && self.lease().is_none() {
            self.state =
                JobState::Leased { lease: Lease { token, worker: None, expires_at: self.created_at } };
        }
        match &mut self.state {
            JobState::Leased { lease } | JobState::Running { lease, .. } => Ok(lease),
            _ => Err(TransitionError::StaleLease),
        }
    }

    fn not_allowed(&self, to: JobPhase) -> TransitionError {
        TransitionError::NotAllowed { from: self.phase(), to }
    }
}

impl JobPhase {
    pub fn is_active(self) -> bool {
        matches!(self, Self::Queued | Self::Leased | Self::Running)
    }
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
