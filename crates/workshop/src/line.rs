//! The line as the scheduler sees it, and as everybody is told of it.
//!
//! Invariant: the dispatcher, the positions and the forecast come from one plan of one
//! snapshot, so what people are told is what then happens.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use domain::{Job, JobId, JobState, Priority, StartWindow, Timestamp, WaitReason};
use scheduler::{
    Arrivals, DurationBook, Estimate, GraphShape, HeldJob, Plan, Service, Snapshot, Submission, VirtualTime,
    WaitingJob, plan,
};
use store::{JobShape, SeatService, StoredJob, Submitted};

use crate::hub::lock;
use crate::{Workshop, WorkshopError};

/// How far back the forecast looks to expect what will be submitted.
const ARRIVALS_WINDOW: Duration = Duration::from_secs(15 * 60);
/// How long arrivals once counted serve.
const ARRIVALS_AGE: Duration = Duration::from_secs(5);
/// How long a line serves as long as nothing changes: times to a start run on.
const LINE_AGE: Duration = Duration::from_secs(1);
/// Runs that durations are learnt from at a start.
const RUNS_REMEMBERED: u32 = 5_000;

/// The active jobs in the order in which they run, and where each stands.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub active: Vec<StoredJob>,
    pub places: HashMap<JobId, Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Counted from 1 over all seats.
    pub position: u32,
    pub reason: WaitReason,
    pub start: Option<StartWindow>,
}

/// A line and the moment it is of.
#[derive(Debug)]
pub(crate) struct CachedLine {
    revision: u64,
    at: Timestamp,
    line: Arc<Line>,
}

impl Workshop {
    /// The line of this moment. Pages that look at the same moment share one.
    pub(crate) async fn line(&self) -> Result<Arc<Line>, WorkshopError> {
        let (revision, now) = (self.inner.hub.revision(), self.now());
        // Held while the line is made, so that five hundred pages that wake at once make one.
        let mut cached = self.inner.line.lock().await;
        if let Some(cached) = cached.as_ref()
            && cached.revision >= revision
            && now.since(cached.at) < LINE_AGE
        {
            return Ok(Arc::clone(&cached.line));
        }
        let revision = self.inner.hub.revision();
        let mut active = self.store().active_jobs().await?;
        let arrivals = self.arrivals().await?;
        let waiting = self.plan(&active, arrivals).waiting.into_iter();
        let places: HashMap<_, _> = waiting
            .map(|waiting| {
                let place =
                    Place { position: waiting.position, reason: waiting.reason, start: waiting.start };
                (waiting.job, place)
            })
            .collect();
        active.sort_by_key(|stored| places.get(&stored.job.id).map_or(0, |place| place.position));
        let line = Arc::new(Line { active, places });
        *cached = Some(CachedLine { revision, at: now, line: Arc::clone(&line) });
        Ok(line)
    }

    /// The plan for these active jobs. What is to be done does not depend on `arrivals`, only
    /// the forecast does.
    pub(crate) fn plan(&self, active: &[StoredJob], arrivals: Arrivals) -> Plan {
        plan(&self.snapshot(active, arrivals))
    }

    fn snapshot(&self, active: &[StoredJob], arrivals: Arrivals) -> Snapshot {
        let now = self.now();
        let policy = self.policy();
        let seats = self.all_seats();
        let workers = &self.inner.workers;
        let durations = lock(&self.inner.durations);
        let mut snapshot = Snapshot {
            mode: policy.mode,
            is_paused: policy.is_paused,
            paused_seats: seats.iter().filter(|seat| seat.is_paused).map(|seat| seat.id).collect(),
            max_running_per_seat: policy.max_running_per_seat,
            slots: workers.slots(),
            service: seats.iter().map(|seat| (seat.id, service(seat.service))).collect(),
            arrivals,
            ..Snapshot::default()
        };
        let mut held = 0;
        for StoredJob { job, shape, .. } in active {
            let estimate = estimate(shape.as_ref(), &durations);
            let waiting = waiting_job(job, estimate);
            match &job.state {
                JobState::Queued => snapshot.queued.push(waiting),
                JobState::Leased { .. } => {
                    snapshot.staged.push(HeldJob { job: waiting, elapsed: Duration::ZERO });
                }
                JobState::Running { started_at, .. } => {
                    snapshot.running.push(HeldJob { job: waiting, elapsed: now.since(*started_at) });
                }
                _ => {}
            }
            // What a lost or draining worker holds takes no room on the others.
            let counts = |worker| workers.takes_jobs(worker);
            held += u32::from(job.lease().is_some_and(|lease| lease.worker.is_none_or(counts)));
        }
        snapshot.room = workers.capacity().saturating_sub(held);
        snapshot
    }

