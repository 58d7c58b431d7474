//! Models that participants brought.

use domain::{SeatId, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::{Store, StoreError};

/// One model file in a seat's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatModel {
    pub seat: SeatId,
    /// A ComfyUI model folder: `checkpoints`, `loras`, …
    pub folder: String,
    /// Without any folder.
    pub name: String,
    pub bytes: u64,
    /// In lower-case hexadecimal.
    pub sha256: String,
    /// The header's `__metadata__`, as JSON.
    pub metadata: Option<String>,
    pub created_at: Timestamp,
}

impl Store {
    /// Keeps the model's row; one of the same name is overwritten.
    pub async fn save_seat_model(&self, model: &SeatModel) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO seat_models (seat, folder, name, bytes, sha256, metadata, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (seat, folder, name) DO UPDATE SET bytes = excluded.bytes, sha256 = excluded.sha256,
                 metadata = excluded.metadata, created_at = excluded.created_at",
        )
        .bind(model.seat.number())
        .bind(&model.folder)
        .bind(&model.name)
        .bind(i64::try_from(model.bytes).unwrap_or(i64::MAX))
        .bind(&model.sha256)
        .bind(&model.metadata)
        .bind(model.created_at.unix_ms())
        .execute(&self.writer)
        .await
        .map_err(StoreError::query("keep a model"))?;
        Ok(())
    }

    /// The seat's models, by folder and name.
    pub async fn seat_models(&self, seat: SeatId) -> Result<Vec<SeatModel>, StoreError> {
        let rows = sqlx::query("SELECT * FROM seat_models WHERE seat = ? ORDER BY folder, name")
            .bind(seat.number())
            .fetch_all(&self.reader)
            .await
            .map_err(StoreError::query("list a seat's models"))?;
        rows.iter().map(seat_model).collect()
    }

    pub async fn seat_model(
        &self,
        seat: SeatId,
        folder: &str,
        name: &str,
    ) -> Result<Option<SeatModel>, StoreError> {
        let row = sqlx::query("SELECT * FROM seat_models WHERE seat = ? AND folder = ? AND name = ?")
            .bind(seat.number())
            .bind(folder)
            .bind(name)
            .fetch_optional(&self.reader)
            .await
            .map_err(StoreError::query("look a model up"))?;
        row.as_ref().map(seat_model).transpose()
    }

    /// Forgets the model; whether there was one.
    pub async fn delete_seat_model(
        &self,
        seat: SeatId,
        folder: &str,
        name: &str,
    ) -> Result<bool, StoreError> {
        let deleted = sqlx::query("DELETE FROM seat_models WHERE seat = ? AND folder = ? AND name = ?")
            .bind(seat.number())
            .bind(folder)
            .bind(name)
            .execute(&self.writer)
            .await
            .map_err(StoreError::query("forget a model"))?;
        Ok(deleted.rows_affected() > 0)
    }
}

fn seat_model(row: &SqliteRow) -> Result<SeatModel, StoreError> {
    Ok(SeatModel {
        seat: SeatId::new(row.get("seat")).map_err(StoreError::corrupt("seat"))?,
        folder: row.get("folder"),
        name: row.get("name"),
        bytes: u64::try_from(row.get::<i64, _>("bytes")).unwrap_or(0),
        sha256: row.get("sha256"),
        metadata: row.get("metadata"),
        created_at: Timestamp::from_unix_ms(row.get("created_at")),
    })
}
