//! The line that waiting jobs stand in: who is next under the policy.
//!
//! Every mode is the same structure with another key per seat, so caps, pauses and the
//! order within a seat are written once. The order of jobs: priority; then what executed
//! before and was given back; then the seat with the smallest key; then the seat's own order.
//!
//! Invariant: handing out, giving back and ending jobs changes the key of one seat only,
//! apart from the floor, which lifts keys and never lowers them. So heaps with stale
//! entries find the next job in logarithmic time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use domain::{Priority, SchedulingMode, SeatId};

use crate::estimate::milliseconds;
use crate::{HeldJob, Snapshot, VirtualTime, WaitingJob};

/// Index of a job in the line.
pub(crate) type Entry = usize;

/// What a job is taken to cost when nothing at all is known.
const DEFAULT_COST_MS: u64 = 30_000;
const CLASSES: usize = 3;

/// The mode's value of a seat, smallest first; ties go by the place of its next job.
type Key = (u64, u64);
/// Key, place, seat and the seat's version; the smallest comes out first.
type Turn = Reverse<(Key, i64, usize, u32)>;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    pub seat: usize,
    pub class: usize,
    pub sequence: i64,
    pub is_front: bool,
    pub is_returned: bool,
    pub interrupts: bool,
    pub cost: u64,
}

#[derive(Debug, Clone, Default)]
struct Seat {
    is_paused: bool,
    last_served: u64,
    account: u64,
    /// The turns at which the jobs that it holds on workers were handed out.
    turns: Vec<u64>,
    held_cost: u64,
    executing_normal: u32,
    queues: [Queue; CLASSES],
    /// Heap entries of an earlier version are stale.
    version: u32,
}

/// One seat's jobs of one class. The n-th job takes the n-th place, so a job queued in
/// front moves the seat's own jobs back and nobody else's.
#[derive(Debug, Clone, Default)]
struct Queue {
    jobs: VecDeque<Entry>,
    places: VecDeque<i64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Line {
    mode: SchedulingMode,
    cap: usize,
    jobs: Vec<Job>,
    seats: Vec<Seat>,
    heaps: [BinaryHeap<Turn>; CLASSES],
    /// By sequence. Few: no more than workers held.
    returned: [Vec<Entry>; CLASSES],
    turn: u64,
    floor: u64,
}

impl Line {
    /// The queued jobs stand in line; staged and running ones are charged to their seats.
    /// Entries number the queued, then the staged, then the running jobs.
    pub(crate) fn new(snapshot: &Snapshot) -> (Self, BTreeMap<SeatId, usize>) {
        let held = || snapshot.staged.iter().chain(&snapshot.running);
        let all = || snapshot.queued.iter().chain(held().map(|held| &held.job));
        let mut numbers = BTreeMap::new();
        for seat in all().map(|job| job.seat).chain(snapshot.arrivals.seats.iter().copied()) {
            numbers.entry(seat).or_insert(0);
        }
        let mut seats = Vec::with_capacity(numbers.len());
        for (number, (id, slot)) in numbers.iter_mut().enumerate() {
            *slot = number;
            let service = snapshot.service.get(id).copied().unwrap_or_default();
            seats.push(Seat {
                is_paused: snapshot.paused_seats.contains(id),
                last_served: service.last_served,
                account: milliseconds(service.account),
                ..Seat::default()
            });
        }
        let time: VirtualTime = snapshot.service.values().collect();
        let typical = typical_cost(all());
        let mut line = Self {
            mode: snapshot.mode,
            cap: snapshot.max_running_per_seat.map_or(usize::MAX, |cap| cap as usize),
            jobs: all().map(|job| Job::new(job, numbers[&job.seat], typical)).collect(),
            seats,
            heaps: Default::default(),
            returned: Default::default(),
            turn: time.last_served,
            floor: milliseconds(time.floor),
        };
        line.hold(snapshot, typical);
        line.line_up(snapshot.queued.len());
        (line, numbers)
    }

