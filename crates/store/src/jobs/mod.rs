//! Jobs: the state machine's rows, their graphs and their results.

mod read;
mod row;
mod write;

pub use write::JobUpdate;
pub(crate) use write::job_within;

use domain::{Job, JobId, Priority, SeatId, Timestamp, TraceId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A job with what is kept beside its state.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredJob {
    pub job: Job,
    /// ComfyUI's `number`, counted per seat; negative for jobs queued in front.
    pub number: i64,
    /// The editor tab that queued it.
    pub client_id: Option<String>,
    pub title: String,
    pub workflow_id: Option<String>,
    pub shape: Option<JobShape>,
    pub trace: TraceId,
}

/// What a graph is like, as far as its duration goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobShape {
    /// From exact to broad.
    pub keys: Vec<String>,
    /// Frames × pixels × steps; 0 if unknown.
    pub work: u64,
}

/// A run that succeeded, for learning how long such graphs take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedRun {
    pub shape: JobShape,
    pub duration_ms: u64,
}

/// A job as far as its seat's habits go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    pub seat: SeatId,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub has_failed: bool,
    /// How long it executed, once it has ended.
    pub execution_ms: Option<u64>,
    /// Of a job that has not executed, to tell how long it likely will.
    pub shape: Option<JobShape>,
}

/// What a seat's ended jobs came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EndedTotals {
    pub succeeded: u32,
    pub failed: u32,
    /// Time that its jobs executed, whatever came of them.
    pub gpu_ms: u64,
}

/// What the participant queued.
#[derive(Debug, Clone, PartialEq)]
pub struct JobGraph {
    pub prompt: Map<String, Value>,
    pub extra_data: Map<String, Value>,
    /// The output nodes that will run.
    pub outputs_to_execute: Vec<String>,
}

/// What came of it, as in ComfyUI's history.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobResult {
    pub outputs: Map<String, Value>,
    pub meta: Map<String, Value>,
    pub messages: Vec<Value>,
}

/// A job to be queued.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    pub id: JobId,
    pub trace: TraceId,
    pub seat: SeatId,
    pub is_front: bool,
    pub priority: Priority,
    pub interrupts: bool,
    pub shape: Option<JobShape>,
    pub client_id: Option<String>,
    pub title: String,
    pub workflow_id: Option<String>,
    pub created_at: Timestamp,
    pub graph: JobGraph,
}
