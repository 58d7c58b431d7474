//! Opening the database: WAL, one writing connection, a few reading ones.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row, Sqlite, Transaction};

use crate::StoreError;

/// What each connection may keep of the database in memory, in SQLite's form: negative for KiB.
/// Its own default is four times as much for each of seven connections, which fill for hours; the
/// operating system keeps the file's pages once for all.
const PAGE_CACHE: &str = "-512";

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
            .pragma("cache_size", PAGE_CACHE)
            .busy_timeout(Duration::from_secs(10));
        let writer =
            pool().max_connections(1).connect_with(options.clone()).await.map_err(StoreError::Open)?;
        sqlx::migrate!("../../migrations").run(&writer).await.map_err(StoreError::Migrate)?;
        let sessions =
            pool().max_connections(2).connect_with(options.clone()).await.map_err(StoreError::Open)?;
        let reader = pool()
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
        // Closing the last connection would do it, but a reading one, which cannot, may be it.
        // What cannot be written out now stays in the log beside the file, where nothing is lost.
        let _ = self.write_out().await;
        self.writer.close().await;
    }

    /// Moves all that is in the log into the file itself, and empties the log.
    pub(crate) async fn write_out(&self) -> Result<(), StoreError> {
        let failed = StoreError::query("write the log out");
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&self.writer).await;
        match row.map(|row| row.get::<i64, _>("busy")) {
            Ok(0) => Ok(()),
            Ok(_) => Err(failed(sqlx::Error::Protocol("somebody else uses the database".to_owned()))),
            Err(error) => Err(failed(error)),
        }
    }

    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        // Immediate: a transaction that reads first and writes later would be refused if the
        // session store wrote in between.
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(StoreError::query("begin a transaction"))
    }
}

/// Where SQLite ends a transaction by itself, as on a full disk, sqlx takes the connection for one
/// that is still in it, and no other transaction could begin on it ever again. Such a connection
/// is replaced.
fn pool() -> SqlitePoolOptions {
    SqlitePoolOptions::new().before_acquire(|connection, _| {
        let is_usable = !connection.is_in_transaction();
        Box::pin(async move {
            if !is_usable {
                tracing::warn!("a connection to the database was left in a transaction: it is replaced");
            }
            Ok(is_usable)
        })
    })
}

/// Copies the database at `path`, as it is at one moment, to a file that is not there yet. Whoever
/// else uses it goes on.
pub async fn snapshot(path: &Path, target: &Path) -> Result<(), StoreError> {
    let options =
        SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(Duration::from_secs(30));
    let mut connection = options.connect().await.map_err(StoreError::Open)?;
    sqlx::query("VACUUM INTO ?")
        .bind(target.to_string_lossy().into_owned())
        .execute(&mut connection)
        .await
        .map_err(StoreError::query("copy the database"))?;
    connection.close().await.map_err(StoreError::query("close the database"))
}

/// Whether the database at `path` can be read and is whole.
pub async fn check(path: &Path) -> Result<(), StoreError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = options.connect().await.map_err(StoreError::Open)?;
    let row = sqlx::query("PRAGMA quick_check(1)").fetch_one(&mut connection).await;
    let verdict = row.and_then(|row| match row.get::<String, _>(0) {
        whole if whole == "ok" => Ok(()),
        damage => Err(sqlx::Error::Protocol(damage)),
    });
    verdict.map_err(StoreError::query("check the database"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn store() -> (Store, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Store::open(&folder.path().join("test.sqlite")).await.unwrap(), folder)
    }

    #[tokio::test]
    async fn a_transaction_that_sqlite_ended_by_itself_is_not_the_last() {
        let (store, _folder) = store().await;
        let mut transaction = store.begin().await.unwrap();
        // What SQLite does where the disk is full, behind the library's back.
        sqlx::query("ROLLBACK").execute(&mut *transaction).await.unwrap();
        assert!(transaction.commit().await.is_err());
        for _ in 0..2 {
            let next = store.begin().await.expect("another connection");
            next.commit().await.unwrap();
        }
    }

    #[tokio::test]
    async fn no_room_is_told_apart() {
        let (store, _folder) = store().await;
        sqlx::query("PRAGMA max_page_count = 1").execute(&store.writer).await.unwrap();
        let blob = vec![7_u8; 1 << 20];
        let insert = sqlx::query("INSERT INTO worker_tokens (name, sha256, created_at) VALUES (?, 'x', 1)")
            .bind(String::from_utf8_lossy(&blob).into_owned());
        let failed = insert.execute(&store.writer).await.map_err(StoreError::query("write")).unwrap_err();
        assert!(failed.is_disk_full(), "{failed:?}");
        let other =
            sqlx::query("SELECT nothing").execute(&store.writer).await.map_err(StoreError::query("read"));
        assert!(!other.unwrap_err().is_disk_full());
    }
}
