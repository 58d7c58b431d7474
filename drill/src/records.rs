//! The server's own records, read beside it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};

/// One job as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    pub id: String,
    pub seat: String,
    pub phase: String,
    pub attempts: u32,
    /// The kind and the words of its failure, as JSON.
    pub failure: Option<String>,
    pub finished_at: Option<i64>,
}

impl JobRecord {
    pub fn is_over(&self) -> bool {
        self.finished_at.is_some()
    }
}

/// One result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactRecord {
    pub job: String,
    pub seat: String,
    /// Below the seat's folder.
    pub path: PathBuf,
}

/// One entry of the event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    pub id: i64,
    /// In Unix milliseconds.
    pub at: i64,
    pub kind: String,
    pub job: String,
    pub attempt: Option<u32>,
}

/// The records, through a connection of their own that writes nothing.
pub struct Records {
    connection: SqliteConnection,
}

impl Records {
    pub async fn open(database: &Path) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(database)
            .read_only(true)
            .busy_timeout(Duration::from_secs(20));
        let connection = options.connect().await.with_context(|| database.display().to_string())?;
        Ok(Self { connection })
    }

    /// How many jobs there are, and how many of them are over.
    pub async fn counts(&mut self) -> anyhow::Result<(u32, u32)> {
        let row = sqlx::query("SELECT count(*), count(finished_at) FROM jobs")
            .fetch_one(&mut self.connection)
            .await?;
        Ok((row.get(0), row.get(1)))
    }

    /// The jobs that this worker has.
    pub async fn held_by(&mut self, worker: &str) -> anyhow::Result<Vec<String>> {
        let rows = sqlx::query("SELECT id FROM jobs WHERE lease_worker = ? AND finished_at IS NULL")
            .bind(worker)
            .fetch_all(&mut self.connection)
            .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    pub async fn jobs(&mut self) -> anyhow::Result<Vec<JobRecord>> {
        let rows =
            sqlx::query("SELECT id, seat, phase, attempt, failure, finished_at FROM jobs ORDER BY sequence")
                .fetch_all(&mut self.connection)
                .await?;
        let record = |row: &sqlx::sqlite::SqliteRow| JobRecord {
            id: row.get("id"),
            seat: seat(row.get("seat")),
            phase: row.get("phase"),
            attempts: row.get("attempt"),
            failure: row.get("failure"),
            finished_at: row.get("finished_at"),
        };
        Ok(rows.iter().map(record).collect())
    }

    pub async fn artifacts(&mut self) -> anyhow::Result<Vec<ArtifactRecord>> {
        let rows = sqlx::query("SELECT job_id, seat, kind, subfolder, filename FROM artifacts")
            .fetch_all(&mut self.connection)
            .await?;
        let record = |row: &sqlx::sqlite::SqliteRow| {
            let part = |name: &str| row.get::<String, _>(name);
            let path = PathBuf::from(part("kind")).join(part("subfolder")).join(part("filename"));
            ArtifactRecord { job: row.get("job_id"), seat: seat(row.get("seat")), path }
        };
        Ok(rows.iter().map(record).collect())
    }

    /// The latest event of all.
    pub async fn last_event(&mut self) -> anyhow::Result<i64> {
        let row =
            sqlx::query("SELECT coalesce(max(id), 0) FROM events").fetch_one(&mut self.connection).await?;
        Ok(row.get(0))
    }

    /// What happened to jobs, in order.
    pub async fn events(&mut self) -> anyhow::Result<Vec<EventRecord>> {
        let rows = sqlx::query(
            "SELECT id, at, kind, job_id, attempt FROM events WHERE job_id IS NOT NULL ORDER BY id",
        )
        .fetch_all(&mut self.connection)
        .await?;
        let record = |row: &sqlx::sqlite::SqliteRow| EventRecord {
            id: row.get("id"),
            at: row.get("at"),
            kind: row.get("kind"),
            job: row.get("job_id"),
            attempt: row.get("attempt"),
        };
        Ok(rows.iter().map(record).collect())
    }
}

fn seat(number: i64) -> String {
    format!("user{number:03}")
}
