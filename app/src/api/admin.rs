//! The instructor's page: every seat's jobs, the workers, the seats.

use domain::{JobId, Priority, SchedulingMode, SeatId, Timestamp, WaitReason, WorkerId};
use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;
use serde::{Deserialize, Serialize};

use crate::api::engine::EngineState;
use crate::api::job::{FailureView, JobStatus, JobView, WaitView};
use crate::api::policy::QueuePolicyView;
use crate::error::AppError;
use crate::format;

/// Entries of the activity list that are shown at once.
#[cfg(feature = "ssr")]
const ACTIVITY_SHOWN: u32 = 50;

/// What changes while the page is open; sent over `/admin/live` on every change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdminView {
    pub engine: EngineState,
    pub queue: QueuePolicyView,
    /// Active jobs of all seats in the order in which they will run.
    pub active: Vec<JobView>,
    /// The latest ended jobs of all seats.
    pub ended: Vec<JobView>,
    pub workers: Vec<WorkerView>,
    pub seats: Vec<SeatSummaryView>,
    pub health: HealthView,
    /// What happened last, latest first.
    pub activity: Vec<ActivityView>,
    /// Workflows of the operator's folder that no seat gets, each with the reason.
    pub workflow_problems: Vec<String>,
}

/// What the page begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdminPageData {
    pub title: String,
    pub view: AdminView,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerView {
    /// Only while it is connected.
    pub id: Option<WorkerId>,
    pub name: String,
    /// The worker program's.
    pub version: Option<String>,
    /// It finishes what it has and takes nothing more.
    pub is_draining: bool,
    pub device: Option<DeviceView>,
    /// What it executes now.
    pub jobs: Vec<JobId>,
    pub is_connected: bool,
    pub engine: EngineState,
    /// Why the engine is down, if it is.
    pub problem: Option<String>,
    pub slots: u32,
    pub last_seen_at: Timestamp,
    pub comfyui_version: Option<String>,
}

/// What the engine computes on, as ComfyUI tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    pub name: String,
    pub memory_total_bytes: u64,
    pub memory_free_bytes: u64,
}

/// How the last hour went, and what there is left.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HealthView {
    /// From Run to the start of execution.
    pub median_wait_ms: Option<u64>,
    /// Of jobs that ended.
    pub median_run_ms: Option<u64>,
    pub failed: u32,
    /// Of the seats' GPU time: 1 is equal, towards 0 is one seat's alone. In hundredths.
    pub fairness_percent: Option<u32>,
    /// Free and in all; nothing if it cannot be measured.
    pub disk_bytes: Option<(u64, u64)>,
    /// Open editors and portal pages.
    pub sockets: (u64, u64),
}

/// One thing that happened. Later ones have higher ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityView {
    pub id: i64,
    pub at: Timestamp,
    /// A word such as `failed` or `seat_joined`; see [`ActivityView::sentence`].
    pub kind: String,
    pub seat: Option<SeatId>,
    pub job: Option<JobId>,
    /// Of the job.
    pub title: Option<String>,
    pub worker: Option<String>,
    pub detail: Option<String>,
    /// Why the job failed, if this is its failure.
    pub failure: Option<FailureView>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeatSummaryView {
    pub seat: SeatId,
    /// What the instructor calls it; empty if nothing.
    pub name: String,
    pub is_paused: bool,
    /// Its jobs are demonstrations.
    pub is_demo: bool,
    pub message: Option<String>,
    /// Time that its jobs executed.
    pub gpu_ms: u64,
    /// What its results take on disk.
    pub result_bytes: u64,
    /// Path of the join link.
    pub join_path: String,
    /// Open pages of this seat, portal or editor.
    pub open_pages: u32,
    pub waiting: u32,
    pub running: u32,
    pub finished: u32,
    pub failed: u32,
    pub last_active_at: Option<Timestamp>,
}

/// The numbers on top of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdminCounts {
    pub waiting: usize,
    pub running: usize,
    pub seats_open: usize,
    pub seats: usize,
    pub workers_ready: usize,
    pub workers: usize,
}

/// What the instructor can do with a job now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobMoves {
    /// To make it a demonstration that interrupts what runs.
    pub demo: bool,
    /// To make it the next one.
    pub first: bool,
    pub raise: bool,
    pub lower: bool,
    pub cancel: bool,
}

impl JobMoves {
    pub fn of(job: &JobView) -> Self {
        let waits = matches!(job.status(), JobStatus::Waiting | JobStatus::Preparing);
        Self {
            demo: waits,
            first: waits && job.priority != Priority::Demo,
            raise: waits && job.priority == Priority::Normal,
            lower: waits && job.priority != Priority::Normal,
            cancel: job.can_be_cancelled(),
        }
    }
}

