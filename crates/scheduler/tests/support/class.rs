//! A class replayed: twenty participants, one GPU, the planner dispatching and learning.
//!
//! The class is one whose GPU is nearly always busy. Most participants wait for their results
//! before they submit again, and the class goes on past the jobs that are judged: no forecast
//! knows when people go home. Everything follows from the seed. Durations are those of a rather mixed class; the
//! planner knows them only through its [`DurationBook`], as the workshop does.

#![allow(dead_code, reason = "the example prints more than the test checks")]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use domain::{JobId, Priority, SchedulingMode, SeatId, StartWindow, Timestamp};
use scheduler::{
    Arrivals, DurationBook, GraphShape, HeldJob, Plan, Service, Snapshot, Submission, WaitingJob, plan,
};
use uuid::Uuid;

const SEATS: u16 = 20;
/// How far back the snapshot's arrivals look.
const WINDOW: Duration = Duration::from_secs(30 * 60);

/// A workflow of the class, with its size: name, model, seconds when warm, seconds to load, work.
const SHAPES: [(&str, &str, f64, f64, u64); 10] = [
    ("still 512", "sd15", 2.0, 6.0, 5),
    ("still 768", "sd15", 5.0, 6.0, 12),
    ("still 1024", "sdxl", 9.0, 15.0, 21),
    ("still 1024 refined", "sdxl", 16.0, 15.0, 35),
    ("still flux", "flux", 28.0, 30.0, 21),
    ("four flux", "flux", 95.0, 30.0, 84),
    ("inpaint", "sdxl", 12.0, 15.0, 25),
    ("clip 2 s", "wan", 60.0, 40.0, 300),
    ("clip 5 s", "wan", 150.0, 40.0, 800),
    ("video", "wan", 300.0, 40.0, 1600),
];
/// How often each is chosen.
const WEIGHTS: [u32; 10] = [24, 22, 20, 10, 10, 3, 8, 2, 1, 1];

#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub mode: SchedulingMode,
    pub seed: u64,
    pub jobs: usize,
    /// Mean time that a participant thinks before the next submission.
    pub think_seconds: f64,
}

#[derive(Debug, Default)]
pub struct Result {
    pub started: usize,
    pub cancelled: usize,
    pub interrupts: usize,
    pub recalls: usize,
    /// Windows shown for jobs whose shape had been seen three times.
    pub shown: Vec<Shown>,
    /// The same jobs with no window, because something before them was unknown.
    pub untold: usize,
    /// By seat: mean of turnaround over execution time.
    pub slowdowns: BTreeMap<SeatId, f64>,
    /// Share of the time in which the GPU had work.
    pub load: f64,
    /// How many waited when a job was submitted, on average.
    pub queue: f64,
}

#[derive(Debug, Clone, Copy)]
pub struct Shown {
    pub window: StartWindow,
    pub actual_ms: u64,
    pub at_submission: bool,
}

impl Shown {
    /// From a fifth before the median to a fifth after the ninth decile.
    pub fn is_inside(&self) -> bool {
        let actual = self.actual_ms as f64;
        0.8 * self.window.p50_ms as f64 <= actual && actual <= 1.2 * self.window.p90_ms as f64
    }
}

impl Result {
    pub fn inside(&self) -> f64 {
        let inside = self.shown.iter().filter(|shown| shown.is_inside()).count();
        inside as f64 / self.shown.len().max(1) as f64
    }

