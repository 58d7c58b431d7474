//! Jobs: the state machine's rows, their graphs and their results.

mod read;
mod row;
mod write;

pub use write::JobUpdate;

use domain::{Job, JobId, SeatId, Timestamp};
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
    pub seat: SeatId,
    pub is_front: bool,
    pub client_id: Option<String>,
    pub title: String,
    pub workflow_id: Option<String>,
    pub created_at: Timestamp,
    pub graph: JobGraph,
}