/// Why a job does not run yet, for the instructor: of the seat, not to it.
pub fn wait_sentence(wait: &WaitView) -> String {
    match wait.reason {
        WaitReason::Prepared => "Prepared; starts as soon as the GPU is free.".to_owned(),
        WaitReason::Behind { .. } => wait.why(),
        WaitReason::SeatLimit => "Its seat has as many jobs at once as one seat may have.".to_owned(),
        WaitReason::SeatPaused => "Its seat is paused.".to_owned(),
        WaitReason::QueuePaused => "The queue is paused.".to_owned(),
        WaitReason::NoWorker => "No GPU machine takes jobs.".to_owned(),
    }
}

impl AdminView {
    /// What the instructor calls the seat; empty if nothing.
    pub fn seat_name(&self, seat: SeatId) -> String {
        self.seats.iter().find(|row| row.seat == seat).map(|row| row.name.clone()).unwrap_or_default()
    }

    /// The seat's job that runs, else the one that comes first.
    pub fn current_job(&self, seat: SeatId) -> Option<&JobView> {
        let mut own = self.active.iter().filter(|job| job.seat == seat);
        own.clone().find(|job| job.status() == JobStatus::Running).or_else(|| own.next())
    }

    /// Whether a job other than this one executes.
    pub fn is_other_running(&self, job: JobId) -> bool {
        let runs = |other: &JobView| matches!(other.status(), JobStatus::Running | JobStatus::Stopping);
        self.active.iter().any(|other| other.id != job && runs(other))
    }

    pub fn counts(&self) -> AdminCounts {
        let is_running = |job: &&JobView| matches!(job.status(), JobStatus::Running | JobStatus::Stopping);
        let running = self.active.iter().filter(is_running).count();
        AdminCounts {
            waiting: self.active.len() - running,
            running,
            seats_open: self.seats.iter().filter(|seat| seat.open_pages > 0).count(),
            seats: self.seats.len(),
            workers_ready: self.workers.iter().filter(|worker| worker.is_ready()).count(),
            workers: self.workers.len(),
        }
    }
}

impl DeviceView {
    pub fn memory_used_bytes(&self) -> u64 {
        self.memory_total_bytes.saturating_sub(self.memory_free_bytes)
    }

    pub fn memory_percent(&self) -> Option<u8> {
        // Whole bytes up to 2^53 survive the cast, far more than any card has.
        format::percent(self.memory_used_bytes() as f64, self.memory_total_bytes as f64)
    }
}

impl ActivityView {
    /// What happened, as a sentence's end: `user003 · queued Portrait`.
    pub fn sentence(&self) -> String {
        let title = self.title.as_deref().unwrap_or("a job");
        let detail = self.detail.as_deref().unwrap_or_default();
        let worker = self.worker.as_deref().unwrap_or("a worker");
        match self.kind.as_str() {
            "submitted" => format!("queued {title}"),
            "started" => format!("{title} started"),
            "succeeded" => format!("{title} finished"),
            "failed" => format!("{title} failed"),
            "cancelled" => format!("{title} was cancelled"),
            "cancel_requested" => format!("asked to cancel {title}"),
            "released" => format!("{title} went back in line"),
            "lease_lapsed" => format!("{title} was lost by its worker and goes back in line"),
            "worker_connected" => format!("worker {worker} connected"),
            "worker_disconnected" => format!("worker {worker} went away"),
            "seat_joined" => "opened the join link".to_owned(),
            "admin_logged_in" => "the instructor signed in".to_owned(),
            "prioritised" => format!("{title} was set to {detail}"),
            "run_again" => format!("{title} was queued again"),
            "queue_paused" => "the queue was paused".to_owned(),
            "queue_resumed" => "the queue goes on".to_owned(),
            "policy_changed" => format!("sharing changed: {detail}"),
            "announced" if detail.is_empty() => "the announcement was taken away".to_owned(),
            "announced" => format!("announced: {detail}"),
            "seat_paused" => "was paused".to_owned(),
            "seat_resumed" => "goes on".to_owned(),
            "seat_renamed" if detail.is_empty() => "lost its name".to_owned(),
            "seat_renamed" => format!("is now called {detail}"),
            "seat_messaged" if detail.is_empty() => "its message was taken away".to_owned(),
            "seat_messaged" => format!("was told: {detail}"),
            "seat_demo" => format!("demonstration {detail}"),
            "link_rotated" => "got a new join link".to_owned(),
            "token_made" => format!("made the API token \u{201c}{detail}\u{201d}"),
            "token_revoked" => format!("revoked the API token \u{201c}{detail}\u{201d}"),
            "worker_drained" => format!("worker {worker} takes nothing more"),
            "worker_resumed" => format!("worker {worker} takes jobs again"),
            "engine_restarted" => format!("ComfyUI of {worker} was restarted"),
            other => other.replace('_', " "),
        }
    }

