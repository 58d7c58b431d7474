//! The tokens that the operator gave to single workers.

use domain::Timestamp;
use sqlx::Row;

use crate::{Store, StoreError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredWorkerToken {
    /// What the worker is called that has it.
    pub name: String,
    pub created_at: Timestamp,
}

impl Store {
    /// Whether there was none by that name yet.
    pub async fn add_worker_token(
        &self,
        name: &str,
        sha256: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO worker_tokens (name, sha256, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(name)
        .bind(sha256)
        .bind(now.unix_ms())
        .execute(&self.writer)
        .await
        .map_err(StoreError::query("add a worker's token"))?;
        Ok(done.rows_affected() > 0)
    }

    /// Whose the token with this hash is.
    pub async fn worker_of_token(&self, sha256: &str) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT name FROM worker_tokens WHERE sha256 = ?")
            .bind(sha256)
            .fetch_optional(&self.reader)
            .await
            .map_err(StoreError::query("look a worker's token up"))
    }

    /// By name.
    pub async fn worker_tokens(&self) -> Result<Vec<StoredWorkerToken>, StoreError> {
        let rows = sqlx::query("SELECT name, created_at FROM worker_tokens ORDER BY name")
            .fetch_all(&self.reader)
            .await
            .map_err(StoreError::query("list the workers' tokens"))?;
        let token = |row: &sqlx::sqlite::SqliteRow| StoredWorkerToken {
            name: row.get("name"),
            created_at: Timestamp::from_unix_ms(row.get("created_at")),
        };
        Ok(rows.iter().map(token).collect())
    }

    /// Whether there was one.
    pub async fn delete_worker_token(&self, name: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM worker_tokens WHERE name = ?")
            .bind(name)
            .execute(&self.writer)
            .await
            .map_err(StoreError::query("revoke a worker's token"))?;
        Ok(done.rows_affected() > 0)
    }
}
