//! The queue at one moment, as the scheduler needs to see it.

use domain::{JobId, SeatId};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Jobs that nobody has yet, in any order.
    pub queued: Vec<WaitingJob>,
    /// Jobs handed to a worker that do not execute yet, in the order in which they were handed over.
    pub staged: Vec<JobId>,
    /// Number of jobs executing now.
    pub running: u32,
    /// How many more jobs the connected workers take now.
    pub room: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingJob {
    pub id: JobId,
    pub seat: SeatId,
    /// Order of arrival over all seats; unique.
    pub sequence: i64,
    /// Before the seat's own other jobs.
    pub is_front: bool,
    /// Was on a worker before and was given back: goes before all others.
    pub is_returned: bool,
}
