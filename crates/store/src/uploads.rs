//! Files that arrive in pieces, and what became of them.

use domain::{SeatId, Timestamp, UploadId};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::{Store, StoreError};

/// One upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredUpload {
    pub id: UploadId,
    pub seat: SeatId,
    pub target: UploadTarget,
    pub name: String,
    /// How long the file will be.
    pub bytes: u64,
    /// How much had arrived when this was last written; the file on disk knows exactly.
    pub received: u64,
    /// What the whole file must hash to, in lower-case hexadecimal.
    pub sha256: Option<String>,
    /// `Upload-Metadata` as it was sent.
    pub metadata: String,
    /// `None` until all bytes are there and have been judged.
    pub outcome: Option<UploadOutcome>,
    pub created_at: Timestamp,
    /// When bytes last arrived.
    pub updated_at: Timestamp,
}

/// Where the file is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadTarget {
    Input { subfolder: String },
    Model { folder: String },
}

/// What became of the whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadOutcome {
    /// It lies in its place, under this name.
    Stored { folder: String, name: String },
    /// It was dropped; the reason in words.
    Refused { status: u16, kind: String, message: String },
}

impl UploadTarget {
    fn columns(&self) -> (&'static str, &str) {
        match self {
            Self::Input { subfolder } => ("input", subfolder),
            Self::Model { folder } => ("model", folder),
        }
    }
}

impl Store {
    pub async fn insert_upload(&self, upload: &StoredUpload) -> Result<(), StoreError> {
        let (kind, folder) = upload.target.columns();
        sqlx::query(
            "INSERT INTO uploads (id, seat, kind, folder, name, bytes, received, sha256, metadata, created_at, updated_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(upload.id.to_string())
        .bind(upload.seat.number())
        .bind(kind)
        .bind(folder)
        .bind(&upload.name)
        .bind(signed(upload.bytes))
        .bind(signed(upload.received))
        .bind(&upload.sha256)
        .bind(&upload.metadata)
        .bind(upload.created_at.unix_ms())
        .bind(upload.updated_at.unix_ms())
        .execute(&self.writer)
        .await
        .map_err(StoreError::query("begin an upload"))?;
        Ok(())
    }

    pub async fn upload(&self, seat: SeatId, id: UploadId) -> Result<Option<StoredUpload>, StoreError> {
        let row = sqlx::query("SELECT * FROM uploads WHERE seat = ? AND id = ?")
            .bind(seat.number())
            .bind(id.to_string())
            .fetch_optional(&self.reader)
            .await
            .map_err(StoreError::query("look an upload up"))?;
        row.as_ref().map(upload).transpose()
    }

    /// The seat's uploads that are not judged yet, oldest first.
    pub async fn open_uploads(&self, seat: SeatId) -> Result<Vec<StoredUpload>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM uploads WHERE seat = ? AND outcome IS NULL ORDER BY created_at, id")
                .bind(seat.number())
                .fetch_all(&self.reader)
                .await
                .map_err(StoreError::query("list a seat's uploads"))?;
        rows.iter().map(upload).collect()
    }

    /// How many bytes the seat's open uploads will have.
    pub async fn reserved_bytes(&self, seat: SeatId) -> Result<u64, StoreError> {
        let sum: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(bytes), 0) FROM uploads WHERE seat = ? AND outcome IS NULL",
        )
        .bind(seat.number())
        .fetch_one(&self.reader)
        .await
        .map_err(StoreError::query("measure a seat's uploads"))?;
        Ok(unsigned(sum))
    }

    /// Of all seats' open uploads: how many bytes they will have, and how many are still to come.
    pub async fn reserved_bytes_of_all(&self) -> Result<(u64, u64), StoreError> {
        let row = sqlx::query(
            "SELECT coalesce(sum(bytes), 0) AS bytes, coalesce(sum(bytes - received), 0) AS missing
             FROM uploads WHERE outcome IS NULL",
        )
        .fetch_one(&self.reader)
        .await
        .map_err(StoreError::query("measure all uploads"))?;
        Ok((unsigned(row.get("bytes")), unsigned(row.get("missing"))))
    }

    /// Notes that bytes arrived.
    pub async fn note_received(
        &self,
        seat: SeatId,
        id: UploadId,
        received: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE uploads SET received = ?, updated_at = ? WHERE seat = ? AND id = ?")
            .bind(signed(received))
            .bind(now.unix_ms())
            .bind(seat.number())
            .bind(id.to_string())
            .execute(&self.writer)
            .await
            .map_err(StoreError::query("note what arrived"))?;
        Ok(())
    }

    /// Writes down what became of the whole file.
    pub async fn finish_upload(
        &self,
        seat: SeatId,
        id: UploadId,
        outcome: &UploadOutcome,
    ) -> Result<(), StoreError> {
        let outcome = serde_json::to_string(outcome).map_err(StoreError::corrupt("outcome"))?;
        sqlx::query("UPDATE uploads SET outcome = ? WHERE seat = ? AND id = ?")
            .bind(outcome)
            .bind(seat.number())
            .bind(id.to_string())
            .execute(&self.writer)
            .await
            .map_err(StoreError::query("end an upload"))?;
        Ok(())
    }

    /// Forgets the upload; whether there was one.
    pub async fn delete_upload(&self, seat: SeatId, id: UploadId) -> Result<bool, StoreError> {
        let deleted = sqlx::query("DELETE FROM uploads WHERE seat = ? AND id = ?")
            .bind(seat.number())
            .bind(id.to_string())
            .execute(&self.writer)
            .await
            .map_err(StoreError::query("forget an upload"))?;
        Ok(deleted.rows_affected() > 0)
    }

    /// All seats' uploads that nothing has arrived for since.
    pub async fn uploads_idle_since(&self, since: Timestamp) -> Result<Vec<(SeatId, UploadId)>, StoreError> {
        let rows = sqlx::query("SELECT seat, id FROM uploads WHERE updated_at <= ?")
            .bind(since.unix_ms())
            .fetch_all(&self.reader)
            .await
            .map_err(StoreError::query("list what has expired"))?;
        rows.iter().map(|row| Ok((seat(row)?, id(row)?))).collect()
    }
}

fn upload(row: &SqliteRow) -> Result<StoredUpload, StoreError> {
    let folder: String = row.get("folder");
    let outcome: Option<String> = row.get("outcome");
    Ok(StoredUpload {
        id: id(row)?,
        seat: seat(row)?,
        target: match row.get("kind") {
            "model" => UploadTarget::Model { folder },
            "input" => UploadTarget::Input { subfolder: folder },
            other => return Err(StoreError::corrupt("kind")(format!("`{other}`"))),
        },
        name: row.get("name"),
        bytes: unsigned(row.get("bytes")),
        received: unsigned(row.get("received")),
        sha256: row.get("sha256"),
        metadata: row.get("metadata"),
        outcome: outcome
            .map(|outcome| serde_json::from_str(&outcome).map_err(StoreError::corrupt("outcome")))
            .transpose()?,
        created_at: Timestamp::from_unix_ms(row.get("created_at")),
        updated_at: Timestamp::from_unix_ms(row.get("updated_at")),
    })
}

fn id(row: &SqliteRow) -> Result<UploadId, StoreError> {
    row.get::<&str, _>("id").parse().map_err(StoreError::corrupt("upload id"))
}

fn seat(row: &SqliteRow) -> Result<SeatId, StoreError> {
    SeatId::new(row.get("seat")).map_err(StoreError::corrupt("seat"))
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn unsigned(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or(0)
}
