//! Changes to jobs, each in one transaction together with the events it causes.

use domain::job::TransitionError;
use domain::{Job, JobId};
use sqlx::{Sqlite, Transaction};

use super::row::{columns, stored_job};
use super::{JobResult, NewJob, StoredJob};
use crate::events::{self, Event, EventKind};
use crate::{Store, StoreError};

impl Store {
    /// Queues a job behind all others and numbers it.
    pub async fn insert_job(&self, new: &NewJob) -> Result<StoredJob, StoreError> {
        let mut transaction = self.begin().await?;
        let inserted = sqlx::query(
            "INSERT INTO jobs (id, seat, sequence, number, is_front, client_id, title, workflow_id, created_at, priority,
                 interrupts, shape, trace_id, phase)
             SELECT ?1, ?2, (SELECT coalesce(max(sequence), 0) + 1 FROM jobs), count * ?3, ?4, ?5, ?6, ?7, ?8, ?9,
                 ?10, ?11, ?12, 'queued'
             FROM (SELECT count(*) AS count FROM jobs WHERE seat = ?2) WHERE true
             ON CONFLICT (id) DO NOTHING
             RETURNING *",
        )
        .bind(new.id.to_string())
        .bind(new.seat.number())
        .bind(if new.is_front { -1 } else { 1 })
        .bind(new.is_front)
        .bind(&new.client_id)
        .bind(&new.title)
        .bind(&new.workflow_id)
        .bind(new.created_at.unix_ms())
        .bind(new.priority.as_str())
        .bind(new.interrupts)
        .bind(new.shape.as_ref().map(serde_json::to_string).transpose().map_err(StoreError::corrupt("shape"))?)
        .bind(new.trace.to_string())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(StoreError::query("queue a job"))?;
        let stored = stored_job(&inserted.ok_or(StoreError::DuplicateJob(new.id))?)?;
        let json = |value: Result<String, serde_json::Error>| value.map_err(StoreError::corrupt("graph"));
        sqlx::query(
            "INSERT INTO job_graphs (job_id, prompt, extra_data, outputs_to_execute) VALUES (?, ?, ?, ?)",
        )
        .bind(new.id.to_string())
        .bind(json(serde_json::to_string(&new.graph.prompt))?)
        .bind(json(serde_json::to_string(&new.graph.extra_data))?)
        .bind(json(serde_json::to_string(&new.graph.outputs_to_execute))?)
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::query("keep a graph"))?;
        let event = Event {
            seat: Some(new.seat),
            job: Some(new.id),
            ..Event::new(EventKind::Submitted, new.created_at)
        };
        events::insert(&mut transaction, &event).await?;
        transaction.commit().await.map_err(StoreError::query("queue a job"))?;
        Ok(stored)
    }

    /// Applies a transition to the job as it is now, and tells the job before and after.
    ///
    /// Nothing is written if the transition refuses or changes nothing.
    pub async fn update_job<T>(
        &self,
        id: JobId,
        event: Option<&Event>,
        transition: impl FnOnce(&mut Job) -> Result<T, TransitionError> + Send,
    ) -> Result<JobUpdate<T>, StoreError> {
        self.change_job(id, event, None, transition).await
    }

    /// As [`Store::update_job`], and keeps the result if the job has ended by it.
    pub async fn close_job<T>(
        &self,
        id: JobId,
        event: Option<&Event>,
        result: &JobResult,
        transition: impl FnOnce(&mut Job) -> Result<T, TransitionError> + Send,
    ) -> Result<JobUpdate<T>, StoreError> {
        self.change_job(id, event, Some(result), transition).await
    }

    async fn change_job<T>(
        &self,
        id: JobId,
        event: Option<&Event>,
        result: Option<&JobResult>,
        transition: impl FnOnce(&mut Job) -> Result<T, TransitionError> + Send,
    ) -> Result<JobUpdate<T>, StoreError> {
        let mut transaction = self.begin().await?;
        let mut stored = job_within(&mut transaction, id).await?;
        let before = stored.job.clone();
        let outcome = transition(&mut stored.job)?;
        if stored.job != before {
            write(&mut transaction, &stored.job).await?;
            if let Some(result) = result.filter(|_| !stored.job.phase().is_active()) {
                write_result(&mut transaction, &stored.job, result).await?;
            }
            if let Some(event) = event {
                let event = Event {
                    seat: Some(before.seat),
                    job: Some(id),
                    attempt: Some(stored.job.attempt),
                    ..event.clone()
                };
                events::insert(&mut transaction, &event).await?;
            }
            transaction.commit().await.map_err(StoreError::query("change a job"))?;
        }
        Ok(JobUpdate { before, stored, outcome })
    }

    /// Takes ended jobs of one seat out of its history. `None` takes all.
    pub async fn remove_from_history(
        &self,
        seat: domain::SeatId,
        ids: Option<&[JobId]>,
        now: domain::Timestamp,
    ) -> Result<(), StoreError> {
        let ids = ids.map(serde_json::to_string).transpose().map_err(StoreError::corrupt("job ids"))?;
        sqlx::query(
            "UPDATE jobs SET removed_at = ?1 WHERE seat = ?2 AND finished_at IS NOT NULL AND removed_at IS NULL
                 AND (?3 IS NULL OR id IN (SELECT value FROM json_each(?3)))",
        )
        .bind(now.unix_ms())
        .bind(seat.number())
        .bind(ids)
        .execute(&self.writer)
        .await
        .map_err(StoreError::query("clear the history"))?;
        Ok(())
    }
}

