//! The policy played out over the slots with estimated durations.
//!
//! What it does at time zero is the plan; when it starts the rest is the forecast. A start
//! has a median and a variance: the durations before it in its slot add up, and so do
//! their variances, not their ninth deciles, since not everything goes badly at once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::time::Duration;

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
    executing: BinaryHeap<Reverse<(u64, i64, Entry)>>,
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

/// One course that submissions may take: seats with no jobs and seats with jobs submit at
/// their paces, and what they submit is drawn from what was submitted.
struct Expected {
    /// By seat: how many jobs it has; `None` if it does not take part.
    jobs: Vec<Option<u32>>,
    idle: usize,
    busy: usize,
    idle_rate: f64,
    busy_rate: f64,
    /// Time until the next submission, in units of the mean gap at the present rate.
    until_next: f64,
    updated_at: u64,
    draw: Draw,
    /// Where more arrives than leaves, the queue would grow for ever.
    budget: usize,
    first: Entry,
}

/// Numbers between 0 and 1 that depend on the course and on how many were drawn, by the
/// mixing function of SplitMix64 (Steele, Lea and Flood, 2014): nothing is random here, so the
/// same snapshot gives the same plan.
struct Draw {
    course: u64,
    drawn: u64,
}

impl Draw {
    fn next(&mut self) -> f64 {
        self.drawn += 1;
        let mut mixed = (self.course << 32 | self.drawn).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Expected {
    fn rate(&self) -> f64 {
        self.idle as f64 * self.idle_rate + self.busy as f64 * self.busy_rate
    }

    /// When the next submission is due if nothing changes before.
    fn due(&self) -> Option<u64> {
        let rate = self.rate();
        (rate > 0.0 && self.budget > 0).then(|| self.updated_at + (self.until_next / rate).ceil() as u64)
    }

    fn advance(&mut self, now: u64) {
        self.until_next = (self.until_next - self.rate() * (now - self.updated_at) as f64).max(0.0);
        self.updated_at = now;
    }

    /// Somebody submits: who.
    fn submit(&mut self) -> usize {
        self.until_next = -(1.0 - self.draw.next()).ln();
        let idle = self.idle as f64 * self.idle_rate;
        let is_idle = self.draw.next() * self.rate() < idle;
        let count = if is_idle { self.idle } else { self.busy };
        let nth = ((self.draw.next() * count as f64) as usize).min(count - 1);
        let is_such = |jobs: &Option<u32>| jobs.is_some_and(|jobs| (jobs == 0) == is_idle);
        let mut seats = (0..self.jobs.len()).filter(|&seat| is_such(&self.jobs[seat]));
        seats.nth(nth).unwrap_or(0)
    }

    fn change(&mut self, seat: usize, by: i32) {
        let Some(jobs) = &mut self.jobs[seat] else { return };
        let before = *jobs;
        *jobs = jobs.saturating_add_signed(by);
        match (before, *jobs) {
            (0, 1..) => (self.idle, self.busy) = (self.idle - 1, self.busy + 1),
            (1.., 0) => (self.idle, self.busy) = (self.idle + 1, self.busy - 1),
            _ => {}
        }
    }
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

    /// Expects more jobs to arrive, in one of many ways.
    pub(crate) fn expecting(mut self, numbers: &BTreeMap<SeatId, usize>, course: usize) -> Self {
        let arrivals = &self.snapshot.arrivals;
        let mut jobs = vec![None; numbers.len()];
        let taking_part = arrivals.seats.iter().map(|seat| numbers[seat]);
        taking_part.filter(|&seat| !self.line.is_paused(seat)).for_each(|seat| jobs[seat] = Some(0));
        let rate = |gap: Option<Duration>| gap.map_or(0.0, |gap| 1.0 / milliseconds(gap).max(1) as f64);
        let mut draw = Draw { course: course as u64 + 1, drawn: 0 };
        let until_next = -(1.0 - draw.next()).ln();
        let mut expected = Expected {
            idle: jobs.iter().flatten().count(),
            busy: 0,
            jobs,
            idle_rate: rate(arrivals.idle_gap),
            busy_rate: rate(arrivals.busy_gap),
            until_next,
            updated_at: 0,
            draw,
            budget: if arrivals.batches.is_empty() { 0 } else { 2 * self.remaining + 100 },
            first: self.spreads.len(),
        };
        (0..self.spreads.len()).for_each(|entry| expected.change(self.line.job(entry).seat, 1));
        self.expected = Some(expected);
        self
    }

    pub(crate) fn run(mut self) -> Outcome {
        self.start_staged();
        if !self.snapshot.is_paused && self.slots > 0 {
            self.interrupt();
        }
        self.settle();
        if !self.snapshot.is_paused {
            self.note_actions();
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

    /// What workers are to hold by now is to be handed out, and what they hold beyond that to
    /// be recalled. What is recalled or interrupted can be handed out in a later plan only,
    /// and what takes its place as well.
    fn note_actions(&mut self) {
        let queued = self.snapshot.queued.len();
        let staged = queued..queued + self.snapshot.staged.len();
        let held = self.staged.iter().chain(self.executing.iter().map(|Reverse((.., entry))| entry));
        let held: BTreeSet<Entry> = held.copied().collect();
        self.outcome.recalls = staged.filter(|entry| !held.contains(entry)).collect();

        let cap = self.snapshot.max_running_per_seat.unwrap_or(u32::MAX);
        let mut by_seat: BTreeMap<SeatId, u32> = BTreeMap::new();
        for job in self.snapshot.staged.iter().chain(&self.snapshot.running) {
            *by_seat.entry(job.job.seat).or_default() += 1;
        }
        let fits = |entry: &Entry| {
            let count = by_seat.entry(self.snapshot.queued[*entry].seat).or_default();
            *count += 1;
            *count <= cap
        };
        // Staged ones stand before what is handed out; an interrupted one ends the list.
        let staged = queued..queued + self.snapshot.staged.len();
        let new = self.staged.iter().copied().filter(|entry| !staged.contains(entry));
        let handed = new.take_while(|&entry| entry < queued);
        self.outcome.dispatches = handed.take(self.snapshot.room as usize).take_while(fits).collect();
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
        self.executing.retain(|Reverse((.., entry))| !victims.contains(entry));
        for &victim in &victims {
            let estimate = self.snapshot.running[victim - first_running].job.estimate;
            self.spreads[victim] = estimate.map(|estimate| estimate.spread());
            self.line.interrupt(victim);
        }
        self.remaining += victims.len();
        self.leaving = self.executing.len().saturating_sub(self.slots);
        self.is_known = self.executing.iter().all(|Reverse((.., entry))| self.spreads[*entry].is_some());
        // The engine runs what it was given in order, so what stands before the demo goes back.
        let before = if waiting > 0 { self.staged.len() } else { last_staged.unwrap_or(0) };
        for at in (0..before).rev() {
            if self.line.job(self.staged[at]).class < 2
                && let Some(entry) = self.staged.remove(at)
            {
                self.line.put_back(entry);
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
    fn settle(&mut self) {
        let mut recalls = 0;
        while let Some(next) = self.line.peek() {
            if self.staged.len() + self.executing.len() >= self.capacity {
                // The limit only guards against a cycle, of which there is none known.
                if self.snapshot.is_paused || self.slots == 0 || recalls > 4 * self.capacity {
                    break;
                }
                let lowest = (0..self.staged.len())
                    .min_by_key(|&at| (self.line.job(self.staged[at]).class, Reverse(at)));
                let Some(at) = lowest.filter(|&at| self.line.outranks(next, self.staged[at])) else { break };
                let Some(recalled) = self.staged.remove(at) else { break };
                self.line.take(next);
                self.line.put_back(recalled);
                recalls += 1;
            } else {
                self.line.take(next);
            }
            self.staged.push_back(next);
        }
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
        self.executing.push(Reverse((self.now + spread.median, self.line.job(entry).sequence, entry)));
    }

    /// A job ends or an expected one arrives; tells whether there was anything.
    fn next_event(&mut self) -> bool {
        let Some(&Reverse((end, ..))) = self.executing.peek() else { return false };
        if let Some(expected) = &mut self.expected {
            if let Some(due) = expected.due().filter(|&due| due < end) {
                expected.advance(due);
                self.now = due;
                self.submit();
                return true;
            }
            expected.advance(end);
        }
        let Some(Reverse((end, _, entry))) = self.executing.pop() else { return false };
        (self.now, self.variance) = (end, self.end_variance[entry]);
        self.line.finish(entry);
        if let Some(expected) = &mut self.expected {
            expected.change(self.line.job(entry).seat, -1);
        }
        if self.leaving > 0 {
            self.leaving -= 1;
            self.capacity = (self.capacity - 1).max(self.slots);
        }
        true
    }

    fn submit(&mut self) {
        let Some(expected) = &mut self.expected else { return };
        let batches = &self.snapshot.arrivals.batches;
        let seat = expected.submit();
        let batch = &batches[((expected.draw.next() * batches.len() as f64) as usize).min(batches.len() - 1)];
        for &execution in batch {
            expected.budget = expected.budget.saturating_sub(1);
            expected.change(seat, 1);
            let median = milliseconds(execution).max(1);
            self.line.expect(seat, median);
            self.spreads.push(Some(Spread { median, deviation: 0.1 * median as f64 }));
            self.end_variance.push(0.0);
        }
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
