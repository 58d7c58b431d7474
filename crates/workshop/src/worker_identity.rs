//! Who a worker is: by the token for all, or by one of its own.
//!
//! Invariant: a worker with a token of its own acts under that token's name, and nobody with
//! another token acts for it: neither claims as it nor speaks of what it holds. A token that is
//! revoked opens nothing from the next request on, nor from the next heartbeat on.

use domain::{JobId, TraceId, WorkerId};
use sha2::{Digest, Sha256};

use crate::{Workshop, WorkshopError, spans};

/// How a worker came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerIdentity {
    /// With the token that all may use.
    Shared,
    /// With a token of its own.
    Own { name: String, sha256: String },
}

impl WorkerIdentity {
    /// What the worker is called, which calls itself this.
    pub fn name<'a>(&'a self, own_word: &'a str) -> &'a str {
        match self {
            Self::Shared => own_word,
            Self::Own { name, .. } => name,
        }
    }
}

/// What is kept of a worker's token.
pub fn worker_token_hash(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Workshop {
    /// Whose token this is, if it is a worker's own.
    pub async fn worker_of_token(&self, token: &str) -> Result<Option<WorkerIdentity>, WorkshopError> {
        let sha256 = worker_token_hash(token);
        let name = self.store().worker_of_token(&sha256).await?;
        Ok(name.map(|name| WorkerIdentity::Own { name, sha256 }))
    }

    /// Whether the token that it came with still opens anything.
    pub async fn is_welcome(&self, identity: &WorkerIdentity) -> Result<bool, WorkshopError> {
        match identity {
            WorkerIdentity::Shared => Ok(true),
            WorkerIdentity::Own { name, sha256 } => {
                Ok(self.store().worker_of_token(sha256).await?.as_ref() == Some(name))
            }
        }
    }

    /// An error if the worker belongs to somebody else. One that has not connected since the
    /// server's start is not known yet.
    pub fn require_worker(&self, identity: &WorkerIdentity, worker: WorkerId) -> Result<(), WorkshopError> {
        let owner = self.inner.workers.owner(worker);
        if owner.is_none_or(|owner| owner == *identity) { Ok(()) } else { Err(WorkshopError::StaleLease) }
    }

    /// An error if the job is on a worker that belongs to somebody else. From here on the log
    /// lines of the call bear the job's ids; `said` is what the worker named its trace and attempt.
    pub async fn require_holder(
        &self,
        identity: &WorkerIdentity,
        job: JobId,
        said: Option<(TraceId, u32)>,
    ) -> Result<(), WorkshopError> {
        let stored = self.store().job(job).await?;
        spans::note_job(&stored, said);
        match stored.job.lease().and_then(|lease| lease.worker) {
            Some(holder) => self.require_worker(identity, holder),
            // Not claimed, or over: the lease's token says the rest.
            None => Ok(()),
        }
    }
}
