use domain::job::TransitionError;
use domain::{JobId, SeatId};

/// Why the record could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("could not open the database")]
    Open(#[source] sqlx::Error),
    #[error("could not bring the database up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    #[error("could not {operation}")]
    Query { operation: &'static str, source: sqlx::Error },
    #[error("the {field} of a stored row cannot be read")]
    Corrupt { field: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("there is no job {0}")]
    NoSuchJob(JobId),
    #[error("there is no seat {0}")]
    NoSuchSeat(SeatId),
    #[error("a job with the id {0} is already there")]
    DuplicateJob(JobId),
    #[error("the job does not allow this")]
    Transition(#[from] TransitionError),
}

impl StoreError {
    /// For `map_err`: names what was being done.
    pub(crate) fn query(operation: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Query { operation, source }
    }

    pub(crate) fn corrupt<E>(field: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Corrupt { field, source: source.into() }
    }

    /// Whether there was no room on the disk.
    pub fn is_disk_full(&self) -> bool {
        // SQLITE_FULL, https://www.sqlite.org/rescode.html#full
        let is_full = |error: &sqlx::Error| {
            error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "13")
        };
        matches!(self, Self::Query { source, .. } | Self::Open(source) if is_full(source))
    }

    /// Whether the lease of a report was no longer current.
    pub fn is_stale_lease(&self) -> bool {
        matches!(self, Self::Transition(TransitionError::StaleLease))
    }
}
