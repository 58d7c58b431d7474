//! The plan: what to hand out now, and where everything else stands.

use domain::JobId;

use crate::{Snapshot, fifo};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// To hand to workers now, in this order.
    pub dispatches: Vec<JobId>,
    /// Every job that does not execute yet, in the order in which they will.
    pub waiting: Vec<Waiting>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub job: JobId,
    /// Counted from 1 over all seats; executing jobs hold the first places.
    pub position: u32,
}

/// Plans from the snapshot alone: the same snapshot gives the same plan.
pub fn plan(snapshot: &Snapshot) -> Plan {
    let order = fifo::order(&snapshot.queued);
    let room = usize::try_from(snapshot.room).unwrap_or(usize::MAX);
    let dispatches = order.iter().take(room).map(|job| job.id).collect();
    let ids = snapshot.staged.iter().copied().chain(order.iter().map(|job| job.id));
    let waiting =
        (snapshot.running + 1..).zip(ids).map(|(position, job)| Waiting { job, position }).collect();
    Plan { dispatches, waiting }
}