    /// Jain's index: 1 if all seats are slowed down alike, 1/n if one bears it all.
    pub fn jain(&self) -> f64 {
        let (sum, squares) = self
            .slowdowns
            .values()
            .fold((0.0, 0.0), |(sum, squares), slowdown| (sum + slowdown, squares + slowdown * slowdown));
        sum * sum / (self.slowdowns.len().max(1) as f64 * squares)
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

struct Known {
    job: WaitingJob,
    shape: usize,
    submitted_ms: u64,
    execution_ms: u64,
    ended_ms: Option<u64>,
    seen: bool,
    /// Set when it is shown a window: at submission, and once more at a chosen moment.
    windows: Vec<(u64, StartWindow, bool)>,
    look_again_ms: Option<u64>,
}

struct Class {
    settings: Settings,
    chance: Chance,
    now: u64,
    jobs: Vec<Known>,
    queued: Vec<usize>,
    staged: Vec<usize>,
    /// Job, start, end.
    running: Option<(usize, u64, u64)>,
    service: BTreeMap<SeatId, Service>,
    book: DurationBook,
    seen: [u32; SHAPES.len()],
    is_warm: [bool; SHAPES.len()],
    loaded: &'static str,
    /// When each seat submits next.
    next_submission: Vec<(u64, SeatId)>,
    habits: Vec<[u32; SHAPES.len()]>,
    cancels: VecDeque<(u64, usize)>,
    slowdowns: BTreeMap<SeatId, Vec<f64>>,
    busy_ms: u64,
    result: Result,
}

pub fn replay(settings: Settings) -> Result {
    let mut class = Class::new(settings);
    class.run();
    class.result.queue /= class.jobs.len() as f64;
    class.result.load = class.busy_ms as f64 / class.now as f64;
    let mean = |slowdowns: &Vec<f64>| slowdowns.iter().sum::<f64>() / slowdowns.len() as f64;
    class.result.slowdowns =
        class.slowdowns.iter().map(|(seat, slowdowns)| (*seat, mean(slowdowns))).collect();
    class.result
}

fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1000.0).round().max(1.0) as u64
}

impl Class {
    fn new(settings: Settings) -> Self {
        let mut chance = Chance::new(settings.seed);
        // Everyone begins within the first minutes, and has favourites among the workflows.
        let next_submission = (1..=SEATS)
            .map(|number| {
                (milliseconds(chance.exponential(90.0)), SeatId::new(number).expect("within the seats"))
            })
            .collect();
        let habits = (0..SEATS)
            .map(|_| WEIGHTS.map(|weight| weight * (1 + 3 * u32::from(chance.below(3) == 0))))
            .collect();
        Self {
            settings,
            chance,
            now: 0,
            jobs: Vec::new(),
            queued: Vec::new(),
            staged: Vec::new(),
            running: None,
            service: BTreeMap::new(),
            book: DurationBook::default(),
            seen: [0; SHAPES.len()],
            is_warm: [false; SHAPES.len()],
            loaded: "",
            next_submission,
            habits,
            cancels: VecDeque::new(),
            slowdowns: BTreeMap::new(),
            busy_ms: 0,
            result: Result::default(),
        }
    }

    fn run(&mut self) {
        loop {
            let submission = self.next_submission.iter().map(|(at, _)| *at).min();
            let submission = submission.filter(|_| self.goes_on());
            let end = self.running.map(|(_, _, end)| end);
            let cancel = self.cancels.iter().map(|(at, _)| *at).min();
            let look = self.queued.iter().filter_map(|&job| self.jobs[job].look_again_ms).min();
            let Some(next) = [submission, end, cancel, look].into_iter().flatten().min() else { break };
            self.now = next.max(self.now);
            if end == Some(next) {
                self.finish();
            } else if submission == Some(next) {
                self.submit();
            } else if cancel == Some(next) {
                self.cancel(next);
            }
            self.settle();
            self.show();
            self.look_at_results();
        }
        assert_eq!(self.result.started + self.result.cancelled, self.jobs.len(), "every job comes to an end");
    }

    /// The class goes on until the jobs that count have started.
    fn goes_on(&self) -> bool {
        let counts = |job: &usize| *job < self.settings.jobs;
        self.jobs.len() < self.settings.jobs || self.queued.iter().chain(&self.staged).any(counts)
    }

    /// Carries plans out until there is nothing to do.
    fn settle(&mut self) {
        for _ in 0..10 {
            if self.running.is_none() && !self.staged.is_empty() {
                let job = self.staged.remove(0);
                self.start(job);
            }
            let plan = plan(&self.snapshot(Arrivals::default()));
            if plan.dispatches.is_empty() && plan.recalls.is_empty() && plan.interrupts.is_empty() {
                return;
            }
            for id in &plan.recalls {
                let job = self.number(*id);
                self.staged.retain(|&other| other != job);
                self.queued.push(job);
                self.result.recalls += 1;
            }
            for id in &plan.interrupts {
                let (job, started, _) = self.running.take().expect("only what runs is interrupted");
                assert_eq!(self.jobs[job].job.id, *id);
                self.jobs[job].job.is_returned = true;
                self.queued.push(job);
                self.busy_ms += self.now - started;
                self.result.interrupts += 1;
            }
            for id in &plan.dispatches {
                let job = self.number(*id);
                let before = self.queued.len();
                self.queued.retain(|&other| other != job);
                assert_eq!(self.queued.len() + 1, before, "handed out twice");
                self.staged.push(job);
            }
            assert!(self.staged.len() + usize::from(self.running.is_some()) <= 2, "a slot is over-filled");
        }
        panic!("the plan does not settle");
    }

