//! What happened, in order: for the instructor's activity list and for replaying a fault.

use domain::{JobId, SeatId, Timestamp};
use sqlx::{Sqlite, Transaction};

use crate::{Store, StoreError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl Store {
    pub async fn record_event(&self, event: &Event) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        insert(&mut transaction, event).await?;
        transaction.commit().await.map_err(StoreError::query("record an event"))
    }
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