/// A job before and after a change.
#[derive(Debug, Clone)]
pub struct JobUpdate<T> {
    pub before: Job,
    pub stored: StoredJob,
    pub outcome: T,
}

/// The job as this transaction finds it.
pub(crate) async fn job_within(
    transaction: &mut Transaction<'_, Sqlite>,
    id: JobId,
) -> Result<StoredJob, StoreError> {
    let row = sqlx::query("SELECT * FROM jobs WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(&mut **transaction)
        .await
        .map_err(StoreError::query("read a job"))?;
    stored_job(&row.ok_or(StoreError::NoSuchJob(id))?)
}

async fn write(transaction: &mut Transaction<'_, Sqlite>, job: &Job) -> Result<(), StoreError> {
    let state = columns(job)?;
    sqlx::query(
        "UPDATE jobs SET phase = ?, return_reason = ?, priority = ?, interrupts = ?, attempt = ?, failures = ?, engine_deaths = ?,
             cancel_requested_at = ?, lease_token = ?, lease_worker = ?, lease_expires_at = ?, started_at = ?,
             finished_at = ?, failure = ?
         WHERE id = ?",
    )
    .bind(state.phase)
    .bind(state.return_reason)
    .bind(job.priority.as_str())
    .bind(job.interrupts)
    .bind(job.attempt)
    .bind(job.failures)
    .bind(job.engine_deaths)
    .bind(job.cancel_requested_at.map(domain::Timestamp::unix_ms))
    .bind(state.lease.map(|lease| lease.token.to_string()))
    .bind(state.lease.and_then(|lease| lease.worker).map(|worker| worker.to_string()))
    .bind(state.lease.map(|lease| lease.expires_at.unix_ms()))
    .bind(state.started_at)
    .bind(state.finished_at)
    .bind(state.failure)
    .bind(job.id.to_string())
    .execute(&mut **transaction)
    .await
    .map_err(StoreError::query("change a job"))?;
    Ok(())
}

async fn write_result(
    transaction: &mut Transaction<'_, Sqlite>,
    job: &Job,
    result: &JobResult,
) -> Result<(), StoreError> {
    let json = |value: Result<String, serde_json::Error>| value.map_err(StoreError::corrupt("result"));
    sqlx::query("INSERT OR REPLACE INTO job_results (job_id, outputs, meta, messages) VALUES (?, ?, ?, ?)")
        .bind(job.id.to_string())
        .bind(json(serde_json::to_string(&result.outputs))?)
        .bind(json(serde_json::to_string(&result.meta))?)
        .bind(json(serde_json::to_string(&result.messages))?)
        .execute(&mut **transaction)
        .await
        .map_err(StoreError::query("keep a result"))?;
    // Files that only an earlier attempt made are not results of this job.
    sqlx::query("DELETE FROM artifacts WHERE job_id = ? AND attempt <> ?")
        .bind(job.id.to_string())
        .bind(job.attempt)
        .execute(&mut **transaction)
        .await
        .map_err(StoreError::query("drop an earlier attempt's files"))?;
    Ok(())
}