    fn start(&mut self, job: usize) {
        let (_, model, seconds, load, _) = SHAPES[self.jobs[job].shape];
        // Some workflows vary more than others.
        let noise = 0.05 + 0.1 * (self.jobs[job].shape % 3) as f64 / 2.0;
        let mut seconds = seconds * (1.0 + noise * self.chance.normal()).max(0.5);
        // Cold is the first run of a workflow, and now and then a model was dropped since.
        let is_cold = !self.is_warm[self.jobs[job].shape];
        if is_cold || (self.loaded != model && self.chance.below(20) == 0) {
            seconds += load;
        }
        self.is_warm[self.jobs[job].shape] = true;
        self.loaded = model;
        let duration = milliseconds(seconds);
        if !self.jobs[job].job.is_returned {
            for (at, window, at_submission) in std::mem::take(&mut self.jobs[job].windows) {
                self.result.shown.push(Shown { window, actual_ms: self.now - at, at_submission });
            }
            self.result.started += 1;
        }
        self.jobs[job].execution_ms = duration;
        self.running = Some((job, self.now, self.now + duration));
    }

    fn finish(&mut self) {
        let (job, started, end) = self.running.take().expect("it runs");
        self.jobs[job].ended_ms = Some(end);
        let known = &self.jobs[job];
        let (seat, used) = (known.job.seat, Duration::from_millis(end - started));
        let time = self.service.values().collect();
        let service = self.service.entry(seat).or_default();
        *service = service.after_job(time, known.job.priority, used);
        self.book.record(&shape(known.shape), used);
        self.seen[known.shape] += 1;
        self.busy_ms += end - started;
        let turnaround = end - known.submitted_ms;
        self.slowdowns.entry(seat).or_default().push(turnaround as f64 / known.execution_ms as f64);
    }

    fn submit(&mut self) {
        let (_, (_, seat)) = self
            .next_submission
            .iter()
            .copied()
            .enumerate()
            .min_by_key(|(_, next)| *next)
            .expect("there are seats");
        let burst = [1, 1, 1, 1, 1, 1, 2, 2, 3, 5][self.chance.below(10) as usize];
        let is_demo = self.chance.below(60) == 0;
        for _ in 0..burst {
            let habits = self.habits[usize::from(seat.number()) - 1];
            let mut pick = self.chance.below(u64::from(habits.iter().sum::<u32>())) as u32;
            let shape = habits.iter().position(|&weight| {
                let is_it = pick < weight;
                pick = pick.saturating_sub(weight);
                is_it
            });
            self.queue(seat, shape.unwrap_or(0), is_demo);
        }
        // Most look at what comes of it first; some think of something else meanwhile.
        let next = if self.chance.below(3) > 0 { u64::MAX } else { self.now + self.thinking() };
        self.next_submission.iter_mut().filter(|(_, other)| *other == seat).for_each(|(at, _)| *at = next);
    }

    fn thinking(&mut self) -> u64 {
        milliseconds(20.0 + self.chance.exponential(self.settings.think_seconds))
    }

    /// Who waited for results has them all, and thinks.
    fn look_at_results(&mut self) {
        for at in 0..self.next_submission.len() {
            let (next, seat) = self.next_submission[at];
            let running = self.running.iter().map(|(job, ..)| job);
            let mut active = self.queued.iter().chain(&self.staged).chain(running);
            if next == u64::MAX && !active.any(|&job| self.jobs[job].job.seat == seat) {
                self.next_submission[at].0 = self.now + self.thinking();
            }
        }
    }

    fn queue(&mut self, seat: SeatId, shape_number: usize, is_demo: bool) {
        let number = self.jobs.len();
        let is_demo = is_demo && shape_number < 4;
        let job = WaitingJob {
            id: JobId::from_uuid(Uuid::from_u128(number as u128)),
            seat,
            sequence: number as i64,
            is_front: false,
            is_returned: false,
            priority: if is_demo { Priority::Demo } else { Priority::Normal },
            interrupts: is_demo,
            estimate: None,
        };
        if self.chance.below(25) == 0 {
            self.cancels.push_back((self.now + milliseconds(self.chance.exponential(120.0)), number));
        }
        let look_again_ms = Some(self.now + milliseconds(self.chance.exponential(90.0)));
        self.jobs.push(Known {
            job,
            shape: shape_number,
            submitted_ms: self.now,
            execution_ms: 0,
            ended_ms: None,
            seen: self.seen[shape_number] >= 3 && number < self.settings.jobs,
            windows: Vec::new(),
            look_again_ms,
        });
        self.result.queue += self.queued.len() as f64;
        self.queued.push(number);
    }