    /// Whether the instructor may have to do something about it.
    pub fn is_problem(&self) -> bool {
        matches!(self.kind.as_str(), "failed" | "lease_lapsed" | "worker_disconnected")
    }
}

impl WorkerView {
    pub fn is_ready(&self) -> bool {
        self.is_connected && self.engine == EngineState::Ready
    }
}

#[server(name = ReadAdminPage, endpoint = "read-admin-page", input = GetUrl)]
pub async fn read_admin_page() -> Result<AdminPageData, AppError> {
    use crate::api::{settings, workshop};
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    let view = read_admin_view(&workshop(), admin).await.map_err(refuse)?;
    Ok(AdminPageData { title: settings().title, view })
}

/// Everything that the instructor's page shows.
#[cfg(feature = "ssr")]
pub async fn read_admin_view(
    workshop: &workshop::Workshop,
    admin: domain::Admin,
) -> Result<AdminView, workshop::WorkshopError> {
    let overview = workshop.admin_overview(admin).await?;
    let activity = workshop.activity(admin, workshop::ActivityFilter::default(), ACTIVITY_SHOWN).await?;
    Ok(AdminView { activity: activity.into_iter().map(Into::into).collect(), ..overview.into() })
}

#[server(name = CancelJobAsAdmin, endpoint = "cancel-job-as-admin")]
pub async fn cancel_job_as_admin(job: JobId) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    workshop().cancel_as_admin(admin, job).await.map_err(refuse)
}

/// Moves a job to another class; a demonstration that interrupts starts at once.
#[server(name = PrioritiseJob, endpoint = "prioritise-job")]
pub async fn prioritise_job(job: JobId, priority: Priority, interrupts: bool) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    workshop().prioritise(admin, job, priority, interrupts).await.map_err(refuse)
}

/// Queues an ended job's graph again.
#[server(name = RunJobAgain, endpoint = "run-job-again")]
pub async fn run_job_again(job: JobId) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    workshop().run_again(admin, job).await.map(drop).map_err(refuse)
}

/// Cancels all of a seat's jobs.
#[server(name = ClearSeat, endpoint = "clear-seat")]
pub async fn clear_seat(seat: SeatId) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    workshop().clear_seat(admin, seat).await.map_err(refuse)
}

/// Holds a seat's jobs back, or no longer.
#[server(name = PauseSeat, endpoint = "pause-seat")]
pub async fn pause_seat(seat: SeatId, is_paused: bool) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    workshop().pause_seat(admin, seat, is_paused).await.map_err(refuse)
}

/// Whether what the seat queues is a demonstration, which starts at once.
#[server(name = DemoSeat, endpoint = "demo-seat")]
pub async fn demo_seat(seat: SeatId, is_demo: bool) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    workshop().demo_seat(admin, seat, is_demo).await.map_err(refuse)
}

/// Calls a seat by a person's name.
#[server(name = RenameSeat, endpoint = "rename-seat")]
pub async fn rename_seat(seat: SeatId, name: String) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    workshop().rename_seat(admin, seat, &name).await.map_err(refuse)
}

/// Shows a message on a seat's page; an empty one takes it away.
#[server(name = MessageSeat, endpoint = "message-seat")]
pub async fn message_seat(seat: SeatId, text: String) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    workshop().message_seat(admin, seat, &text).await.map_err(refuse)
}

/// Makes a new join link and ends the sessions of the old one.
#[server(name = RotateLink, endpoint = "rotate-link")]
pub async fn rotate_link(seat: SeatId) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    workshop().rotate_link(admin, seat).await.map_err(refuse)
}

/// Switches how the queue is shared.
#[server(name = SetMode, endpoint = "set-mode")]
pub async fn set_mode(mode: SchedulingMode) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    workshop().set_mode(admin, mode).await.map_err(refuse)
}

/// Hands nothing more to workers, or goes on.
#[server(name = PauseQueue, endpoint = "pause-queue")]
pub async fn pause_queue(is_paused: bool) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    workshop().pause_queue(admin, is_paused).await.map_err(refuse)
}

