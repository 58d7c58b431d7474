//! Workers that have ever connected, by name.

use domain::Timestamp;
use sqlx::Row;

use crate::{Store, StoreError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredWorker {
    pub name: String,
    pub slots: u32,
    pub comfyui_version: Option<String>,
    pub last_seen_at: Timestamp,
    /// It takes nothing more. Only [`Store::drain_worker`] changes it.
    pub is_draining: bool,
}

impl Store {
    pub async fn save_worker(&self, worker: &StoredWorker) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO workers (name, slots, comfyui_version, last_seen_at) VALUES (?, ?, ?, ?)
             ON CONFLICT (name) DO UPDATE SET slots = excluded.slots, last_seen_at = excluded.last_seen_at,
                 comfyui_version = coalesce(excluded.comfyui_version, comfyui_version)",
        )
        .bind(&worker.name)
        .bind(worker.slots)
        .bind(&worker.comfyui_version)
        .bind(worker.last_seen_at.unix_ms())
        .execute(&self.writer)
        .await
        .map_err(StoreError::query("note a worker"))?;
        Ok(())
    }

    pub async fn drain_worker(&self, name: &str, is_draining: bool) -> Result<(), StoreError> {
        sqlx::query("UPDATE workers SET is_draining = ? WHERE name = ?")
            .bind(is_draining)
            .bind(name)
            .execute(&self.writer)
            .await
            .map_err(StoreError::query("drain a worker"))?;
        Ok(())
    }

    /// Latest seen first.
    pub async fn workers(&self) -> Result<Vec<StoredWorker>, StoreError> {
        let rows = sqlx::query("SELECT * FROM workers ORDER BY last_seen_at DESC")
            .fetch_all(&self.reader)
            .await
            .map_err(StoreError::query("list the workers"))?;
        let worker = |row: &sqlx::sqlite::SqliteRow| StoredWorker {
            name: row.get("name"),
            slots: row.get("slots"),
            comfyui_version: row.get("comfyui_version"),
            last_seen_at: Timestamp::from_unix_ms(row.get("last_seen_at")),
            is_draining: row.get("is_draining"),
        };
        Ok(rows.iter().map(worker).collect())
    }
}