    fn cancel(&mut self, at: u64) {
        let due = self.cancels.iter().position(|(due, _)| *due == at).expect("one is due");
        let Some((_, job)) = self.cancels.remove(due) else { return };
        let held = self.queued.len() + self.staged.len();
        self.queued.retain(|&other| other != job);
        self.staged.retain(|&other| other != job);
        // An interrupted one had started already.
        if self.queued.len() + self.staged.len() < held {
            self.jobs[job].ended_ms = Some(self.now);
        }
        let was_waiting = self.queued.len() + self.staged.len() < held;
        self.result.cancelled += usize::from(was_waiting && !self.jobs[job].job.is_returned);
    }

    fn show(&mut self) {
        let looks = |&job: &usize| {
            let known = &self.jobs[job];
            known.seen
                && (known.submitted_ms == self.now || known.look_again_ms.is_some_and(|at| at <= self.now))
        };
        let plan = if self.queued.iter().chain(&self.staged).any(looks) {
            plan(&self.snapshot(self.arrivals()))
        } else {
            Plan::default()
        };
        for waiting in &plan.waiting {
            let number = self.number(waiting.job);
            let known = &mut self.jobs[number];
            let is_new = known.submitted_ms == self.now && known.windows.is_empty();
            let again = known.look_again_ms.is_some_and(|at| at <= self.now);
            if again {
                known.look_again_ms = None;
            }
            if !known.seen || known.job.is_returned || !(is_new || again) {
                continue;
            }
            match waiting.start {
                Some(window) => known.windows.push((self.now, window, is_new)),
                None => self.result.untold += 1,
            }
        }
        for &job in &self.staged {
            self.jobs[job].look_again_ms = None;
        }
        for &job in &self.queued {
            let look = &mut self.jobs[job].look_again_ms;
            *look = look.filter(|&at| at > self.now);
        }
    }

    fn snapshot(&self, arrivals: Arrivals) -> Snapshot {
        let waiting = |&job: &usize| {
            let known = &self.jobs[job];
            WaitingJob { estimate: self.book.estimate(&shape(known.shape)), ..known.job.clone() }
        };
        let held =
            |job: &usize, elapsed| HeldJob { job: waiting(job), elapsed: Duration::from_millis(elapsed) };
        let running: Vec<_> =
            self.running.iter().map(|(job, started, _)| held(job, self.now - started)).collect();
        Snapshot {
            mode: self.settings.mode,
            queued: self.queued.iter().map(waiting).collect(),
            staged: self.staged.iter().map(|job| held(job, 0)).collect(),
            slots: 1,
            room: 2_u32.saturating_sub((running.len() + self.staged.len()) as u32),
            running,
            service: self.service.clone(),
            arrivals,
            ..Snapshot::default()
        }
    }

    fn arrivals(&self) -> Arrivals {
        let at = |ms: u64| Timestamp::from_unix_ms(ms as i64);
        let submissions = self.jobs.iter().map(|known| {
            let estimate = self.book.estimate(&shape(known.shape));
            Submission {
                seat: known.job.seat,
                created_at: at(known.submitted_ms),
                ended_at: known.ended_ms.map(at),
                execution: match known.execution_ms {
                    0 => estimate.map(|estimate| estimate.p50),
                    actual if known.ended_ms.is_some() => Some(Duration::from_millis(actual)),
                    _ => estimate.map(|estimate| estimate.p50),
                },
            }
        });
        Arrivals::observe(submissions, at(self.now), WINDOW)
    }

    fn number(&self, id: JobId) -> usize {
        id.as_uuid().as_u128() as usize
    }
}

fn shape(number: usize) -> GraphShape {
    let (name, model, _, _, work) = SHAPES[number];
    let bucket = u64::BITS - work.leading_zeros();
    GraphShape {
        keys: vec![format!("exact {name}"), format!("{model} {bucket}"), format!("model {model}")],
        work,
    }
}
