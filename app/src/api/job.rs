//! A job as the portal shows it.

use domain::job::JobPhase;
use domain::{JobId, Priority, ReturnReason, SeatId, StartWindow, Timestamp, WaitReason};
use serde::{Deserialize, Serialize};

use crate::api::artifact::ArtifactView;
use crate::format;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    pub id: JobId,
    pub seat: SeatId,
    pub phase: JobPhase,
    pub title: String,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub priority: Priority,
    /// Only while it waits.
    pub wait: Option<WaitView>,
    /// Only while it runs.
    pub progress: Option<ProgressView>,
    pub failure: Option<FailureView>,
    /// It is asked to stop and the engine has not yet.
    pub is_stopping: bool,
    pub attempt: u32,
    pub preview: Option<ArtifactView>,
}

/// Where a waiting job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitView {
    /// Place in line counted from 1 over all seats.
    pub position: u32,
    pub reason: WaitReason,
    /// Counted from now. Nothing: it cannot be told.
    pub start: Option<StartWindow>,
    /// Why it waits again, if it was on a worker before.
    pub returned: Option<ReturnReason>,
}

/// What ComfyUI says of a running job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProgressView {
    pub node_title: String,
    /// Steps done and in all within the running node.
    pub value: f64,
    pub max: f64,
    pub nodes_done: u32,
    pub nodes_total: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureView {
    /// What happened.
    pub message: String,
    /// What to try.
    pub advice: String,
    /// ComfyUI's own words, where there are any.
    pub detail: Option<String>,
}

/// What a participant needs to know of a job's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStatus {
    Waiting,
    Preparing,
    Running,
    Stopping,
    Done,
    Failed,
    Cancelled,
}

impl JobView {
    pub fn status(&self) -> JobStatus {
        match self.phase {
            phase if phase.is_active() && self.is_stopping => JobStatus::Stopping,
            JobPhase::Queued => JobStatus::Waiting,
            JobPhase::Leased => JobStatus::Preparing,
            JobPhase::Running => JobStatus::Running,
            JobPhase::Succeeded => JobStatus::Done,
            JobPhase::Failed => JobStatus::Failed,
            JobPhase::Cancelled => JobStatus::Cancelled,
        }
    }

    /// Whether cancelling it makes sense.
    pub fn can_be_cancelled(&self) -> bool {
        self.phase.is_active() && !self.is_stopping
    }

