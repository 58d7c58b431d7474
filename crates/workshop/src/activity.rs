//! Who did what, for the instructor.

use domain::{Admin, Failure, JobId, SeatId, Timestamp};
use store::{EventFilter, EventKind, RecordedEvent};

use crate::{Workshop, WorkshopError};

/// One thing that happened. Later ones have higher ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityEntry {
    pub id: i64,
    pub at: Timestamp,
    pub kind: EventKind,
    pub seat: Option<SeatId>,
    pub job: Option<JobId>,
    /// Of the job.
    pub title: Option<String>,
    pub worker: Option<String>,
    pub detail: Option<String>,
    /// Why the job failed, if this is its failure.
    pub failure: Option<Failure>,
}

/// Which entries to show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    pub seat: Option<SeatId>,
    pub problems_only: bool,
    /// Older than this one.
    pub before: Option<i64>,
}

impl Workshop {
    /// The latest entries, latest first.
    pub async fn activity(
        &self,
        _admin: Admin,
        filter: ActivityFilter,
        limit: u32,
    ) -> Result<Vec<ActivityEntry>, WorkshopError> {
        let ActivityFilter { seat, problems_only, before } = filter;
        let filter = EventFilter { seat, problems_only, before };
        let events = self.store().events(filter, limit.clamp(1, 500)).await?;
        Ok(events.into_iter().map(entry).collect())
    }
}

fn entry(recorded: RecordedEvent) -> ActivityEntry {
    let RecordedEvent { id, title, failure, event } = recorded;
    ActivityEntry {
        id,
        at: event.at,
        kind: event.kind,
        seat: event.seat,
        job: event.job,
        title,
        worker: event.worker,
        detail: event.detail,
        failure,
    }
}
