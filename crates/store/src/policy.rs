//! How the instructor shares the queue: one row.

use domain::SchedulingMode;
use sqlx::Row;

use crate::{Store, StoreError};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    pub mode: SchedulingMode,
    /// Nothing is handed to workers.
    pub is_paused: bool,
    /// How many jobs a seat may have waiting; `None` is no limit.
    pub max_queued_per_seat: Option<u32>,
    /// How many jobs of a seat may be on workers at once; `None` is no limit.
    pub max_running_per_seat: Option<u32>,
    /// What every page shows on top.
    pub announcement: Option<String>,
}

impl Store {
    pub async fn policy(&self) -> Result<Policy, StoreError> {
        let row = sqlx::query("SELECT * FROM policy")
            .fetch_one(&self.reader)
            .await
            .map_err(StoreError::query("read how the queue is shared"))?;
        Ok(Policy {
            mode: row.get::<&str, _>("mode").parse().map_err(StoreError::corrupt("mode"))?,
            is_paused: row.get("is_paused"),
            max_queued_per_seat: row.get("max_queued_per_seat"),
            max_running_per_seat: row.get("max_running_per_seat"),
            announcement: row.get("announcement"),
        })
    }

    pub async fn save_policy(&self, policy: &Policy) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE policy SET mode = ?, is_paused = ?, max_queued_per_seat = ?, max_running_per_seat = ?,
                 announcement = ?",
        )
        .bind(policy.mode.as_str())
        .bind(policy.is_paused)
        .bind(policy.max_queued_per_seat)
        .bind(policy.max_running_per_seat)
        .bind(&policy.announcement)
        .execute(&self.writer)
        .await
        .map_err(StoreError::query("keep how the queue is shared"))?;
        Ok(())
    }
}
