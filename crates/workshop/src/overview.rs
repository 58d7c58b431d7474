//! What the portal shows, as plain data: a seat's own view and the instructor's.

use domain::job::JobPhase;
use domain::{
    Failure, JobId, Priority, ReturnReason, SchedulingMode, SeatId, StartWindow, Timestamp, WaitReason,
    WorkerId,
};

/// Everything that a seat's page shows besides its gallery.
#[derive(Debug, Clone, PartialEq)]
pub struct SeatOverview {
    pub seat: SeatId,
    pub engine: EngineStatus,
    /// Jobs of all seats that wait or run.
    pub queue_length: u32,
    pub queue: QueuePolicy,
    /// What the instructor calls the seat; empty if nothing.
    pub name: String,
    /// The instructor holds the seat's jobs back.
    pub is_paused: bool,
    /// What the instructor tells this seat alone.
    pub message: Option<String>,
    /// The seat's active jobs in the order in which they will run, then its latest ended ones.
    pub jobs: Vec<JobOverview>,
    /// Grows whenever the gallery changes.
    pub gallery_revision: u64,
    /// Grows whenever the seat's inputs, models or uploads change.
    pub files_revision: u64,
    /// It is open in several browsers.
    pub is_shared: bool,
}

/// How the queue is shared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueuePolicy {
    pub mode: SchedulingMode,
    pub is_paused: bool,
    /// `None` is no limit.
    pub max_queued_per_seat: Option<u32>,
    pub max_running_per_seat: Option<u32>,
    /// What the instructor tells everybody.
    pub announcement: Option<String>,
}

/// Whether jobs can run now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineStatus {
    /// At least one engine takes jobs.
    Ready,
    /// A worker is connected and its ComfyUI is coming up.
    Starting,
    /// No worker is connected. Jobs wait; the editor works from the stored catalog.
    Away,
    /// No worker has ever connected, so there is no catalog and the editor cannot open.
    NeverSeen,
}

#[derive(Debug, Clone, PartialEq)]
pub struct JobOverview {
    pub id: JobId,
    pub seat: SeatId,
    pub phase: JobPhase,
    /// The workflow's name where the editor sent one, else what its output node is called.
    pub title: String,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub priority: Priority,
    /// Only while it waits.
    pub wait: Option<Wait>,
    /// Only while it runs.
    pub progress: Option<JobProgress>,
    pub failure: Option<Failure>,
    /// The participant or the instructor asked to stop it and the engine has not yet.
    pub is_stopping: bool,
    pub attempt: u32,
    /// Its first picture, if there is one.
    pub preview: Option<ArtifactRef>,
}

/// Where a waiting job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// Place in line counted from 1 over all seats.
    pub position: u32,
    pub reason: WaitReason,
    /// Counted from the moment of the overview. `None`: it cannot be told.
    pub start: Option<StartWindow>,
    /// Why it waits again, if it was on a worker before.
    pub returned: Option<ReturnReason>,
}

/// What ComfyUI says of a running job; never estimated.
#[derive(Debug, Clone, PartialEq)]
pub struct JobProgress {
    /// The running node, as the participant's graph calls it; none while the job is prepared.
    pub node_id: String,
    pub node_title: String,
    /// Steps done and in all within that node.
    pub value: f64,
    pub max: f64,
    /// Nodes finished and in all; none in all while the job is prepared.
    pub nodes_done: u32,
    pub nodes_total: u32,
}

/// A file as ComfyUI's `/view` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactRef {
    pub filename: String,
    pub subfolder: String,
    /// `output` or `temp`.
    pub kind: String,
}

/// One result in the gallery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GalleryItem {
    /// Newest has the highest.
    pub id: i64,
    pub job: JobId,
    pub file: ArtifactRef,
    pub media: store::Media,
    pub bytes: u64,
    pub created_at: Timestamp,
    pub is_favourite: bool,
    /// What the job that made it was called.
    pub title: String,
    /// The beginning of its content's hash: a link that names it never shows other content.
    pub content: String,
}

/// Everything that the instructor's page shows.
#[derive(Debug, Clone, PartialEq)]
pub struct AdminOverview {
    pub engine: EngineStatus,
    pub queue: QueuePolicy,
    /// Active jobs of all seats in the order in which they will run.
    pub active: Vec<JobOverview>,
    /// The latest ended jobs of all seats.
    pub ended: Vec<JobOverview>,
    pub workers: Vec<WorkerOverview>,
    pub seats: Vec<SeatSummary>,
    pub health: HealthOverview,
    /// Workflows of the operator's folder that no seat gets, each with the reason.
    pub workflow_problems: Vec<String>,
}

/// How the last hour went, and what there is left.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HealthOverview {
    /// From Run to the start of execution.
    pub median_wait_ms: Option<u64>,
    /// Of jobs that ended.
    pub median_run_ms: Option<u64>,
    pub failed: u32,
    /// Jain's index of the seats' GPU time; nothing where nobody used any.
    pub fairness: Option<f64>,
    /// Free and in all, on the disk with the seats' files. Nothing: it cannot be measured.
    pub disk_bytes: Option<(u64, u64)>,
    /// Open WebSockets: editors', portals'.
    pub sockets: (u64, u64),
}

#[derive(Debug, Clone, PartialEq)]
pub struct WorkerOverview {
    /// Only while it is connected.
    pub id: Option<WorkerId>,
    pub name: String,
    /// The worker program's.
    pub version: Option<String>,
    /// It finishes what it has and takes nothing more.
    pub is_draining: bool,
    pub device: Option<DeviceOverview>,
    /// What it executes now.
    pub jobs: Vec<JobId>,
    pub is_connected: bool,
    pub engine: EngineStatus,
    /// Why the engine is down, if it is.
    pub problem: Option<String>,
    pub slots: u32,
    pub last_seen_at: Timestamp,
    pub comfyui_version: Option<String>,
}

/// What the engine computes on, as ComfyUI tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceOverview {
    pub name: String,
    pub memory_total_bytes: u64,
    pub memory_free_bytes: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SeatSummary {
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
    /// Path of the join link: `/join/…`.
    pub join_path: String,
    /// Open pages of this seat, portal or editor.
    pub open_pages: u32,
    pub waiting: u32,
    pub running: u32,
    pub finished: u32,
    pub failed: u32,
    pub last_active_at: Option<Timestamp>,
}
