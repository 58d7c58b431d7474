//! The policy played out over the slots with estimated durations.
//!
//! What it does at time zero is the plan; when it starts the rest is the forecast. A start
//! has a median and a variance: the durations before it in its slot add up, and so do
//! their variances, not their ninth deciles, since not everything goes badly at once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use domain::SeatId;

use crate::Snapshot;
use crate::estimate::{Spread, milliseconds};
use crate::line::{Entry, Line};

/// What comes out, in the order in which the jobs start.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub starts: Vec<Start>,
    pub dispatches: Vec<Entry>,
    pub recalls: Vec<Entry>,
    pub interrupts: Vec<Entry>,
    /// Workers have room that only the cap on seats keeps empty.
    pub is_limited: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub entry: Entry,
    /// Median in milliseconds and deviation; `None` if nothing can be said.
    pub at: Option<Spread>,
    /// It cannot start as things stand.
    pub is_stuck: bool,
}

pub(crate) struct Replay<'a> {
    snapshot: &'a Snapshot,
    line: Line,
    spreads: Vec<Option<Spread>>,
    staged: VecDeque<Entry>,
    /// By end.
    executing: BinaryHeap<Reverse<(u64, Entry)>>,
    end_variance: Vec<f64>,
    /// What executes on workers that take nothing more.
    leaving: usize,
    capacity: usize,
    slots: usize,
    now: u64,
    variance: f64,
    is_known: bool,
    /// Jobs of the snapshot that have not started.
    remaining: usize,
    expected: Option<Expected>,
    outcome: Outcome,
}