    /// How long it ran, once it has ended.
    pub fn run_time(&self) -> Option<String> {
        let ran = self.finished_at?.since(self.started_at?);
        Some(format::duration(u64::try_from(ran.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl WaitView {
    /// When it will likely start: `about 4-6 min`, or why that cannot be told.
    pub fn eta(&self) -> String {
        match (self.reason, self.start) {
            (WaitReason::NoWorker, _) => "waiting for the GPU".to_owned(),
            (WaitReason::QueuePaused | WaitReason::SeatPaused, _) => "paused".to_owned(),
            (_, Some(StartWindow { p50_ms, p90_ms })) => format::time_window(p50_ms, p90_ms),
            (_, None) => "time unknown yet".to_owned(),
        }
    }

    /// Why it does not run yet, for the participant.
    pub fn why(&self) -> String {
        match self.reason {
            WaitReason::Prepared => "It is being prepared and starts as soon as the GPU is free.".to_owned(),
            WaitReason::Behind { jobs } => {
                format!("{} before it.", format::count(jobs, "job runs", "jobs run"))
            }
            WaitReason::SeatLimit => "Another of your jobs has to finish first.".to_owned(),
            WaitReason::SeatPaused => {
                "The instructor has paused your seat. Your jobs keep their places.".to_owned()
            }
            WaitReason::QueuePaused => "The instructor has paused the queue. Nothing is lost.".to_owned(),
            WaitReason::NoWorker => "The GPU machine is away. Your job starts when it is back.".to_owned(),
        }
    }

    /// What happened to it before, if it was on a worker already.
    pub fn story(&self) -> Option<&'static str> {
        match self.returned? {
            ReturnReason::Demo => Some(
                "Interrupted for a demonstration. It goes on by itself right after; you need not do anything.",
            ),
            ReturnReason::WorkerStopped => {
                Some("The GPU machine gave it back. It goes first when there is one.")
            }
            ReturnReason::Retry => Some("The GPU machine failed while it ran. It is tried again by itself."),
            ReturnReason::Recalled => None,
        }
    }
}

impl ProgressView {
    /// How far the running node is, if it counts steps.
    pub fn percent(&self) -> Option<u8> {
        format::percent(self.value, self.max)
    }

    /// `node 3 of 7`: the running one counted in. Nothing while the job is prepared.
    pub fn node_place(&self) -> String {
        if self.nodes_total == 0 {
            return String::new();
        }
        let running = (self.nodes_done + 1).min(self.nodes_total.max(1));
        format!("node {}", format::place(running, self.nodes_total))
    }

    /// `KSampler · 45 %`.
    pub fn summary(&self) -> String {
        match self.percent() {
            Some(percent) => format!("{} · {percent} %", self.node_title),
            None => self.node_title.clone(),
        }
    }
}

impl JobStatus {
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Preparing => "Up next",
            Self::Running => "Running",
            Self::Stopping => "Stopping…",
            Self::Done => "Done",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }

    /// The ending of its CSS classes.
    pub fn modifier(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

#[cfg(feature = "ssr")]
impl From<workshop::overview::JobOverview> for JobView {
    fn from(job: workshop::overview::JobOverview) -> Self {
        Self {
            id: job.id,
            seat: job.seat,
            phase: job.phase,
            title: job.title,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
            priority: job.priority,
            wait: job.wait.map(Into::into),
            progress: job.progress.map(Into::into),
            failure: job.failure.map(Into::into),
            is_stopping: job.is_stopping,
            attempt: job.attempt,
            preview: job.preview.map(Into::into),
        }
    }
}

#[cfg(feature = "ssr")]
impl From<workshop::overview::Wait> for WaitView {
    fn from(wait: workshop::overview::Wait) -> Self {
        // Whole seconds, so that not every look at the clock is news.
        let seconds = |ms: u64| ms.div_ceil(1000) * 1000;
        let start = wait
            .start
            .map(|start| StartWindow { p50_ms: seconds(start.p50_ms), p90_ms: seconds(start.p90_ms) });
        Self { position: wait.position, reason: wait.reason, start, returned: wait.returned }
    }
}

#[cfg(feature = "ssr")]
impl From<workshop::overview::JobProgress> for ProgressView {
    fn from(progress: workshop::overview::JobProgress) -> Self {
        Self {
            node_title: progress.node_title,
            value: progress.value,
            max: progress.max,
            nodes_done: progress.nodes_done,
            nodes_total: progress.nodes_total,
        }
    }
}

impl From<domain::Failure> for FailureView {
    fn from(failure: domain::Failure) -> Self {
        Self { message: failure.message, advice: failure.advice, detail: failure.detail }
    }
}

/// A job of `user001` for the tests of this crate.
#[cfg(test)]
pub(crate) fn job_in(phase: JobPhase) -> JobView {
    JobView {
        id: "00000000-0000-4000-8000-000000000001".parse().unwrap(),
        seat: SeatId::new(1).unwrap(),
        phase,
        title: "Portrait".to_owned(),
        created_at: Timestamp::from_unix_ms(1_000),
        started_at: None,
        finished_at: None,
        priority: Priority::Normal,
        wait: None,
        progress: None,
        failure: None,
        is_stopping: false,
        attempt: 0,
        preview: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopping_is_a_state_of_active_jobs_only() {
        let stopping = |phase| JobView { is_stopping: true, ..job_in(phase) };
        assert_eq!(stopping(JobPhase::Running).status(), JobStatus::Stopping);
        assert!(!stopping(JobPhase::Running).can_be_cancelled());
        assert_eq!(stopping(JobPhase::Cancelled).status(), JobStatus::Cancelled);
    }

    #[test]
    fn only_active_jobs_can_be_cancelled() {
        for phase in [JobPhase::Queued, JobPhase::Leased, JobPhase::Running] {
            assert!(job_in(phase).can_be_cancelled(), "{phase:?}");
        }
        for phase in [JobPhase::Succeeded, JobPhase::Failed, JobPhase::Cancelled] {
            assert!(!job_in(phase).can_be_cancelled(), "{phase:?}");
        }
    }

    #[test]
    fn the_run_time_needs_both_ends() {
        let started =
            JobView { started_at: Some(Timestamp::from_unix_ms(2_000)), ..job_in(JobPhase::Succeeded) };
        assert_eq!(started.run_time(), None);
        let ended = JobView { finished_at: Some(Timestamp::from_unix_ms(44_000)), ..started };
        assert_eq!(ended.run_time().as_deref(), Some("42 s"));
    }

    #[test]
    fn a_wait_is_told_with_its_reason_and_never_guessed() {
        let wait = |reason, start| WaitView { position: 3, reason, start, returned: None };
        let window = StartWindow { p50_ms: 240_000, p90_ms: 350_000 };
        let behind = WaitReason::Behind { jobs: 2 };
        assert_eq!(wait(behind, Some(window)).eta(), "about 4-6 min");
        assert_eq!(wait(behind, None).eta(), "time unknown yet");
        assert_eq!(wait(WaitReason::NoWorker, None).eta(), "waiting for the GPU");
        assert_eq!(wait(WaitReason::QueuePaused, None).eta(), "paused");
        assert_eq!(wait(behind, None).why(), "2 jobs run before it.");
        let interrupted = WaitView { returned: Some(ReturnReason::Demo), ..wait(behind, None) };
        assert!(interrupted.story().is_some_and(|story| story.contains("demonstration")));
        assert_eq!(wait(behind, None).story(), None);
    }

    #[test]
    fn progress_is_told_in_steps_and_nodes() {
        let progress = ProgressView {
            node_title: "KSampler".to_owned(),
            value: 9.0,
            max: 20.0,
            nodes_done: 2,
            nodes_total: 7,
        };
        assert_eq!(progress.summary(), "KSampler · 45 %");
        assert_eq!(progress.node_place(), "node 3 of 7");
        assert_eq!(ProgressView { max: 0.0, ..progress.clone() }.summary(), "KSampler");
        assert_eq!(ProgressView { nodes_total: 0, ..progress.clone() }.node_place(), "");
        assert_eq!(ProgressView { nodes_done: 7, ..progress }.node_place(), "node 7 of 7");
    }
}
