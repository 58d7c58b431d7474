//! What travels through the queue: which lease to take up, and what its log lines bear.
//! The graph stays on the server until a worker claims the lease.

use domain::{JobId, LeaseToken, SeatId, TraceId};
use serde::{Deserialize, Serialize};

/// The version written by this build. A reader ignores other versions. What every reader may do
/// without is added without a new one, so that an older worker goes on.
pub const MESSAGE_VERSION: u8 = 1;

/// One dispatch of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskMessage {
    pub version: u8,
    pub job: JobId,
    pub attempt: u32,
    pub token: LeaseToken,
    /// Nothing from a server that does not write it yet.
    #[serde(default)]
    pub seat: Option<SeatId>,
    #[serde(default)]
    pub trace: Option<TraceId>,
}

impl TaskMessage {
    pub fn new(job: JobId, attempt: u32, token: LeaseToken) -> Self {
        Self { version: MESSAGE_VERSION, job, attempt, token, seat: None, trace: None }
    }

    /// With what the worker's log says of the job.
    pub fn traced(self, seat: SeatId, trace: TraceId) -> Self {
        Self { seat: Some(seat), trace: Some(trace), ..self }
    }

    /// What follows the job through all logs.
    pub fn trace(&self) -> TraceId {
        self.trace.unwrap_or_else(|| TraceId::of_job(self.job))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_message_of_an_older_server_is_read_and_followed_by_its_job() {
        let id = Uuid::from_u128(7);
        let older = format!(r#"{{"version": 1, "job": "{id}", "attempt": 2, "token": "{id}"}}"#);
        let message: TaskMessage = serde_json::from_str(&older).unwrap();
        assert_eq!(message, TaskMessage::new(JobId::from_uuid(id), 2, LeaseToken::from_uuid(id)));
        assert_eq!(message.trace(), TraceId::of_job(message.job));
    }

    #[test]
    fn a_message_carries_the_trace_and_the_seat() {
        let id = Uuid::from_u128(7);
        let trace = TraceId::from_uuid(&Uuid::from_u128(8));
        let message = TaskMessage::new(JobId::from_uuid(id), 1, LeaseToken::from_uuid(id))
            .traced(SeatId::new(3).unwrap(), trace);
        let read: TaskMessage = serde_json::from_str(&serde_json::to_string(&message).unwrap()).unwrap();
        assert_eq!(read, message);
        assert_eq!(read.trace(), trace);
    }
}
