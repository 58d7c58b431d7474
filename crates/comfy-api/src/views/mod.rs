//! Jobs as ComfyUI's clients see them: `/queue` and `/history` for frontends up to 1.32,
//! `/api/jobs` for newer ones.
//!
//! Invariant: an item that the newest frontend's schema rejects takes the whole list with
//! it, so every item has all members that the schema demands, whatever the engine gave.

mod jobs;
mod jobs_query;
mod outputs;
mod status;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

pub use jobs::{job_detail, job_summary, jobs_page};
pub use jobs_query::{InvalidJobsQuery, JobsQuery, JobsSort, JobsSortOrder};
pub use status::{execution_error, infrastructure_error, status_messages};

use crate::prompt::SECRET_EXTRA_DATA;

/// Where a job stands, in the words of `/api/jobs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobPhase {
    Pending,
    InProgress,
    Completed,
    Failed,
    Cancelled,
}

/// One job as its seat submitted it and as the engine answered, names restored.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// ComfyUI's `prompt_id`.
    pub id: String,
    /// Its place in the queue, as `POST /prompt` answered it.
    pub number: i64,
    pub prompt: Map<String, Value>,
    pub extra_data: Map<String, Value>,
    pub outputs_to_execute: Vec<String>,
    /// Unix milliseconds, as are the other times.
    pub create_time: i64,
    pub execution_start: Option<i64>,
    pub execution_end: Option<i64>,
    pub phase: JobPhase,
    /// Node id → what it showed.
    pub outputs: Map<String, Value>,
    pub meta: Map<String, Value>,
    /// `[name, data]` as the engine recorded them; may be incomplete or empty.
    pub messages: Vec<Value>,
    /// Data of an `execution_error`, or a sentence about what went wrong around the engine.
    pub error: Option<Value>,
}

impl JobPhase {
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::InProgress, Self::Completed, Self::Failed, Self::Cancelled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// One item of `GET /queue`: `[number, id, prompt, extra_data, outputs]`.
pub fn queue_item(job: &JobRecord) -> Value {
    json!([job.number, job.id, job.prompt, extra_data(job), job.outputs_to_execute])
}

/// The value under the job's id in `GET /history`. `status` is null until the job ends.
pub fn history_entry(job: &JobRecord) -> Value {
    json!({
        "prompt": queue_item(job),
        "outputs": job.outputs,
        "status": status::execution_status(job),
        "meta": job.meta,
    })
}

/// As the newest server keeps it: with the time of submission, without secrets.
fn extra_data(job: &JobRecord) -> Map<String, Value> {
    let mut extra_data = job.extra_data.clone();
    for secret in SECRET_EXTRA_DATA {
        extra_data.shift_remove(secret);
    }
    extra_data.insert("create_time".to_owned(), Value::from(job.create_time));
    extra_data
}