    fn hold(&mut self, snapshot: &Snapshot, typical: u64) {
        let first_staged = snapshot.queued.len();
        let first_running = first_staged + snapshot.staged.len();
        let mut running: Vec<(Entry, &HeldJob)> = (first_running..).zip(&snapshot.running).collect();
        running.sort_by_key(|(_, held)| (Reverse(held.elapsed), held.job.sequence));
        for (entry, held) in running {
            // Overrunning, it has cost its seat more than was foreseen already.
            self.jobs[entry].cost = cost(&held.job, typical).max(milliseconds(held.elapsed));
            self.charge(entry);
            self.note_start(entry);
        }
        for entry in first_staged..first_running {
            self.charge(entry);
        }
    }

    fn line_up(&mut self, queued: usize) {
        let mut by_place: Vec<Entry> = (0..queued).collect();
        by_place.sort_unstable_by_key(|&entry| self.jobs[entry].sequence);
        for entry in by_place {
            let Job { seat, class, sequence, is_returned, .. } = self.jobs[entry];
            if is_returned {
                self.returned[class].push(entry);
            } else {
                let queue = &mut self.seats[seat].queues[class];
                queue.jobs.push_back(entry);
                queue.places.push_back(sequence);
            }
        }
        for seat in 0..self.seats.len() {
            for queue in &mut self.seats[seat].queues {
                if queue.jobs.iter().any(|&entry| self.jobs[entry].is_front) {
                    queue.jobs.make_contiguous().sort_by_key(|&entry| self.jobs[entry].own_order());
                }
            }
            self.touch(seat);
        }
    }

    pub(crate) fn job(&self, entry: Entry) -> &Job {
        &self.jobs[entry]
    }

    /// The next job that may be handed out now.
    pub(crate) fn peek(&mut self) -> Option<Entry> {
        (0..CLASSES).rev().find_map(|class| {
            let mut returned = self.returned[class].iter().copied();
            returned.find(|&entry| self.may_hold_more(self.jobs[entry].seat)).or_else(|| self.first_of(class))
        })
    }

    /// Hands it out.
    pub(crate) fn take(&mut self, entry: Entry) {
        let Job { seat, class, is_returned, .. } = self.jobs[entry];
        if is_returned {
            self.returned[class].retain(|&other| other != entry);
        } else {
            let queue = &mut self.seats[seat].queues[class];
            queue.jobs.pop_front();
            queue.places.pop_front();
        }
        self.charge(entry);
        self.touch(seat);
    }

    /// Undoes [`Line::take`] of a job that has not started: the seat's latest.
    pub(crate) fn put_back(&mut self, entry: Entry) {
        let Job { seat, class, sequence, is_returned, cost, .. } = self.jobs[entry];
        self.seats[seat].turns.pop();
        self.seats[seat].held_cost -= cost;
        if is_returned {
            self.insert_returned(entry);
        } else {
            let jobs = &self.jobs;
            let queue = &mut self.seats[seat].queues[class];
            let at = queue.jobs.partition_point(|&other| jobs[other].own_order() < jobs[entry].own_order());
            queue.jobs.insert(at, entry);
            let at = queue.places.partition_point(|&place| place < sequence);
            queue.places.insert(at, sequence);
        }
        self.touch(seat);
    }

    /// Takes an executing job back as if it had never started; it goes first from now on.
    pub(crate) fn interrupt(&mut self, entry: Entry) {
        let Job { seat, class, cost, .. } = self.jobs[entry];
        self.seats[seat].turns.remove(0);
        self.seats[seat].held_cost -= cost;
        self.seats[seat].executing_normal -= u32::from(class == 0);
        self.jobs[entry].is_returned = true;
        self.insert_returned(entry);
        self.touch(seat);
    }

    pub(crate) fn start(&mut self, entry: Entry) {
        self.note_start(entry);
    }

