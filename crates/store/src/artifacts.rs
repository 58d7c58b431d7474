//! Files that jobs made.

use std::collections::HashMap;

use domain::job::TransitionError;
use domain::{JobId, LeaseToken, SeatId, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::gallery::Media;
use crate::jobs::job_within;
use crate::{Store, StoreError};

/// Which of a job's outputs a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewArtifact {
    pub job: JobId,
    pub seat: SeatId,
    pub attempt: u32,
    pub node: String,
    pub output_key: String,
    pub position: u32,
    pub filename: String,
    pub subfolder: String,
    pub kind: String,
    pub media_type: String,
    pub media: Media,
    pub bytes: u64,
    pub sha256: String,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Newest has the highest.
    pub id: i64,
    pub job: JobId,
    pub filename: String,
    pub subfolder: String,
    /// `output` or `temp`.
    pub kind: String,
    pub media_type: String,
    pub media: Media,
    pub bytes: u64,
    /// Of its content, in lower-case hexadecimal.
    pub sha256: String,
    pub created_at: Timestamp,
    pub is_favourite: bool,
    /// What the job was called; empty where nobody asks.
    pub title: String,
}

impl Store {
    /// Keeps the file's row if this is still the job's lease; an earlier attempt's row for the same
    /// output is overwritten.
    pub async fn save_artifact(&self, new: &NewArtifact, token: LeaseToken) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        if !job_within(&mut transaction, new.job).await?.job.is_held_by(token) {
            return Err(TransitionError::StaleLease.into());
        }
        sqlx::query(
            "INSERT INTO artifacts (job_id, seat, attempt, node, output_key, position, filename, subfolder, kind,
                 media_type, media, bytes, sha256, created_at, workflow)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
                 (SELECT coalesce(workflow_id, title) FROM jobs WHERE id = ?1))
             ON CONFLICT (job_id, node, output_key, position) DO UPDATE SET attempt = excluded.attempt,
                 filename = excluded.filename, subfolder = excluded.subfolder, kind = excluded.kind,
                 media_type = excluded.media_type, media = excluded.media, bytes = excluded.bytes, sha256 = excluded.sha256,
                 trash_item = NULL",
        )
        .bind(new.job.to_string())
        .bind(new.seat.number())
        .bind(new.attempt)
        .bind(&new.node)
        .bind(&new.output_key)
        .bind(new.position)
        .bind(&new.filename)
        .bind(&new.subfolder)
        .bind(&new.kind)
        .bind(&new.media_type)
        .bind(new.media.as_str())
        .bind(i64::try_from(new.bytes).unwrap_or(i64::MAX))
        .bind(&new.sha256)
        .bind(new.created_at.unix_ms())
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::query("keep an artifact"))?;
        transaction.commit().await.map_err(StoreError::query("keep an artifact"))
    }

    /// The files of jobs that have not ended.
    pub async fn unfinished_artifacts(&self) -> Result<Vec<(SeatId, Artifact)>, StoreError> {
        let rows = sqlx::query(
            "SELECT artifacts.* FROM artifacts JOIN jobs ON jobs.id = artifacts.job_id
                 WHERE jobs.finished_at IS NULL AND artifacts.trash_item IS NULL",
        )
        .fetch_all(&self.reader)
        .await
        .map_err(StoreError::query("list artifacts of unfinished jobs"))?;
        let of_seat = |row: &SqliteRow| {
            let seat = SeatId::new(row.get("seat")).map_err(StoreError::corrupt("seat"))?;
            Ok((seat, artifact(row)?))
        };
        rows.iter().map(of_seat).collect()
    }

    /// Forgets a file that is not there.
    pub async fn forget_artifact(&self, id: i64) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM artifacts WHERE id = ?")
            .bind(id)
            .execute(&self.writer)
            .await
            .map_err(StoreError::query("forget an artifact"))?;
        Ok(())
    }

    /// The file that an earlier attempt placed for this output, whose name is used again.
    /// A deleted one has given its name up.
    pub async fn artifact_at(
        &self,
        job: JobId,
        node: &str,
        output_key: &str,
        position: u32,
    ) -> Result<Option<Artifact>, StoreError> {
        let row = sqlx::query(
            "SELECT * FROM artifacts WHERE job_id = ? AND node = ? AND output_key = ? AND position = ?
                 AND trash_item IS NULL",
        )
        .bind(job.to_string())
        .bind(node)
        .bind(output_key)
        .bind(position)
        .fetch_optional(&self.reader)
        .await
        .map_err(StoreError::query("look an artifact up"))?;
        row.as_ref().map(artifact).transpose()
    }

    /// What each seat's results take on disk.
    pub async fn bytes_by_seat(&self) -> Result<HashMap<SeatId, u64>, StoreError> {
        let rows = sqlx::query("SELECT seat, sum(bytes) AS bytes FROM artifacts GROUP BY seat")
            .fetch_all(&self.reader)
            .await
            .map_err(StoreError::query("measure the results"))?;
        let bytes = |row: &SqliteRow| {
            let seat = SeatId::new(row.get("seat")).map_err(StoreError::corrupt("seat"))?;
            Ok((seat, u64::try_from(row.get::<i64, _>("bytes")).unwrap_or(0)))
        };
        rows.iter().map(bytes).collect()
    }

    /// The first file of each of the given jobs.
    pub async fn first_artifacts(&self, jobs: &[JobId]) -> Result<Vec<Artifact>, StoreError> {
        let ids = serde_json::to_string(jobs).map_err(StoreError::corrupt("job ids"))?;
        let rows = sqlx::query(
            "SELECT * FROM artifacts WHERE id IN (SELECT min(id) FROM artifacts
                 WHERE job_id IN (SELECT value FROM json_each(?)) AND trash_item IS NULL GROUP BY job_id)",
        )
        .bind(ids)
        .fetch_all(&self.reader)
        .await
        .map_err(StoreError::query("list previews"))?;
        rows.iter().map(artifact).collect()
    }
}

pub(crate) fn artifact(row: &SqliteRow) -> Result<Artifact, StoreError> {
    let job: String = row.get("job_id");
    Ok(Artifact {
        id: row.get("id"),
        job: job.parse().map_err(StoreError::corrupt("job id"))?,
        filename: row.get("filename"),
        subfolder: row.get("subfolder"),
        kind: row.get("kind"),
        media_type: row.get("media_type"),
        media: row.get::<&str, _>("media").parse().map_err(StoreError::corrupt("media"))?,
        bytes: u64::try_from(row.get::<i64, _>("bytes")).unwrap_or(0),
        sha256: row.get("sha256"),
        created_at: Timestamp::from_unix_ms(row.get("created_at")),
        is_favourite: row.get("is_favourite"),
        // Only the gallery asks for it.
        title: row.try_get("title").unwrap_or_default(),
    })
}
