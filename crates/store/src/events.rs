//! What happened, in order: for the instructor's activity list and for replaying a fault.

use domain::{Failure, JobId, SeatId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use crate::{Store, StoreError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    Submitted,
    Dispatched,
    Claimed,
    Started,
    Succeeded,
    Failed,
    Cancelled,
    CancelRequested,
    Released,
    LeaseLapsed,
    WorkerConnected,
    WorkerDisconnected,
    SeatJoined,
    AdminLoggedIn,
    Prioritised,
    RunAgain,
    QueuePaused,
    QueueResumed,
    PolicyChanged,
    Announced,
    SeatPaused,
    SeatResumed,
    SeatRenamed,
    SeatMessaged,
    SeatDemo,
    LinkRotated,
    TokenMade,
    TokenRevoked,
    WorkerDrained,
    WorkerResumed,
    EngineRestarted,
}

impl EventKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Dispatched => "dispatched",
            Self::Claimed => "claimed",
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::CancelRequested => "cancel_requested",
            Self::Released => "released",
            Self::LeaseLapsed => "lease_lapsed",
            Self::WorkerConnected => "worker_connected",
            Self::WorkerDisconnected => "worker_disconnected",
            Self::SeatJoined => "seat_joined",
            Self::AdminLoggedIn => "admin_logged_in",
            Self::Prioritised => "prioritised",
            Self::RunAgain => "run_again",
            Self::QueuePaused => "queue_paused",
            Self::QueueResumed => "queue_resumed",
            Self::PolicyChanged => "policy_changed",
            Self::Announced => "announced",
            Self::SeatPaused => "seat_paused",
            Self::SeatResumed => "seat_resumed",
            Self::SeatRenamed => "seat_renamed",
            Self::SeatMessaged => "seat_messaged",
            Self::SeatDemo => "seat_demo",
            Self::LinkRotated => "link_rotated",
            Self::TokenMade => "token_made",
            Self::TokenRevoked => "token_revoked",
            Self::WorkerDrained => "worker_drained",
            Self::WorkerResumed => "worker_resumed",
            Self::EngineRestarted => "engine_restarted",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub at: Timestamp,
    pub kind: EventKind,
    pub seat: Option<SeatId>,
    pub job: Option<JobId>,
    pub worker: Option<String>,
    pub attempt: Option<u32>,
    /// Never a prompt, a path or a secret.
    pub detail: Option<String>,
}

impl Event {
    pub fn new(kind: EventKind, at: Timestamp) -> Self {
        Self { at, kind, seat: None, job: None, worker: None, attempt: None, detail: None }
    }
}

/// An event as it was recorded. Later ones have higher ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    pub id: i64,
    pub event: Event,
    /// Of the job, if there is one.
    pub title: Option<String>,
    /// Why the job failed, if this is its failure.
    pub failure: Option<Failure>,
}

/// Which events to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventFilter {
    pub seat: Option<SeatId>,
    /// Failures and lost leases only.
    pub problems_only: bool,
    /// Older than this one.
    pub before: Option<i64>,
}

impl Store {
    /// The latest events that a person cares about, latest first: of a job's way only its
    /// beginnings and ends.
    pub async fn events(&self, filter: EventFilter, limit: u32) -> Result<Vec<RecordedEvent>, StoreError> {
        let rows = sqlx::query(
            "SELECT events.*, jobs.title, CASE WHEN kind = 'failed' THEN jobs.failure END AS failure
             FROM events LEFT JOIN jobs ON jobs.id = events.job_id
             WHERE (?1 IS NULL OR events.seat = ?1)
                 AND (NOT ?2 OR kind IN ('failed', 'lease_lapsed', 'worker_disconnected'))
                 AND (?3 IS NULL OR events.id < ?3)
                 AND kind NOT IN ('dispatched', 'claimed')
             ORDER BY events.id DESC LIMIT ?4",
        )
        .bind(filter.seat.map(SeatId::number))
        .bind(filter.problems_only)
        .bind(filter.before)
        .bind(limit)
        .fetch_all(&self.reader)
        .await
        .map_err(StoreError::query("list events"))?;
        rows.iter().map(recorded_event).collect()
    }

    pub async fn record_event(&self, event: &Event) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        insert(&mut transaction, event).await?;
        transaction.commit().await.map_err(StoreError::query("record an event"))
    }
}

fn recorded_event(row: &SqliteRow) -> Result<RecordedEvent, StoreError> {
    let kind: String = row.get("kind");
    let seat: Option<u16> = row.get("seat");
    let job: Option<&str> = row.get("job_id");
    let failure: Option<&str> = row.get("failure");
    Ok(RecordedEvent {
        id: row.get("id"),
        title: row.get("title"),
        failure: failure.map(serde_json::from_str).transpose().map_err(StoreError::corrupt("failure"))?,
        event: Event {
            at: Timestamp::from_unix_ms(row.get("at")),
            kind: serde_json::from_value(kind.into()).map_err(StoreError::corrupt("event kind"))?,
            seat: seat.map(SeatId::new).transpose().map_err(StoreError::corrupt("seat"))?,
            job: job.map(str::parse).transpose().map_err(StoreError::corrupt("job id"))?,
            worker: row.get("worker"),
            attempt: row.get("attempt"),
            detail: row.get("detail"),
        },
    })
}

pub(crate) async fn insert(
    transaction: &mut Transaction<'_, Sqlite>,
    event: &Event,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO events (at, kind, seat, job_id, worker, attempt, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(event.at.unix_ms())
    .bind(event.kind.as_str())
    .bind(event.seat.map(SeatId::number))
    .bind(event.job.map(|job| job.to_string()))
    .bind(&event.worker)
    .bind(event.attempt)
    .bind(&event.detail)
    .execute(&mut **transaction)
    .await
    .map_err(StoreError::query("record an event"))?;
    Ok(())
}