/// Limits what one seat may have waiting, and on workers at once.
#[server(name = SetCaps, endpoint = "set-caps")]
pub async fn set_caps(max_queued: Option<u32>, max_running: Option<u32>) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    workshop().set_caps(admin, max_queued, max_running).await.map_err(refuse)
}

/// Shows a message on every page; an empty one takes it away.
#[server(name = Announce, endpoint = "announce")]
pub async fn announce(text: String) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    workshop().announce(admin, &text).await.map_err(refuse)
}

/// Gives a worker nothing more, or lets it take jobs again.
#[server(name = DrainWorker, endpoint = "drain-worker")]
pub async fn drain_worker(name: String, is_draining: bool) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    workshop().drain_worker(admin, &name, is_draining).await.map_err(refuse)
}

/// Restarts a worker's ComfyUI.
#[server(name = RestartEngine, endpoint = "restart-engine")]
pub async fn restart_engine(worker: WorkerId) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    workshop().restart_engine(admin, worker).await.map_err(refuse)
}

/// Older or fewer entries of the activity list than the page has live.
#[server(name = ReadActivity, endpoint = "read-activity", input = GetUrl)]
pub async fn read_activity(
    seat: Option<SeatId>,
    problems_only: bool,
    before: Option<i64>,
) -> Result<Vec<ActivityView>, AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    let filter = workshop::ActivityFilter { seat, problems_only, before };
    let entries = workshop().activity(admin, filter, ACTIVITY_SHOWN).await.map_err(refuse)?;
    Ok(entries.into_iter().map(Into::into).collect())
}

#[cfg(feature = "ssr")]
impl From<workshop::overview::AdminOverview> for AdminView {
    fn from(overview: workshop::overview::AdminOverview) -> Self {
        Self {
            activity: Vec::new(),
            engine: overview.engine.into(),
            queue: overview.queue.into(),
            active: overview.active.into_iter().map(Into::into).collect(),
            ended: overview.ended.into_iter().map(Into::into).collect(),
            workers: overview.workers.into_iter().map(Into::into).collect(),
            seats: overview.seats.into_iter().map(Into::into).collect(),
            health: overview.health.into(),
            workflow_problems: overview.workflow_problems,
        }
    }
}

#[cfg(feature = "ssr")]
impl From<workshop::overview::WorkerOverview> for WorkerView {
    fn from(worker: workshop::overview::WorkerOverview) -> Self {
        Self {
            id: worker.id,
            name: worker.name,
            version: worker.version,
            is_draining: worker.is_draining,
            device: worker.device.map(|device| DeviceView {
                name: device.name,
                memory_total_bytes: device.memory_total_bytes,
                memory_free_bytes: device.memory_free_bytes,
            }),
            jobs: worker.jobs,
            is_connected: worker.is_connected,
            engine: worker.engine.into(),
            problem: worker.problem,
            slots: worker.slots,
            last_seen_at: worker.last_seen_at,
            comfyui_version: worker.comfyui_version,
        }
    }
}

#[cfg(feature = "ssr")]
impl From<workshop::overview::HealthOverview> for HealthView {
    fn from(health: workshop::overview::HealthOverview) -> Self {
        // Coarse, so that not every job of the hour is news.
        let seconds = |ms: u64| ms / 1000 * 1000;
        let hundredths = |index: f64| (index.clamp(0.0, 1.0) * 100.0).round() as u32;
        Self {
            median_wait_ms: health.median_wait_ms.map(seconds),
            median_run_ms: health.median_run_ms.map(seconds),
            failed: health.failed,
            fairness_percent: health.fairness.map(hundredths),
            disk_bytes: health.disk_bytes.map(|(free, total)| (free / 100_000_000 * 100_000_000, total)),
            sockets: health.sockets,
        }
    }
}

#[cfg(feature = "ssr")]
impl From<workshop::ActivityEntry> for ActivityView {
    fn from(entry: workshop::ActivityEntry) -> Self {
        Self {
            id: entry.id,
            at: entry.at,
            kind: entry.kind.as_str().to_owned(),
            seat: entry.seat,
            job: entry.job,
            title: entry.title,
            worker: entry.worker,
            detail: entry.detail,
            failure: entry.failure.map(Into::into),
        }
    }
}

