//! Opening the database: WAL, one writing connection, a few reading ones.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

use crate::StoreError;

/// A handle on the record. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) reader: SqlitePool,
    pub(crate) writer: SqlitePool,
    sessions: SqlitePool,
}

impl Store {
    /// Opens the database at `path`, makes it if it is not there, and applies the migrations.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // In WAL mode NORMAL keeps the file consistent through a crash of the process;
            // only a power cut can take the last moments.
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await
            .map_err(StoreError::Open)?;
        sqlx::migrate!("../../migrations").run(&writer).await.map_err(StoreError::Migrate)?;
        let sessions = SqlitePoolOptions::new()
            .max_connections(2)
            .connect_with(options.clone())
            .await
            .map_err(StoreError::Open)?;
        let reader = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options.read_only(true))
            .await
            .map_err(StoreError::Open)?;
        Ok(Self { reader, writer, sessions })
    }

    /// Connections of their own for the session store, which shares the file: a page's
    /// session never waits behind a job's transaction.
    pub fn session_pool(&self) -> &SqlitePool {
        &self.sessions
    }

    /// Answers whether the database does.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1")
            .execute(&self.reader)
            .await
            .map_err(StoreError::query("reach the database"))?;
        Ok(())
    }

    /// Writes everything out and closes all connections.
    pub async fn close(&self) {
        self.reader.close().await;
        self.sessions.close().await;
        self.writer.close().await;
    }

    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        // Immediate: a transaction that reads first and writes later would be refused if the
        // session store wrote in between.
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(StoreError::query("begin a transaction"))
    }
}
