//! Reading jobs. Whatever reads a participant's data names the seat.

use std::collections::HashMap;

use domain::{JobId, SeatId, Timestamp};
use futures::{StreamExt, TryStreamExt};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::row::stored_job;
use super::{EndedTotals, FinishedRun, JobGraph, JobResult, StoredJob, Submitted};
use crate::{Store, StoreError};

/// Ended jobs as a seat's history shows them: a job cancelled before it ran never ran,
/// and what the participant removed stays removed.
/// Of graphs that are listed together. A class's whole history fits.
const LISTED_GRAPHS_BYTES: i64 = 8 << 20;

const IN_HISTORY: &str =
    "finished_at IS NOT NULL AND removed_at IS NULL AND NOT (phase = 'cancelled' AND started_at IS NULL)";

impl Store {
    /// Any seat's job: for the worker's and the instructor's use cases only.
    pub async fn job(&self, id: JobId) -> Result<StoredJob, StoreError> {
        let row = sqlx::query("SELECT * FROM jobs WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(&self.reader)
            .await
            .map_err(StoreError::query("read a job"))?;
        stored_job(&row.ok_or(StoreError::NoSuchJob(id))?)
    }

    /// The job, if it is this seat's and not removed.
    pub async fn seat_job(&self, seat: SeatId, id: JobId) -> Result<StoredJob, StoreError> {
        let row = sqlx::query("SELECT * FROM jobs WHERE id = ? AND seat = ? AND removed_at IS NULL")
            .bind(id.to_string())
            .bind(seat.number())
            .fetch_optional(&self.reader)
            .await
            .map_err(StoreError::query("read a job"))?;
        stored_job(&row.ok_or(StoreError::NoSuchJob(id))?)
    }

    /// The job, if it is this seat's, though it may have left the seat's history.
    pub async fn seat_job_ever(&self, seat: SeatId, id: JobId) -> Result<StoredJob, StoreError> {
        let row = sqlx::query("SELECT * FROM jobs WHERE id = ? AND seat = ?")
            .bind(id.to_string())
            .bind(seat.number())
            .fetch_optional(&self.reader)
            .await
            .map_err(StoreError::query("read a job"))?;
        stored_job(&row.ok_or(StoreError::NoSuchJob(id))?)
    }

    /// All seats' jobs that wait or run, in order of arrival.
    pub async fn active_jobs(&self) -> Result<Vec<StoredJob>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE phase IN ('queued', 'leased', 'running') ORDER BY sequence",
        )
        .fetch_all(&self.reader)
        .await
        .map_err(StoreError::query("list the queue"))?;
        rows.iter().map(stored_job).collect()
    }

    /// How many of the seat's jobs wait or run: what ComfyUI calls `queue_remaining`.
    pub async fn active_count(&self, seat: SeatId) -> Result<u32, StoreError> {
        sqlx::query_scalar(
            "SELECT count(*) FROM jobs WHERE phase IN ('queued', 'leased', 'running') AND seat = ?",
        )
        .bind(seat.number())
        .fetch_one(&self.reader)
        .await
        .map_err(StoreError::query("count a seat's jobs"))
    }

    /// The seat's ended jobs, latest first.
    pub async fn seat_history(&self, seat: SeatId, limit: u32) -> Result<Vec<StoredJob>, StoreError> {
        let query =
            format!("SELECT * FROM jobs WHERE seat = ? AND {IN_HISTORY} ORDER BY sequence DESC LIMIT ?");
        let rows = sqlx::query(&query)
            .bind(seat.number())
            .bind(limit)
            .fetch_all(&self.reader)
            .await
            .map_err(StoreError::query("read the history"))?;
        rows.iter().map(stored_job).collect()
    }

    /// All of the seat's ended jobs that it has not removed, latest first: the history, and
    /// what was cancelled before it ran.
    pub async fn seat_ended(&self, seat: SeatId, limit: u32) -> Result<Vec<StoredJob>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE seat = ? AND finished_at IS NOT NULL AND removed_at IS NULL
             ORDER BY sequence DESC LIMIT ?",
        )
        .bind(seat.number())
        .bind(limit)
        .fetch_all(&self.reader)
        .await
        .map_err(StoreError::query("list a seat's ended jobs"))?;
        rows.iter().map(stored_job).collect()
    }

    /// The latest ended jobs of all seats, latest first.
    pub async fn ended_jobs(&self, limit: u32) -> Result<Vec<StoredJob>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM jobs WHERE finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT ?")
                .bind(limit)
                .fetch_all(&self.reader)
                .await
                .map_err(StoreError::query("list ended jobs"))?;
        rows.iter().map(stored_job).collect()
    }

    /// What each seat's ended jobs came to.
    pub async fn ended_totals(&self) -> Result<HashMap<SeatId, EndedTotals>, StoreError> {
        let rows = sqlx::query(
            "SELECT seat, sum(phase = 'succeeded') AS succeeded, sum(phase = 'failed') AS failed,
                 coalesce(sum(finished_at - started_at), 0) AS gpu_ms
             FROM jobs WHERE finished_at IS NOT NULL GROUP BY seat",
        )
        .fetch_all(&self.reader)
        .await
        .map_err(StoreError::query("count ended jobs"))?;
        let totals = |row: &SqliteRow| {
            let totals = EndedTotals {
                succeeded: row.get("succeeded"),
                failed: row.get("failed"),
                gpu_ms: u64::try_from(row.get::<i64, _>("gpu_ms")).unwrap_or(0),
            };
            Ok((seat(row)?, totals))
        };
        rows.iter().map(totals).collect()
    }

    /// The latest runs that succeeded, oldest first.
    pub async fn finished_runs(&self, limit: u32) -> Result<Vec<FinishedRun>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM (
                 SELECT shape, finished_at, finished_at - started_at AS duration FROM jobs
                 WHERE phase = 'succeeded' AND shape IS NOT NULL ORDER BY finished_at DESC LIMIT ?
             ) ORDER BY finished_at",
        )
        .bind(limit)
        .fetch_all(&self.reader)
        .await
        .map_err(StoreError::query("read how long jobs took"))?;
        let run = |row: &SqliteRow| {
            let duration_ms = u64::try_from(row.get::<i64, _>("duration")).unwrap_or(0);
            Ok(FinishedRun { shape: json(row.get("shape"), "shape")?, duration_ms })
        };
        rows.iter().map(run).collect()
    }

    /// What was submitted, waited or executed since then.
    pub async fn submitted_since(&self, since: Timestamp) -> Result<Vec<Submitted>, StoreError> {
        let rows = sqlx::query(
            "SELECT seat, created_at, started_at, finished_at, finished_at - started_at AS execution,
                 CASE WHEN started_at IS NULL OR finished_at IS NULL THEN shape END AS shape,
                 phase = 'failed' AS has_failed
             FROM jobs
             WHERE created_at >= ?1 OR finished_at >= ?1 OR phase IN ('queued', 'leased', 'running')",
        )
        .bind(since.unix_ms())
        .fetch(&self.reader);
        let submitted = |row: &SqliteRow| {
            let execution = row.get::<Option<i64>, _>("execution");
            let shape: Option<&str> = row.get("shape");
            Ok(Submitted {
                seat: seat(row)?,
                created_at: Timestamp::from_unix_ms(row.get("created_at")),
                started_at: row.get::<Option<i64>, _>("started_at").map(Timestamp::from_unix_ms),
                ended_at: row.get::<Option<i64>, _>("finished_at").map(Timestamp::from_unix_ms),
                has_failed: row.get("has_failed"),
                execution_ms: execution.and_then(|ms| u64::try_from(ms).ok()),
                shape: shape.map(|shape| json(shape, "shape")).transpose()?,
            })
        };
        // A row takes twenty times as much as what is kept of it.
        rows.map(|row| submitted(&row.map_err(StoreError::query("read what was submitted"))?))
            .try_collect()
            .await
    }

    pub async fn graph(&self, id: JobId) -> Result<JobGraph, StoreError> {
        self.graphs(&[id]).await?.remove(&id).ok_or(StoreError::NoSuchJob(id))
    }

    /// The graphs of the jobs, the smallest first, until they come to [`LISTED_GRAPHS_BYTES`]:
    /// each may be as large as a graph may be, and all are in memory at once.
    pub async fn graphs(&self, ids: &[JobId]) -> Result<HashMap<JobId, JobGraph>, StoreError> {
        const SMALLEST: &str = "SELECT job_graphs.* FROM job_graphs JOIN (\
            SELECT job_id, length(prompt) + length(extra_data) AS bytes, \
                sum(length(prompt) + length(extra_data)) OVER (ORDER BY length(prompt) + length(extra_data), job_id) AS up_to \
            FROM job_graphs WHERE job_id IN (SELECT value FROM json_each(?))) AS sizes USING (job_id) \
            WHERE up_to - bytes < ?";
        let rows = sqlx::query(SMALLEST)
            .bind(json_list(ids)?)
            .bind(LISTED_GRAPHS_BYTES)
            .fetch_all(&self.reader)
            .await
            .map_err(StoreError::query("read graphs"))?;
        let graph = |row: &SqliteRow| {
            let graph = JobGraph {
                prompt: json(row.get("prompt"), "prompt")?,
                extra_data: json(row.get("extra_data"), "extra_data")?,
                outputs_to_execute: json(row.get("outputs_to_execute"), "outputs_to_execute")?,
            };
            Ok((job_id(row)?, graph))
        };
        rows.iter().map(graph).collect()
    }

    /// The results of those of the jobs that have one.
    pub async fn results(&self, ids: &[JobId]) -> Result<HashMap<JobId, JobResult>, StoreError> {
        let rows = sqlx::query("SELECT * FROM job_results WHERE job_id IN (SELECT value FROM json_each(?))")
            .bind(json_list(ids)?)
            .fetch_all(&self.reader)
            .await
            .map_err(StoreError::query("read results"))?;
        let result = |row: &SqliteRow| {
            let result = JobResult {
                outputs: json(row.get("outputs"), "outputs")?,
                meta: json(row.get("meta"), "meta")?,
                messages: json(row.get("messages"), "messages")?,
            };
            Ok((job_id(row)?, result))
        };
        rows.iter().map(result).collect()
    }
}

fn seat(row: &SqliteRow) -> Result<SeatId, StoreError> {
    SeatId::new(row.get("seat")).map_err(StoreError::corrupt("seat"))
}

fn job_id(row: &SqliteRow) -> Result<JobId, StoreError> {
    let id: &str = row.get("job_id");
    id.parse().map_err(StoreError::corrupt("job id"))
}

fn json_list(ids: &[JobId]) -> Result<String, StoreError> {
    serde_json::to_string(ids).map_err(StoreError::corrupt("job ids"))
}

fn json<T: serde::de::DeserializeOwned>(text: &str, field: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(StoreError::corrupt(field))
}
