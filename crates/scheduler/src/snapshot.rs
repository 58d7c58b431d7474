//! The queue at one moment, as the scheduler needs to see it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{JobId, Priority, SchedulingMode, SeatId};

use crate::{Arrivals, Estimate, Service};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub mode: SchedulingMode,
    /// Nothing is handed out.
    pub is_paused: bool,
    pub paused_seats: BTreeSet<SeatId>,
    /// How many jobs of one seat may be on workers at once, staged ones included.
    pub max_running_per_seat: Option<u32>,
    /// Jobs that nobody has yet, in any order.
    pub queued: Vec<WaitingJob>,
    /// Jobs handed to a worker that do not execute yet, in the order in which they were handed over.
    pub staged: Vec<HeldJob>,
    /// Jobs executing now, in any order.
    pub running: Vec<HeldJob>,
    /// How many jobs the connected workers that are not draining execute at once.
    pub slots: u32,
    /// How many more jobs those workers take now: slots and staged-ahead places less what they hold.
    pub room: u32,
    /// What the seats had so far; a seat that is missing had nothing.
    pub service: BTreeMap<SeatId, Service>,
    /// How people submit of late, for the forecast to expect more of it where a newcomer may
    /// overtake (round robin, fair). Empty expects nothing and plans faster.
    pub arrivals: Arrivals,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingJob {
    pub id: JobId,
    pub seat: SeatId,
    /// Order of arrival over all seats; unique.
    pub sequence: i64,
    /// Before the seat's own other jobs.
    pub is_front: bool,
    /// Has executed before and was given back (worker lost, interrupted): goes before all
    /// others of its priority. Not for a job that was merely staged and recalled: that one
    /// has its turn still, because nothing was charged for it.
    pub is_returned: bool,
    pub priority: Priority,
    /// A demo that may interrupt what executes.
    pub interrupts: bool,
    /// How long it will likely execute; `None` if nothing like it has finished yet.
    pub estimate: Option<Estimate>,
}

/// A job on a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldJob {
    /// What it was when it was handed out, and will be again if it is given back.
    pub job: WaitingJob,
    /// How long it has executed; zero if staged.
    pub elapsed: Duration,
}
