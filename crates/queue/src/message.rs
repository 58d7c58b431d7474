//! What travels through the queue: which lease to take up, and nothing else.
//! The graph stays on the server until a worker claims the lease.

use domain::{JobId, LeaseToken};
use serde::{Deserialize, Serialize};

/// The version written by this build. A reader ignores other versions.
pub const MESSAGE_VERSION: u8 = 1;

/// One dispatch of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskMessage {
    pub version: u8,
    pub job: JobId,
    pub attempt: u32,
    pub token: LeaseToken,
}

impl TaskMessage {
    pub fn new(job: JobId, attempt: u32, token: LeaseToken) -> Self {
        Self { version: MESSAGE_VERSION, job, attempt, token }
    }
}