/// The seats go on as they did of late: each submits at its own even pace, beginning at
/// some moment within its first interval.
struct Expected {
    next: BinaryHeap<Reverse<(u64, usize)>>,
    pace: BTreeMap<usize, (u64, u64)>,
    /// Where more arrives than leaves, the queue would grow for ever.
    budget: usize,
    first: Entry,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot, line: Line) -> Self {
        let waiting = snapshot.queued.iter().chain(snapshot.staged.iter().map(|held| &held.job));
        let mut spreads: Vec<_> = waiting.map(|job| job.estimate.map(|estimate| estimate.spread())).collect();
        let remaining = spreads.len();
        let running = snapshot.running.iter();
        spreads
            .extend(running.map(|held| held.job.estimate.map(|estimate| estimate.remaining(held.elapsed))));
        let slots = snapshot.slots as usize;
        let held = snapshot.staged.len() + snapshot.running.len();
        let mut replay = Self {
            snapshot,
            line,
            staged: (snapshot.queued.len()..remaining).collect(),
            executing: BinaryHeap::new(),
            end_variance: vec![0.0; spreads.len()],
            leaving: snapshot.running.len().saturating_sub(slots),
            capacity: (held + snapshot.room as usize).max(slots),
            slots,
            now: 0,
            variance: 0.0,
            is_known: slots > 0,
            remaining,
            expected: None,
            outcome: Outcome::default(),
            spreads,
        };
        (remaining..remaining + snapshot.running.len()).for_each(|entry| replay.execute(entry));
        replay
    }

    /// Expects more jobs to arrive.
    pub(crate) fn expecting(mut self, numbers: &BTreeMap<SeatId, usize>) -> Self {
        let window = milliseconds(self.snapshot.arrivals.window);
        let mut expected = Expected {
            next: BinaryHeap::new(),
            pace: BTreeMap::new(),
            budget: 2 * self.remaining + 200,
            first: self.spreads.len(),
        };
        for (id, arrivals) in &self.snapshot.arrivals.by_seat {
            let seat = numbers[id];
            if arrivals.jobs == 0 || self.line.is_paused(seat) {
                continue;
            }
            let interval = (window / u64::from(arrivals.jobs)).max(1);
            let cost = (milliseconds(arrivals.gpu_time) / u64::from(arrivals.jobs)).max(1);
            // Multiples of the golden ratio spread the seats evenly over their intervals.
            let phase = (f64::from(id.number()) * 0.618_034).fract();
            expected.next.push(Reverse(((interval as f64 * phase) as u64, seat)));
            expected.pace.insert(seat, (interval, cost));
        }
        self.expected = Some(expected);
        self
    }

    pub(crate) fn run(mut self) -> Outcome {
        self.start_staged();
        if !self.snapshot.is_paused && self.slots > 0 {
            self.interrupt();
        }
        let (dispatches, recalls) = self.settle();
        if !self.snapshot.is_paused {
            // What is recalled or interrupted in this plan can be handed out in a later one.
            let queued = dispatches.into_iter().take_while(|&entry| entry < self.snapshot.queued.len());
            self.outcome.dispatches = queued.take(self.snapshot.room as usize).collect();
            self.outcome.recalls.extend(recalls);
        }
        self.outcome.is_limited = self.staged.len() + self.executing.len() < self.capacity;
        self.start_staged();
        while self.remaining > 0 && self.next_event() {
            self.start_staged();
            self.settle();
            self.start_staged();
        }
        self.leave_stuck();
        self.outcome
    }

    /// Makes way for demos that may interrupt and found no free slot.
    fn interrupt(&mut self) {
        let free = self.slots.saturating_sub(self.executing.len());
        let staged = self.staged.iter().filter(|&&entry| self.line.job(entry).interrupts).count();
        let last_staged = self.staged.iter().rposition(|&entry| self.line.job(entry).interrupts);
        let waiting = self.interrupting();
        let first_running = self.snapshot.queued.len() + self.snapshot.staged.len();
        let mut victims: Vec<Entry> = (first_running..first_running + self.snapshot.running.len())
            .filter(|&entry| self.line.job(entry).class < 2)
            .collect();
        victims.sort_by_key(|&entry| {
            let held = &self.snapshot.running[entry - first_running];
            (self.line.job(entry).class, held.elapsed, Reverse(held.job.sequence))
        });
        victims.truncate((staged + waiting).saturating_sub(free));
        if victims.is_empty() {
            return;
        }
        self.executing.retain(|Reverse((_, entry))| !victims.contains(entry));
        for &victim in &victims {
            let estimate = self.snapshot.running[victim - first_running].job.estimate;
            self.spreads[victim] = estimate.map(|estimate| estimate.spread());
            self.line.interrupt(victim);
        }
        self.remaining += victims.len();
        self.leaving = self.executing.len().saturating_sub(self.slots);
        self.is_known = self.executing.iter().all(|Reverse((_, entry))| self.spreads[*entry].is_some());
        // The engine runs what it was given in order, so what stands before the demo goes back.
        let before = if waiting > 0 { self.staged.len() } else { last_staged.unwrap_or(0) };
        for at in (0..before).rev() {
            if self.line.job(self.staged[at]).class < 2
                && let Some(entry) = self.staged.remove(at)
            {
                self.line.put_back(entry);
                self.outcome.recalls.push(entry);
            }
        }
        self.outcome.interrupts = victims;
    }

    /// How many jobs in line may interrupt and could be handed out.
    fn interrupting(&self) -> usize {
        if !self.snapshot.queued.iter().any(|job| job.interrupts) {
            return 0;
        }
        let mut line = self.line.clone();
        let demos = std::iter::from_fn(|| {
            let next = line.peek().filter(|&next| line.job(next).class == 2)?;
            line.take(next);
            Some(line.job(next).interrupts)
        });
        demos.filter(|&interrupts| interrupts).count()
    }

    /// Hands out what there is room for; where there is none, recalls what is outranked.
    fn settle(&mut self) -> (Vec<Entry>, Vec<Entry>) {
        let (mut dispatches, mut recalls) = (Vec::new(), Vec::new());
        while let Some(next) = self.line.peek() {
            if self.staged.len() + self.executing.len() >= self.capacity {
                if self.snapshot.is_paused || self.slots == 0 {
                    break;
                }
                let lowest = (0..self.staged.len())
                    .min_by_key(|&at| (self.line.job(self.staged[at]).class, Reverse(at)));
                let Some(at) = lowest.filter(|&at| self.line.outranks(next, self.staged[at])) else { break };
                let Some(recalled) = self.staged.remove(at) else { break };
                self.line.take(next);
                self.line.put_back(recalled);
                recalls.push(recalled);
            } else {
                self.line.take(next);
                dispatches.push(next);
            }
            self.staged.push_back(next);
        }
        (dispatches, recalls)
    }

    fn start_staged(&mut self) {
        while self.executing.len() < self.slots
            && let Some(entry) = self.staged.pop_front()
        {
            let is_real = self.expected.as_ref().is_none_or(|expected| entry < expected.first);
            if is_real {
                let deviation = self.variance.sqrt();
                let at = self.is_known.then_some(Spread { median: self.now, deviation });
                self.outcome.starts.push(Start { entry, at, is_stuck: false });
                self.remaining -= 1;
            }
            self.line.start(entry);
            self.execute(entry);
        }
    }

    fn execute(&mut self, entry: Entry) {
        let spread = self.spreads[entry];
        self.is_known &= spread.is_some();
        let spread = spread.unwrap_or(Spread { median: self.line.job(entry).cost, deviation: 0.0 });
        self.end_variance[entry] = self.variance + spread.deviation.powi(2);
        self.executing.push(Reverse((self.now + spread.median, entry)));
    }

    /// A job ends or an expected one arrives; tells whether there was anything.
    fn next_event(&mut self) -> bool {
        let Some(&Reverse((end, _))) = self.executing.peek() else { return false };
        if let Some(expected) = &mut self.expected
            && let Some(&Reverse((arrival, seat))) = expected.next.peek()
            && arrival < end
            && expected.budget > 0
        {
            let (interval, cost) = expected.pace[&seat];
            expected.next.pop();
            expected.next.push(Reverse((arrival + interval, seat)));
            expected.budget -= 1;
            self.now = arrival;
            self.line.expect(seat, cost);
            // Arrivals vary as a Poisson process: the variance of their number is the number.
            self.spreads.push(Some(Spread { median: cost, deviation: cost as f64 }));
            self.end_variance.push(0.0);
            return true;
        }
        let Some(Reverse((end, entry))) = self.executing.pop() else { return false };
        (self.now, self.variance) = (end, self.end_variance[entry]);
        self.line.finish(entry);
        if self.leaving > 0 {
            self.leaving -= 1;
            self.capacity = (self.capacity - 1).max(self.slots);
        }
        true
    }

    /// Puts what no event will ever start behind the rest: without a worker everything,
    /// else what a cap or a pause holds back.
    fn leave_stuck(&mut self) {
        let mut stuck: Vec<Entry> = self.staged.drain(..).collect();
        let mut drain = |line: &mut Line| {
            while let Some(entry) = line.peek() {
                line.take(entry);
                stuck.push(entry);
            }
        };
        self.line.lift_caps();
        drain(&mut self.line);
        self.line.lift_pauses();
        drain(&mut self.line);
        let first_expected = self.expected.as_ref().map_or(usize::MAX, |expected| expected.first);
        let stuck = stuck.into_iter().filter(|&entry| entry < first_expected);
        self.outcome.starts.extend(stuck.map(|entry| Start { entry, at: None, is_stuck: true }));
    }
}
