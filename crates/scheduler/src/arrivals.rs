//! How participants submit, as seen of late, so that the forecast can expect more of it.
//!
//! Where seats take turns, a job is overtaken by jobs that do not exist yet. What people
//! do depends on what they have: who waits for results submits less than who has them. So
//! two paces are kept, one of seats with nothing in the queue and one of seats with jobs,
//! pooled over all seats, and the batches themselves: a forecast draws from them what may
//! come. A batch is what one seat submits in quick succession.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{SeatId, Timestamp};

/// Jobs of one seat this close together are one batch.
const BATCH_MS: i64 = 10_000;
/// How many of the latest batches are drawn from.
const BATCHES: usize = 100;

/// What is supposed of participants before anything was seen; counts as much as one gap.
const IDLE_GAP: Duration = Duration::from_secs(180);
const BUSY_GAP: Duration = Duration::from_secs(900);
const EXECUTION: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Seats that take part: they submitted something within the window.
    pub seats: BTreeSet<SeatId>,
    /// Mean time until a seat with no jobs submits; `None`: never.
    pub idle_gap: Option<Duration>,
    /// Mean time until a seat with jobs submits more.
    pub busy_gap: Option<Duration>,
    /// What was submitted at once: the estimated (or actual) execution time of each job.
    pub batches: Vec<Vec<Duration>>,
}

/// A job as far as its seat's habits go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submission {
    pub seat: SeatId,
    pub created_at: Timestamp,
    /// `None` while it waits or executes.
    pub ended_at: Option<Timestamp>,
    /// How long it executed or likely will; `None` if unknown.
    pub execution: Option<Duration>,
}

impl Arrivals {
    /// From all jobs that were created, waiting or executing within `window` before `now`;
    /// fifteen minutes serve well. In any order.
    pub fn observe(
        submissions: impl IntoIterator<Item = Submission>,
        now: Timestamp,
        window: Duration,
    ) -> Self {
        let from = now - window;
        let mut by_seat: BTreeMap<SeatId, Vec<Submission>> = BTreeMap::new();
        for submission in submissions {
            by_seat.entry(submission.seat).or_default().push(submission);
        }
        let mut habits = Habits::default();
        for jobs in by_seat.values_mut() {
            jobs.sort_by_key(|job| (job.created_at, job.execution));
            habits.add(jobs, from, now);
        }
        habits.batches.sort_by_key(|(at, seat, _)| (*at, *seat));
        let skipped = habits.batches.len().saturating_sub(BATCHES);
        let (sum, count) = habits
            .batches
            .iter()
            .flat_map(|(_, _, batch)| batch.iter().flatten())
            .fold((Duration::ZERO, 0), |(sum, count), execution| (sum + *execution, count + 1));
        let mean = sum.checked_div(count).unwrap_or(EXECUTION);
        let known = |batch: Vec<Option<Duration>>| {
            batch.into_iter().map(|execution| execution.unwrap_or(mean)).collect()
        };
        let gap = |total_ms: i64, count: u32, prior: Duration| {
            let total = Duration::from_millis(u64::try_from(total_ms).unwrap_or(0)) + prior;
            (!habits.batches.is_empty()).then(|| total / (count + 1))
        };
        Self {
            seats: habits.batches.iter().map(|(_, seat, _)| *seat).collect(),
            idle_gap: gap(habits.idle_ms, habits.from_idle, IDLE_GAP),
            busy_gap: gap(habits.busy_ms, habits.from_busy, BUSY_GAP),
            batches: habits.batches.into_iter().skip(skipped).map(|(_, _, batch)| known(batch)).collect(),
        }
    }
}

#[derive(Default)]
struct Habits {
    idle_ms: i64,
    busy_ms: i64,
    from_idle: u32,
    from_busy: u32,
    batches: Vec<(Timestamp, SeatId, Vec<Option<Duration>>)>,
}

impl Habits {
    /// One seat's jobs, by creation. It takes part from its first job within the window on.
    fn add(&mut self, jobs: &[Submission], from: Timestamp, now: Timestamp) {
        let Some(first) = jobs.iter().map(|job| job.created_at.max(from)).min().filter(|at| *at < now) else {
            return;
        };
        let mut busy_until = first;
        let mut batch_at: Option<Timestamp> = None;
        for job in jobs {
            let at = job.created_at;
            if at >= from {
                match batch_at {
                    Some(start) if at.unix_ms() - start.unix_ms() <= BATCH_MS => {
                        if let Some((_, _, batch)) = self.batches.last_mut() {
                            batch.push(job.execution);
                        }
                    }
                    _ => {
                        // The first says that a seat joined, not how long it thought.
                        let is_joining = busy_until == first && at == first;
                        let count = if busy_until > at { &mut self.from_busy } else { &mut self.from_idle };
                        *count += u32::from(!is_joining);
                        self.batches.push((at, job.seat, vec![job.execution]));
                        batch_at = Some(at);
                    }
                }
            }
            let (start, end) = (at.max(busy_until), job.ended_at.unwrap_or(now).min(now));
            if end > start {
                self.idle_ms += (start.unix_ms() - busy_until.unix_ms()).max(0);
                self.busy_ms += end.unix_ms() - start.unix_ms();
                busy_until = end;
            }
        }
        self.idle_ms += now.unix_ms() - busy_until.unix_ms();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submission(created_at: i64, ended_at: i64) -> Submission {
        let at = |seconds: i64| Timestamp::from_unix_ms(1000 * seconds);
        Submission {
            seat: SeatId::new(1).unwrap(),
            created_at: at(created_at),
            ended_at: (ended_at > 0).then(|| at(ended_at)),
            execution: Some(Duration::from_secs(5)),
        }
    }

    #[test]
    fn thinking_is_told_from_waiting() {
        let jobs = [submission(0, 60), submission(1, 100), submission(200, 220), submission(210, 0)];
        let seen = Arrivals::observe(jobs, Timestamp::from_unix_ms(400_000), Duration::from_secs(900));
        // Idle from 100 to 200, then submits twice within ten seconds, and waits since.
        assert_eq!(seen.idle_gap, Some((Duration::from_secs(100) + IDLE_GAP) / 2));
        assert_eq!(seen.busy_gap, Some(Duration::from_secs(300) + BUSY_GAP));
        assert_eq!(seen.batches.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn what_was_before_the_window_counts_for_nothing() {
        let jobs = [submission(0, 60), submission(100, 0)];
        let seen = Arrivals::observe(jobs, Timestamp::from_unix_ms(400_000), Duration::from_secs(100));
        assert_eq!(seen, Arrivals::default());
    }
}
