//! A job as the portal shows it.

use domain::job::JobPhase;
use domain::{JobId, SeatId, Timestamp};
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
    /// Place in line counted from 1 over all seats; only while it waits.
    pub position: Option<u32>,
    /// Only while it runs.
    pub progress: Option<ProgressView>,
    pub failure: Option<FailureView>,
    /// It is asked to stop and the engine has not yet.
    pub is_stopping: bool,
    pub attempt: u32,
    pub preview: Option<ArtifactView>,
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
    /// What happened and what to do next.
    pub message: String,
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

impl ProgressView {
    /// How far the running node is, if it counts steps.
    pub fn percent(&self) -> Option<u8> {
        format::percent(self.value, self.max)
    }

    /// `node 3 of 7`: the running one counted in.
    pub fn node_place(&self) -> String {
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
            position: job.position,
            progress: job.progress.map(Into::into),
            failure: job.failure.map(Into::into),
            is_stopping: job.is_stopping,
            attempt: job.attempt,
            preview: job.preview.map(Into::into),
        }
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
        Self { message: failure.message, detail: failure.detail }
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
        position: None,
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
        assert_eq!(ProgressView { nodes_done: 7, ..progress }.node_place(), "node 7 of 7");
    }
}