    /// How the seats submit of late. A running average, so a few seconds' age is no matter.
    async fn arrivals(&self) -> Result<Arrivals, WorkshopError> {
        let now = self.now();
        if let Some((at, arrivals)) = lock(&self.inner.arrivals).as_ref()
            && now.since(*at) < ARRIVALS_AGE
        {
            return Ok(arrivals.clone());
        }
        let submitted = self.store().submitted_since(now - ARRIVALS_WINDOW).await?;
        let arrivals = {
            let durations = lock(&self.inner.durations);
            let submissions = submitted.iter().map(|submitted| submission(submitted, &durations));
            Arrivals::observe(submissions, now, ARRIVALS_WINDOW)
        };
        *lock(&self.inner.arrivals) = Some((now, arrivals.clone()));
        Ok(arrivals)
    }

    pub(crate) async fn load_durations(&self) -> Result<(), WorkshopError> {
        let runs = self.store().finished_runs(RUNS_REMEMBERED).await?;
        let mut durations = lock(&self.inner.durations);
        for run in runs {
            durations.record(&graph_shape(&run.shape), Duration::from_millis(run.duration_ms));
        }
        Ok(())
    }

    /// Charges the seat for a job that executed and has ended for good, and learns from it.
    pub(crate) async fn account_for(&self, stored: &StoredJob) {
        let job = &stored.job;
        let Some((started, finished)) = job.started_at().zip(job.finished_at()) else { return };
        let used = finished.since(started);
        let still_running = match self.store().active_jobs().await {
            Ok(active) => active.into_iter().map(|stored| stored.job).filter(is_running).collect(),
            Err(error) => {
                tracing::error!(%error, "the queue could not be read to account for a job");
                Vec::new()
            }
        };
        if let (JobState::Succeeded { .. }, Some(shape)) = (&job.state, &stored.shape) {
            lock(&self.inner.durations).record(&graph_shape(shape), used);
        }
        let seats = self.all_seats();
        let services: BTreeMap<_, _> = seats.iter().map(|seat| (seat.id, service(seat.service))).collect();
        let Some(before) = services.get(&job.seat) else { return };
        let mut time: VirtualTime = services.values().collect();
        // Seats whose jobs execute at this moment were served at their accounts.
        for other in still_running.iter().filter(|other| other.priority == Priority::Normal) {
            if let Some(service) = services.get(&other.seat) {
                time = time.with_executing(*service);
            }
        }
        let after = before.after_job(time, job.priority, used);
        let after = SeatService {
            last_served: after.last_served,
            account_ms: milliseconds(after.account),
            floor_ms: milliseconds(after.floor),
        };
        self.set_service(job.seat, after);
        // The order of turns is worth less than the job's end, which is recorded already.
        if let Err(error) = self.store().save_service(job.seat, after).await {
            tracing::error!(seat.id = %job.seat, %error, "what a seat was served could not be noted");
        }
    }
}

fn is_running(job: &Job) -> bool {
    matches!(job.state, JobState::Running { .. })
}

fn waiting_job(job: &Job, estimate: Option<Estimate>) -> WaitingJob {
    WaitingJob {
        id: job.id,
        seat: job.seat,
        sequence: job.sequence,
        is_front: job.is_front,
        is_returned: job.returned.is_some(),
        priority: job.priority,
        interrupts: job.interrupts,
        estimate,
    }
}

fn submission(submitted: &Submitted, durations: &DurationBook) -> Submission {
    let known = submitted.execution_ms.map(Duration::from_millis);
    let expected = || estimate(submitted.shape.as_ref(), durations).map(|estimate| estimate.p50);
    Submission {
        seat: submitted.seat,
        created_at: submitted.created_at,
        ended_at: submitted.ended_at,
        execution: known.or_else(expected),
    }
}

fn estimate(shape: Option<&JobShape>, durations: &DurationBook) -> Option<Estimate> {
    durations.estimate(&graph_shape(shape?))
}

fn graph_shape(shape: &JobShape) -> GraphShape {
    GraphShape { keys: shape.keys.clone(), work: shape.work }
}

fn service(service: SeatService) -> Service {
    Service {
        last_served: service.last_served,
        account: Duration::from_millis(service.account_ms),
        floor: Duration::from_millis(service.floor_ms),
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
