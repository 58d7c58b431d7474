//! Which workflows of the operator's folder each seat was given.

use std::collections::BTreeMap;

use domain::{SeatId, Timestamp};
use sqlx::Row;

use crate::{Store, StoreError};

impl Store {
    /// Path → SHA-256 of the version that the seat was given last.
    pub async fn given_workflows(&self, seat: SeatId) -> Result<BTreeMap<String, String>, StoreError> {
        let rows = sqlx::query("SELECT path, sha256 FROM given_workflows WHERE seat = ?")
            .bind(seat.number())
            .fetch_all(&self.reader)
            .await
            .map_err(StoreError::query("list the given workflows"))?;
        Ok(rows.iter().map(|row| (row.get("path"), row.get("sha256"))).collect())
    }

    pub async fn save_given_workflow(
        &self,
        seat: SeatId,
        path: &str,
        sha256: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO given_workflows (seat, path, sha256, given_at) VALUES (?, ?, ?, ?)
             ON CONFLICT (seat, path) DO UPDATE SET sha256 = excluded.sha256, given_at = excluded.given_at",
        )
        .bind(seat.number())
        .bind(path)
        .bind(sha256)
        .bind(now.unix_ms())
        .execute(&self.writer)
        .await
        .map_err(StoreError::query("note a given workflow"))?;
        Ok(())
    }
}
