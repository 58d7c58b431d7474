//! Between rows and the domain's job.

use domain::job::JobPhase;
use domain::{Failure, Job, JobState, Lease, ReturnReason, SeatId, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::StoredJob;
use crate::StoreError;

/// The state's columns, as written.
pub(super) struct StateColumns {
    pub phase: &'static str,
    pub return_reason: Option<String>,
    pub lease: Option<Lease>,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    pub failure: Option<String>,
}

pub(super) fn phase_name(phase: JobPhase) -> &'static str {
    match phase {
        JobPhase::Queued => "queued",
        JobPhase::Leased => "leased",
        JobPhase::Running => "running",
        JobPhase::Succeeded => "succeeded",
        JobPhase::Failed => "failed",
        JobPhase::Cancelled => "cancelled",
    }
}

pub(super) fn columns(job: &Job) -> Result<StateColumns, StoreError> {
    let failure = match &job.state {
        JobState::Failed { failure, .. } => {
            Some(serde_json::to_string(failure).map_err(StoreError::corrupt("failure"))?)
        }
        _ => None,
    };
    Ok(StateColumns {
        phase: phase_name(job.phase()),
        return_reason: job.returned.map(|reason| word(&reason, "return reason")).transpose()?,
        lease: job.lease().copied(),
        started_at: job.started_at().map(Timestamp::unix_ms),
        finished_at: job.finished_at().map(Timestamp::unix_ms),
        failure,
    })
}

pub(super) fn stored_job(row: &SqliteRow) -> Result<StoredJob, StoreError> {
    let id: String = row.get("id");
    Ok(StoredJob {
        job: Job {
            id: id.parse().map_err(StoreError::corrupt("job id"))?,
            seat: SeatId::new(row.get("seat")).map_err(StoreError::corrupt("seat"))?,
            sequence: row.get("sequence"),
            is_front: row.get("is_front"),
            priority: row.get::<&str, _>("priority").parse().map_err(StoreError::corrupt("priority"))?,
            interrupts: row.get("interrupts"),
            created_at: Timestamp::from_unix_ms(row.get("created_at")),
            attempt: row.get("attempt"),
            failures: row.get("failures"),
            engine_deaths: row.get("engine_deaths"),
            cancel_requested_at: time(row, "cancel_requested_at"),
            returned: returned(row)?,
            state: state(row)?,
        },
        number: row.get("number"),
        client_id: row.get("client_id"),
        title: row.get("title"),
        workflow_id: row.get("workflow_id"),
        trace: row.get::<&str, _>("trace_id").parse().map_err(StoreError::corrupt("trace id"))?,
        shape: row
            .get::<Option<&str>, _>("shape")
            .map(serde_json::from_str)
            .transpose()
            .map_err(StoreError::corrupt("shape"))?,
    })
}

fn state(row: &SqliteRow) -> Result<JobState, StoreError> {
    let phase: String = row.get("phase");
    let started_at = time(row, "started_at");
    let finished = || time(row, "finished_at").ok_or_else(|| missing("finished_at"));
    Ok(match phase.as_str() {
        "queued" => JobState::Queued,
        "leased" => JobState::Leased { lease: lease(row)? },
        "running" => JobState::Running {
            lease: lease(row)?,
            started_at: started_at.ok_or_else(|| missing("started_at"))?,
        },
        "succeeded" => JobState::Succeeded {
            started_at: started_at.ok_or_else(|| missing("started_at"))?,
            finished_at: finished()?,
        },
        "failed" => {
            let text: String = row.get("failure");
            let failure: Failure = serde_json::from_str(&text).map_err(StoreError::corrupt("failure"))?;
            JobState::Failed { started_at, finished_at: finished()?, failure }
        }
        "cancelled" => JobState::Cancelled { started_at, finished_at: finished()? },
        other => {
            return Err(StoreError::Corrupt {
                field: "phase",
                source: format!("unknown phase {other}").into(),
            });
        }
    })
}

fn returned(row: &SqliteRow) -> Result<Option<ReturnReason>, StoreError> {
    let word: Option<String> = row.get("return_reason");
    let reason = word.map(|word| serde_json::from_value(word.into())).transpose();
    reason.map_err(StoreError::corrupt("return reason"))
}

fn lease(row: &SqliteRow) -> Result<Lease, StoreError> {
    let token: String = row.get("lease_token");
    let worker: Option<String> = row.get("lease_worker");
    Ok(Lease {
        token: token.parse().map_err(StoreError::corrupt("lease token"))?,
        worker: worker.map(|id| id.parse()).transpose().map_err(StoreError::corrupt("worker id"))?,
        expires_at: time(row, "lease_expires_at").ok_or_else(|| missing("lease_expires_at"))?,
    })
}

/// A unit variant by its serde name, without the quotes.
fn word(value: &impl serde::Serialize, field: &'static str) -> Result<String, StoreError> {
    let text = serde_json::to_string(value).map_err(StoreError::corrupt(field))?;
    Ok(text.trim_matches('"').to_owned())
}

fn time(row: &SqliteRow, column: &str) -> Option<Timestamp> {
    row.get::<Option<i64>, _>(column).map(Timestamp::from_unix_ms)
}

fn missing(field: &'static str) -> StoreError {
    StoreError::Corrupt { field, source: "it is not set".into() }
}
