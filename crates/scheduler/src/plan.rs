//! The plan: what to do now, and where everything else stands.

use domain::{JobId, SchedulingMode, SeatId, StartWindow, WaitReason};

use crate::estimate::{Spread, Z90};
use crate::line::{Entry, Line};
use crate::replay::{Outcome, Replay};
use crate::{Snapshot, WaitingJob};

/// By how much what overtakes varies more than the courses show, which are drawn from a short
/// past: rare long jobs are often missing in it. Measured by the replayed class.
const UNSEEN: f64 = 1.2;

/// How many jobs are started in all courses of arrivals together, about.
const COURSE_STEPS: usize = 6_000;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// To hand to workers now, in this order.
    pub dispatches: Vec<JobId>,
    /// Staged jobs to take back from their workers, to queue as they were before.
    pub recalls: Vec<JobId>,
    /// Executing jobs to stop for a demo, to queue as returned. Named in every plan until they
    /// have stopped, so that a word that got lost is said again.
    pub interrupts: Vec<JobId>,
    /// Every job that does not execute yet, in the order in which they will start.
    pub waiting: Vec<Waiting>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub job: JobId,
    pub seat: SeatId,
    /// Counted from 1 over all seats; executing jobs hold the first places.
    pub position: u32,
    pub reason: WaitReason,
    /// Counted from the snapshot's moment. `None`: it cannot be told.
    pub start: Option<StartWindow>,
}

/// Plans from the snapshot alone: the same snapshot gives the same plan.
pub fn plan(snapshot: &Snapshot) -> Plan {
    let (line, seats) = Line::new(snapshot);
    let is_overtaken = snapshot.mode != SchedulingMode::Fifo && !snapshot.arrivals.batches.is_empty();
    let courses = if is_overtaken { courses(snapshot) } else { 0 };
    let expecting: Vec<Outcome> = (0..courses)
        .map(|course| Replay::new(snapshot, line.clone()).expecting(&seats, course).run())
        .collect();
    let outcome = Replay::new(snapshot, line).run();

    let id = |&entry: &Entry| job(snapshot, entry).id;
    Plan {
        dispatches: outcome.dispatches.iter().map(id).collect(),
        recalls: outcome.recalls.iter().map(id).collect(),
        interrupts: outcome.interrupts.iter().map(id).collect(),
        waiting: waiting(snapshot, &outcome, &expecting),
    }
}

/// How many ways in which submissions may go are played out: enough for a ninth decile,
/// fewer where the queue is long, none where it is so long that nobody counts minutes.
fn courses(snapshot: &Snapshot) -> usize {
    let courses = (COURSE_STEPS / snapshot.queued.len().max(1)).min(24);
    if courses < 4 { 0 } else { courses }
}

/// By entry: when it starts.
fn times(entries: usize, outcome: &Outcome, expecting: &[Outcome]) -> Vec<Option<Spread>> {
    let mut seen: Vec<Vec<Spread>> = vec![Vec::new(); entries];
    for start in expecting.iter().flat_map(|outcome| &outcome.starts) {
        seen[start.entry].extend(start.at);
    }
    let mut times = vec![None; entries];
    for start in &outcome.starts {
        times[start.entry] = start.at.map(|at| combine(at, &seen[start.entry]));
    }
    times
}

/// The median is that of the jobs present among themselves, which the dispatcher follows to
/// the letter if nothing else arrives. The ninth decile allows for what may overtake: it is
/// that of the latest course, widened. So where seats take turns
/// a job starts before its median in about a quarter of the cases, not in half of them.
fn combine(alone: Spread, courses: &[Spread]) -> Spread {
    let Some(latest) = courses.iter().max_by_key(|at| at.median) else { return alone };
    let between = latest.median.saturating_sub(alone.median) as f64 / Z90;
    Spread { median: alone.median, deviation: UNSEEN * between.hypot(alone.deviation) }
}

/// The order is that in which the jobs present start among themselves; only the times
/// allow for jobs that are yet to arrive.
fn waiting(snapshot: &Snapshot, outcome: &Outcome, expecting: &[Outcome]) -> Vec<Waiting> {
    let first_staged = snapshot.queued.len();
    let first_running = first_staged + snapshot.staged.len();
    let times = times(first_running + snapshot.running.len(), outcome, expecting);
    let mut is_dispatched = vec![false; first_running];
    outcome.dispatches.iter().for_each(|&entry| is_dispatched[entry] = true);
    let is_prepared =
        |entry: Entry| (entry >= first_staged && !outcome.recalls.contains(&entry)) || is_dispatched[entry];

    let executing = u32::try_from(snapshot.running.len()).unwrap_or(u32::MAX);
    let mut latest = StartWindow { p50_ms: 0, p90_ms: 0 };
    let starts = outcome.starts.iter().filter(|start| start.entry < first_running);
    (executing..)
        .zip(starts)
        .map(|(before, start)| {
            let job = job(snapshot, start.entry);
            let is_prepared = is_prepared(start.entry);
            let reason = if is_prepared {
                WaitReason::Prepared
            } else if snapshot.is_paused {
                WaitReason::QueuePaused
            } else if snapshot.paused_seats.contains(&job.seat) {
                WaitReason::SeatPaused
            } else if snapshot.slots == 0 {
                WaitReason::NoWorker
            } else if outcome.is_limited || start.is_stuck {
                WaitReason::SeatLimit
            } else {
                WaitReason::Behind { jobs: before }
            };
            let is_held_up = start.is_stuck || (snapshot.is_paused && !is_prepared);
            let window = times[start.entry].filter(|_| !is_held_up).map(|at| {
                // Nobody is told of an earlier start than whoever stands before.
                latest.p50_ms = latest.p50_ms.max(at.median);
                let p90 = at.median.saturating_add((Z90 * at.deviation).round() as u64);
                latest.p90_ms = latest.p90_ms.max(p90);
                latest
            });
            Waiting { job: job.id, seat: job.seat, position: before + 1, reason, start: window }
        })
        .collect()
}

fn job(snapshot: &Snapshot, entry: Entry) -> &WaitingJob {
    let held = snapshot.staged.iter().chain(&snapshot.running);
    match entry.checked_sub(snapshot.queued.len()) {
        None => &snapshot.queued[entry],
        Some(at) => &held.clone().nth(at).expect("entries number the snapshot's jobs").job,
    }
}
