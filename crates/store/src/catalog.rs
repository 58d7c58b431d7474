//! The latest catalog of the engine, as JSON text.

use domain::Timestamp;

use crate::{Store, StoreError};

impl Store {
    pub async fn save_catalog(&self, body: &str, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO catalog (id, body, received_at) VALUES (1, ?, ?)
             ON CONFLICT (id) DO UPDATE SET body = excluded.body, received_at = excluded.received_at",
        )
        .bind(body)
        .bind(now.unix_ms())
        .execute(&self.writer)
        .await
        .map_err(StoreError::query("keep the catalog"))?;
        Ok(())
    }

    pub async fn catalog(&self) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT body FROM catalog WHERE id = 1")
            .fetch_optional(&self.reader)
            .await
            .map_err(StoreError::query("read the catalog"))
    }
}