    /// The job ended after its cost; as [`Service::after_job`] charges it.
    pub(crate) fn finish(&mut self, entry: Entry) {
        let Job { seat: number, class, cost, .. } = self.jobs[entry];
        self.turn += 1;
        let seat = &mut self.seats[number];
        let start = seat.account.max(self.floor);
        if class == 0 {
            self.floor = start;
            seat.executing_normal -= 1;
        }
        seat.account = start + cost;
        seat.last_served = self.turn;
        seat.held_cost -= cost;
        seat.turns.remove(0);
        if seat.executing_normal > 0 {
            self.floor = self.floor.max(seat.account);
        }
        self.touch(number);
    }

    /// A job nobody has submitted yet joins the end of its seat's line.
    pub(crate) fn expect(&mut self, seat: usize, cost: u64) -> Entry {
        let entry = self.jobs.len();
        let sequence = i64::MAX / 2 + entry as i64;
        let (class, is_front, is_returned, interrupts) = (0, false, false, false);
        self.jobs.push(Job { seat, class, sequence, is_front, is_returned, interrupts, cost });
        let queue = &mut self.seats[seat].queues[class];
        queue.jobs.push_back(entry);
        queue.places.push_back(sequence);
        if queue.jobs.len() == 1 {
            self.touch(seat);
        }
        entry
    }

    /// Whether a staged job is to make way for the next in line. Above its own priority
    /// always. Within one, where seats take turns, only if the next one's seat has nothing
    /// on any worker and its turn comes before: what is put in its stead then meets neither
    /// condition the other way round, so two seats never push each other out in turn.
    pub(crate) fn outranks(&self, next: Entry, staged: Entry) -> bool {
        let (next, staged) = (&self.jobs[next], &self.jobs[staged]);
        if next.class != staged.class {
            return next.class > staged.class;
        }
        self.mode != SchedulingMode::Fifo
            && !next.is_returned
            && !staged.is_returned
            && self.seats[next.seat].turns.is_empty()
            && self.key_of(next.seat, 0) < self.key_without_latest(staged)
    }

    /// From now on no seat is full, for the order of what cannot start as things stand.
    pub(crate) fn lift_caps(&mut self) {
        self.cap = usize::MAX;
        (0..self.seats.len()).for_each(|seat| self.touch(seat));
    }

    pub(crate) fn lift_pauses(&mut self) {
        self.seats.iter_mut().for_each(|seat| seat.is_paused = false);
        (0..self.seats.len()).for_each(|seat| self.touch(seat));
    }

    pub(crate) fn is_paused(&self, seat: usize) -> bool {
        self.seats[seat].is_paused
    }

    fn charge(&mut self, entry: Entry) {
        let Job { seat, cost, .. } = self.jobs[entry];
        self.turn += 1;
        self.seats[seat].turns.push(self.turn);
        self.seats[seat].held_cost += cost;
    }

    /// The virtual time is the account at which the seats that execute now were served.
    fn note_start(&mut self, entry: Entry) {
        let Job { seat, class, .. } = self.jobs[entry];
        if class == 0 {
            self.seats[seat].executing_normal += 1;
            self.floor = self.floor.max(self.seats[seat].account);
        }
    }

    fn insert_returned(&mut self, entry: Entry) {
        let Job { class, sequence, .. } = self.jobs[entry];
        let at = self.returned[class].partition_point(|&other| self.jobs[other].sequence < sequence);
        self.returned[class].insert(at, entry);
    }

    fn may_hold_more(&self, seat: usize) -> bool {
        !self.seats[seat].is_paused && self.seats[seat].turns.len() < self.cap
    }

    fn first_of(&mut self, class: usize) -> Option<Entry> {
        loop {
            let &Reverse((key, place, seat, version)) = self.heaps[class].peek()?;
            let current = self.key_of(seat, 0);
            if version == self.seats[seat].version && key == current {
                return self.seats[seat].queues[class].jobs.front().copied();
            }
            self.heaps[class].pop();
            // Not stale, but lifted by the floor since.
            if version == self.seats[seat].version {
                self.heaps[class].push(Reverse((current, place, seat, version)));
            }
        }
    }

