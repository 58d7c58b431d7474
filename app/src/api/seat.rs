//! The seat's page: what it shows, and cancelling one's own job.

use domain::{JobId, SeatId};
use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;
use serde::{Deserialize, Serialize};

use crate::api::engine::EngineState;
use crate::api::job::{JobStatus, JobView};
use crate::api::policy::QueuePolicyView;
use crate::error::AppError;
use crate::format;

/// What changes while the page is open; sent over `/user/{seat}/live` on every change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeatView {
    pub seat: SeatId,
    pub engine: EngineState,
    /// Jobs of all seats that wait or run.
    pub queue_length: u32,
    pub queue: QueuePolicyView,
    /// What the instructor calls the seat; empty if nothing.
    pub name: String,
    /// The instructor holds the seat's jobs back.
    pub is_paused: bool,
    /// What the instructor tells this seat alone.
    pub message: Option<String>,
    /// The seat's active jobs in the order in which they will run, then its latest ended ones.
    pub jobs: Vec<JobView>,
    /// Grows whenever the gallery changes.
    pub gallery_revision: u64,
    /// Grows whenever inputs, models or uploads change.
    pub files_revision: u64,
    /// It is open in several browsers.
    pub is_shared: bool,
}

/// What the page begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeatPageData {
    pub title: String,
    /// The instructor looks at somebody's workspace: nothing here can be changed.
    pub is_observer: bool,
    pub view: SeatView,
}

/// The one thing that the bar says of the seat's jobs.
#[derive(Debug, Clone, PartialEq)]
pub enum Headline {
    /// Nothing of this seat waits or runs.
    Idle,
    Waiting {
        title: String,
        place: Option<String>,
        eta: Option<String>,
    },
    Preparing {
        title: String,
    },
    Running {
        title: String,
        summary: Option<String>,
        percent: Option<u8>,
    },
    Stopping {
        title: String,
    },
}

impl SeatView {
    /// Of the job that runs, else of the one that comes first.
    pub fn headline(&self) -> Headline {
        let is_running = |job: &&JobView| matches!(job.status(), JobStatus::Running | JobStatus::Stopping);
        let first_active = || self.jobs.iter().find(|job| job.phase.is_active());
        let Some(job) = self.jobs.iter().find(is_running).or_else(first_active) else {
            return Headline::Idle;
        };
        let title = job.title.clone();
        match job.status() {
            JobStatus::Waiting => Headline::Waiting {
                title,
                place: job.wait.map(|wait| format::place(wait.position, self.queue_length)),
                eta: job.wait.map(|wait| wait.eta()),
            },
            JobStatus::Preparing => Headline::Preparing { title },
            JobStatus::Running => {
                let progress = job.progress.as_ref();
                Headline::Running {
                    title,
                    summary: progress.map(|progress| progress.summary()),
                    percent: progress.and_then(|progress| progress.percent()),
                }
            }
            JobStatus::Stopping => Headline::Stopping { title },
            JobStatus::Done | JobStatus::Failed | JobStatus::Cancelled => Headline::Idle,
        }
    }

    /// The seat's jobs that wait or run.
    pub fn active_count(&self) -> usize {
        self.jobs.iter().filter(|job| job.phase.is_active()).count()
    }
}

impl Headline {
    /// For screen readers: changes with the place in line, not with each step.
    pub fn announcement(&self) -> String {
        match self {
            Self::Idle => String::new(),
            Self::Waiting { place: Some(place), .. } => format!("Your job is number {place} in line."),
            Self::Waiting { place: None, .. } => "Your job waits in line.".to_owned(),
            Self::Preparing { .. } => "Your job is up next.".to_owned(),
            Self::Running { .. } => "Your job is running.".to_owned(),
            Self::Stopping { .. } => "Your job is being stopped.".to_owned(),
        }
    }
}

#[server(name = ReadSeatPage, endpoint = "read-seat-page", input = GetUrl)]
pub async fn read_seat_page(seat: SeatId) -> Result<SeatPageData, AppError> {
    use crate::api::{settings, workshop};
    use crate::viewer::{refuse, require_seat_to_look, viewer};

    let seat = require_seat_to_look(seat)?;
    let overview = workshop().seat_overview(seat).await.map_err(refuse)?;
    let is_observer = viewer().require_seat(seat).is_err();
    Ok(SeatPageData { title: settings().title, is_observer, view: overview.into() })
}

#[server(name = CancelAllJobs, endpoint = "cancel-all-jobs")]
pub async fn cancel_all_jobs(seat: SeatId) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_seat};

    let seat = require_seat(seat)?;
    workshop().cancel_all(seat).await.map_err(refuse)
}

#[server(name = DismissMessage, endpoint = "dismiss-message")]
pub async fn dismiss_message(seat: SeatId) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_seat};

    let seat = require_seat(seat)?;
    workshop().dismiss_message(seat).await.map_err(refuse)
}

#[server(name = CancelJob, endpoint = "cancel-job")]
pub async fn cancel_job(seat: SeatId, job: JobId) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_seat};

    let seat = require_seat(seat)?;
    workshop().cancel(seat, job).await.map_err(refuse)
}

#[cfg(feature = "ssr")]
impl From<workshop::overview::SeatOverview> for SeatView {
    fn from(overview: workshop::overview::SeatOverview) -> Self {
        Self {
            seat: overview.seat,
            engine: overview.engine.into(),
            queue_length: overview.queue_length,
            queue: overview.queue.into(),
            name: overview.name,
            is_paused: overview.is_paused,
            message: overview.message,
            jobs: overview.jobs.into_iter().map(Into::into).collect(),
            gallery_revision: overview.gallery_revision,
            files_revision: overview.files_revision,
            is_shared: overview.is_shared,
        }
    }
}

#[cfg(test)]
#[path = "seat_tests.rs"]
mod tests;
