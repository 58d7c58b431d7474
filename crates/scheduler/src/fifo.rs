//! First in, first out.
//!
//! A job that a participant queued "in front" takes the earliest place that the
//! seat already holds and moves the seat's own jobs back; the places of other
//! seats stay where they are.

use std::collections::{BTreeMap, VecDeque};

use domain::SeatId;

use crate::WaitingJob;

pub(crate) fn order(queued: &[WaitingJob]) -> Vec<&WaitingJob> {
    let (mut returned, mut arrivals): (Vec<_>, Vec<_>) = queued.iter().partition(|job| job.is_returned);
    returned.sort_by_key(|job| job.sequence);
    arrivals.sort_by_key(|job| job.sequence);

    let mut by_seat: BTreeMap<SeatId, VecDeque<&WaitingJob>> = BTreeMap::new();
    for job in &arrivals {
        by_seat.entry(job.seat).or_default().push_back(job);
    }
    for jobs in by_seat.values_mut() {
        // The latest "front" job goes first, as in ComfyUI, where each takes a lower number.
        jobs.make_contiguous()
            .sort_by_key(|job| if job.is_front { (0, -job.sequence) } else { (1, job.sequence) });
    }
    let places = arrivals.iter().filter_map(|place| by_seat.get_mut(&place.seat)?.pop_front());
    returned.into_iter().chain(places).collect()
}