    /// Puts the seat where its key says.
    fn touch(&mut self, number: usize) {
        self.seats[number].version += 1;
        if !self.may_hold_more(number) {
            return;
        }
        let key = self.key_of(number, 0);
        let Self { seats, heaps, .. } = self;
        let seat = &seats[number];
        for (queue, heap) in seat.queues.iter().zip(heaps) {
            if let Some(&place) = queue.places.front() {
                heap.push(Reverse((key, place, number, seat.version)));
            }
        }
    }

    /// The seat's key, leaving out its latest job if that costs `latest`.
    fn key_of(&self, seat: usize, latest: u64) -> Key {
        let seat = &self.seats[seat];
        match self.mode {
            SchedulingMode::Fifo => (0, 0),
            SchedulingMode::RoundRobin => seat.turns.last().map_or((0, seat.last_served), |&turn| (1, turn)),
            SchedulingMode::Fair => (seat.account.max(self.floor) + seat.held_cost - latest, 0),
        }
    }

    fn key_without_latest(&self, staged: &Job) -> Key {
        let turns = &self.seats[staged.seat].turns;
        match (self.mode, turns.as_slice()) {
            (SchedulingMode::RoundRobin, [_]) => (0, self.seats[staged.seat].last_served),
            (SchedulingMode::RoundRobin, [.., before, _]) => (1, *before),
            _ => self.key_of(staged.seat, staged.cost),
        }
    }
}

impl Job {
    fn new(job: &WaitingJob, seat: usize, typical: u64) -> Self {
        Self {
            seat,
            class: match job.priority {
                Priority::Normal => 0,
                Priority::Raised => 1,
                Priority::Demo => 2,
            },
            sequence: job.sequence,
            is_front: job.is_front,
            is_returned: job.is_returned,
            interrupts: job.interrupts && job.priority == Priority::Demo,
            cost: cost(job, typical),
        }
    }

    /// The latest "front" job goes first, as in ComfyUI, where each takes a lower number.
    fn own_order(&self) -> (u8, i64) {
        if self.is_front { (0, -self.sequence) } else { (1, self.sequence) }
    }
}

fn cost(job: &WaitingJob, typical: u64) -> u64 {
    job.estimate.map_or(typical, |estimate| milliseconds(estimate.p50)).max(1)
}

fn typical_cost<'a>(jobs: impl Iterator<Item = &'a WaitingJob>) -> u64 {
    let mut known: Vec<u64> =
        jobs.filter_map(|job| job.estimate).map(|estimate| milliseconds(estimate.p50)).collect();
    if known.is_empty() {
        return DEFAULT_COST_MS;
    }
    let middle = known.len() / 2;
    *known.select_nth_unstable(middle).1
}

/// The planner and the record must charge alike.
#[cfg(test)]
#[test]
fn ending_a_job_charges_as_the_record_does() {
    use std::time::Duration;

    use crate::Service;

    let job = WaitingJob {
        id: domain::JobId::from_uuid(uuid::Uuid::nil()),
        seat: SeatId::new(1).unwrap(),
        sequence: 1,
        is_front: false,
        is_returned: false,
        priority: Priority::Normal,
        interrupts: false,
        estimate: None,
    };
    let before = Service { last_served: 3, account: Duration::from_secs(5), floor: Duration::from_secs(9) };
    let snapshot = Snapshot {
        running: vec![HeldJob { job, elapsed: Duration::ZERO }],
        service: [(SeatId::new(1).unwrap(), before)].into(),
        ..Snapshot::default()
    };
    let (mut line, _) = Line::new(&snapshot);
    line.finish(0);
    let time = snapshot.service.values().collect();
    let after = before.after_job(time, Priority::Normal, Duration::from_millis(DEFAULT_COST_MS));
    assert_eq!(Duration::from_millis(line.seats[0].account), after.account);
    assert_eq!(Duration::from_millis(line.floor), after.floor);
}