#[cfg(feature = "ssr")]
impl From<workshop::overview::SeatSummary> for SeatSummaryView {
    fn from(seat: workshop::overview::SeatSummary) -> Self {
        Self {
            seat: seat.seat,
            name: seat.name,
            is_paused: seat.is_paused,
            is_demo: seat.is_demo,
            message: seat.message,
            gpu_ms: seat.gpu_ms,
            result_bytes: seat.result_bytes,
            join_path: seat.join_path,
            open_pages: seat.open_pages,
            waiting: seat.waiting,
            running: seat.running,
            finished: seat.finished,
            failed: seat.failed,
            last_active_at: seat.last_active_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::job::JobPhase;

    use super::*;
    use crate::api::job::job_in;

    fn seat(number: u16, open_pages: u32) -> SeatSummaryView {
        SeatSummaryView {
            seat: SeatId::new(number).unwrap(),
            name: String::new(),
            is_paused: false,
            is_demo: false,
            message: None,
            gpu_ms: 0,
            result_bytes: 0,
            join_path: "/join/x".to_owned(),
            open_pages,
            waiting: 0,
            running: 0,
            finished: 0,
            failed: 0,
            last_active_at: None,
        }
    }

    fn worker(is_connected: bool, engine: EngineState) -> WorkerView {
        WorkerView {
            id: None,
            name: "gpu".to_owned(),
            version: None,
            is_draining: false,
            device: None,
            jobs: Vec::new(),
            is_connected,
            engine,
            problem: None,
            slots: 1,
            last_seen_at: Timestamp::from_unix_ms(0),
            comfyui_version: None,
        }
    }

    fn view_of(active: Vec<JobView>) -> AdminView {
        AdminView {
            health: HealthView::default(),
            engine: EngineState::Ready,
            queue: QueuePolicyView::default(),
            activity: Vec::new(),
            workflow_problems: Vec::new(),
            active,
            ended: vec![job_in(JobPhase::Failed)],
            workers: vec![
                worker(true, EngineState::Ready),
                worker(false, EngineState::Ready),
                worker(true, EngineState::Starting),
            ],
            seats: vec![seat(1, 2), seat(2, 0)],
        }
    }

    #[test]
    fn counts_add_up_over_jobs_seats_and_workers() {
        let view =
            view_of(vec![job_in(JobPhase::Running), job_in(JobPhase::Leased), job_in(JobPhase::Queued)]);
        let expected =
            AdminCounts { waiting: 2, running: 1, seats_open: 1, seats: 2, workers_ready: 1, workers: 3 };
        assert_eq!(view.counts(), expected);
    }

    #[test]
    fn a_running_job_is_a_seats_current_one_wherever_it_stands() {
        let other = "00000000-0000-4000-8000-000000000002".parse::<JobId>().unwrap();
        let running = JobView { id: other, ..job_in(JobPhase::Running) };
        let waiting = job_in(JobPhase::Queued);
        let view = view_of(vec![waiting.clone(), running]);
        assert_eq!(view.current_job(SeatId::new(1).unwrap()).map(|job| job.id), Some(other));
        assert!(view.current_job(SeatId::new(2).unwrap()).is_none());
        assert!(view.is_other_running(waiting.id));
        assert!(!view.is_other_running(other), "a job does not interrupt itself");
    }

    #[test]
    fn only_a_waiting_job_can_be_moved_and_never_to_where_it_is() {
        let moves = |phase, priority| {
            let JobMoves { demo, first, raise, lower, cancel } =
                JobMoves::of(&JobView { priority, ..job_in(phase) });
            let words =
                [(demo, "demo"), (first, "first"), (raise, "raise"), (lower, "lower"), (cancel, "cancel")];
            words.into_iter().filter(|(can, _)| *can).map(|(_, word)| word).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(moves(JobPhase::Queued, Priority::Normal), "demo first raise cancel");
        assert_eq!(moves(JobPhase::Leased, Priority::Raised), "demo first lower cancel");
        assert_eq!(moves(JobPhase::Queued, Priority::Demo), "demo lower cancel");
        assert_eq!(moves(JobPhase::Running, Priority::Demo), "cancel");
        assert_eq!(moves(JobPhase::Failed, Priority::Normal), "");
    }

    #[test]
    fn memory_in_use_is_what_is_not_free() {
        let device = |total, free| DeviceView {
            name: "GPU".to_owned(),
            memory_total_bytes: total,
            memory_free_bytes: free,
        };
        assert_eq!(device(24_000, 6_000).memory_used_bytes(), 18_000);
        assert_eq!(device(24_000, 6_000).memory_percent(), Some(75));
        assert_eq!(device(0, 6_000).memory_used_bytes(), 0);
        assert_eq!(device(0, 0).memory_percent(), None, "a CPU engine tells nothing");
    }
}
