//! The instructor's page: every seat's jobs, the workers, the seats.

use domain::{JobId, SeatId, Timestamp};
use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;
use serde::{Deserialize, Serialize};

use crate::api::engine::EngineState;
use crate::api::job::{JobStatus, JobView};
use crate::error::AppError;

/// What changes while the page is open; sent over `/admin/live` on every change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdminView {
    pub engine: EngineState,
    /// Active jobs of all seats in the order in which they will run.
    pub active: Vec<JobView>,
    /// The latest ended jobs of all seats.
    pub ended: Vec<JobView>,
    pub workers: Vec<WorkerView>,
    pub seats: Vec<SeatSummaryView>,
}

/// What the page begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdminPageData {
    pub title: String,
    pub view: AdminView,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerView {
    pub name: String,
    pub is_connected: bool,
    pub engine: EngineState,
    /// Why the engine is down, if it is.
    pub problem: Option<String>,
    pub slots: u32,
    pub running: u32,
    pub last_seen_at: Timestamp,
    pub comfyui_version: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeatSummaryView {
    pub seat: SeatId,
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

impl AdminView {
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
    let overview = workshop().admin_overview(admin).await.map_err(refuse)?;
    Ok(AdminPageData { title: settings().title, view: overview.into() })
}

#[server(name = CancelJobAsAdmin, endpoint = "cancel-job-as-admin")]
pub async fn cancel_job_as_admin(job: JobId) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_admin};

    let admin = require_admin()?;
    workshop().cancel_as_admin(admin, job).await.map_err(refuse)
}

#[cfg(feature = "ssr")]
impl From<workshop::overview::AdminOverview> for AdminView {
    fn from(overview: workshop::overview::AdminOverview) -> Self {
        Self {
            engine: overview.engine.into(),
            active: overview.active.into_iter().map(Into::into).collect(),
            ended: overview.ended.into_iter().map(Into::into).collect(),
            workers: overview.workers.into_iter().map(Into::into).collect(),
            seats: overview.seats.into_iter().map(Into::into).collect(),
        }
    }
}

#[cfg(feature = "ssr")]
impl From<workshop::overview::WorkerOverview> for WorkerView {
    fn from(worker: workshop::overview::WorkerOverview) -> Self {
        Self {
            name: worker.name,
            is_connected: worker.is_connected,
            engine: worker.engine.into(),
            problem: worker.problem,
            slots: worker.slots,
            running: worker.running,
            last_seen_at: worker.last_seen_at,
            comfyui_version: worker.comfyui_version,
        }
    }
}

#[cfg(feature = "ssr")]
impl From<workshop::overview::SeatSummary> for SeatSummaryView {
    fn from(seat: workshop::overview::SeatSummary) -> Self {
        Self {
            seat: seat.seat,
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

    #[test]
    fn counts_add_up_over_jobs_seats_and_workers() {
        let seat = |number: u16, open_pages| SeatSummaryView {
            seat: SeatId::new(number).unwrap(),
            join_path: "/join/x".to_owned(),
            open_pages,
            waiting: 0,
            running: 0,
            finished: 0,
            failed: 0,
            last_active_at: None,
        };
        let worker = |is_connected, engine| WorkerView {
            name: "gpu".to_owned(),
            is_connected,
            engine,
            problem: None,
            slots: 1,
            running: 0,
            last_seen_at: Timestamp::from_unix_ms(0),
            comfyui_version: None,
        };
        let view = AdminView {
            engine: EngineState::Ready,
            active: vec![job_in(JobPhase::Running), job_in(JobPhase::Leased), job_in(JobPhase::Queued)],
            ended: vec![job_in(JobPhase::Failed)],
            workers: vec![
                worker(true, EngineState::Ready),
                worker(false, EngineState::Ready),
                worker(true, EngineState::Starting),
            ],
            seats: vec![seat(1, 2), seat(2, 0)],
        };
        let expected =
            AdminCounts { waiting: 2, running: 1, seats_open: 1, seats: 2, workers_ready: 1, workers: 3 };
        assert_eq!(view.counts(), expected);
    }
}
