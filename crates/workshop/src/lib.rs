//! The workshop's use cases: submit, cancel, look, dispatch, report.
//!
//! HTTP handlers, server functions and background loops call these and nothing
//! below. Invariant: each use case that touches a participant's data takes the
//! seat that the caller has proven to hold, or an `Admin`.

mod accounts;
mod activity;
mod artifacts;
mod cancel;
mod catalog;
mod claims;
mod dispatch;
pub mod editor;
mod error;
mod failures;
pub mod files;
pub mod gallery;
mod health;
pub mod hub;
mod line;
mod metrics;
mod models;
pub mod overview;
mod policy;
mod queries;
mod refusal;
mod reports;
mod runs;
pub mod spans;
mod steer;
pub mod storage;
mod submit;
pub mod take_home;
mod tokens;
pub mod trash;
pub mod uploads;
mod worker_identity;
mod workers;
pub mod workflows;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use comfy_api::denied::DeniedNodes;
use domain::{AccessMode, Clock, Timestamp};
use queue::JobQueue;
use scheduler::{Arrivals, DurationBook};
use store::{Policy, Store};
use tokio::sync::Notify;
use uuid::Uuid;

pub use accounts::SeatLink;
pub use activity::{ActivityEntry, ActivityFilter};
pub use catalog::{CatalogView, SeatObjectInfo};
pub use claims::{SeatClaim, TakeSeat};
pub use editor::JobsQuery;
pub use error::WorkshopError;
pub use health::Health;
pub use models::OpenModel;
pub use reports::WorkerConnection;
pub use storage::{NoRoom, StorageLimits};
pub use submit::Submitted;
pub use tokens::{ApiToken, NewToken, TokenAccess, looks_like_api_token};
pub use uploads::{NewUpload, UploadError};
pub use worker_identity::{WorkerIdentity, worker_token_hash};
pub use workers::WorkerHello;

use crate::files::SeatFolders;
use crate::hub::Hub;
use crate::runs::Runs;
use crate::workers::Workers;
use crate::workflows::Workflows;

/// Randomness, handed in so that tests can repeat a run.
pub trait Mint: Send + Sync {
    /// A random UUID for a job or a lease.
    fn uuid(&self) -> Uuid;
    /// An unguessable word for a link.
    fn secret(&self) -> String;
}

/// What the operator chose.
#[derive(Debug, Clone)]
pub struct WorkshopSettings {
    /// How many seats there are, 1 to 500.
    pub seats: u16,
    pub access_mode: AccessMode,
    /// A claimed job is taken back after this long without a heartbeat.
    pub lease: Duration,
    /// A dispatched job that nobody claims is dispatched again after this long.
    pub delivery_timeout: Duration,
    pub storage: StorageLimits,
    /// Node classes that nobody may use, nor sees.
    pub denied_nodes: DeniedNodes,
    /// The operator's folder of workflows that every seat gets; it need not be there.
    pub workflows_dir: PathBuf,
}

/// What the workshop is made of.
pub struct Parts {
    pub store: Store,
    pub files: SeatFolders,
    pub queue: Arc<dyn JobQueue>,
    pub clock: Arc<dyn Clock>,
    pub mint: Arc<dyn Mint>,
    pub settings: WorkshopSettings,
}

/// The application. Cheap to clone.
#[derive(Clone)]
pub struct Workshop {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    hub: Arc<Hub>,
    runs: Runs,
    workers: Workers,
    catalog: RwLock<Option<Arc<CatalogView>>>,
    seats: RwLock<accounts::Seats>,
    tokens: tokens::Tokens,
    policy: RwLock<Policy>,
    durations: Mutex<DurationBook>,
    arrivals: Mutex<Option<(Timestamp, Arrivals)>>,
    line: tokio::sync::Mutex<Option<line::CachedLine>>,
    metrics: metrics::Metrics,
    dispatcher: Notify,
    health: health::Observed,
    models: models::Models,
    object_infos: catalog::ObjectInfos,
    storage: storage::Storage,
    uploads: uploads::Uploads,
    /// Held while files move into the trash or out of it.
    trash: tokio::sync::Mutex<()>,
    workflows: Workflows,
}

impl Workshop {
    /// Starts from the record: makes missing seats, reads the stored catalog, and gives
    /// workers that were at it when the server stopped time to be heard again.
    pub async fn open(parts: Parts) -> Result<Self, WorkshopError> {
        let workflows = Workflows::new(parts.settings.workflows_dir.clone());
        let workshop = Self {
            inner: Arc::new(Inner {
                parts,
                hub: Arc::new(Hub::new()),
                runs: Runs::default(),
                workers: Workers::default(),
                catalog: RwLock::default(),
                seats: RwLock::default(),
                tokens: tokens::Tokens::default(),
                policy: RwLock::default(),
                durations: Mutex::default(),
                arrivals: Mutex::default(),
                line: tokio::sync::Mutex::default(),
                metrics: metrics::Metrics::default(),
                dispatcher: Notify::new(),
                health: health::Observed::default(),
                models: models::Models::default(),
                object_infos: catalog::ObjectInfos::default(),
                storage: storage::Storage::default(),
                uploads: uploads::Uploads::default(),
                trash: tokio::sync::Mutex::default(),
                workflows,
            }),
        };
        workshop.load_accounts().await?;
        workshop.load_tokens().await?;
        workshop.load_policy().await?;
        workshop.load_durations().await?;
        workshop.load_catalog().await?;
        workshop.renew_leases_after_restart().await?;
        workshop.forget_missing_artifacts().await?;
        workshop.drop_unknown_parts().await?;
        workshop.finish_trash().await?;
        Ok(workshop)
    }

    pub fn files(&self) -> &SeatFolders {
        &self.inner.parts.files
    }

    pub fn settings(&self) -> &WorkshopSettings {
        &self.inner.parts.settings
    }

    fn store(&self) -> &Store {
        &self.inner.parts.store
    }

    fn now(&self) -> Timestamp {
        self.inner.parts.clock.now()
    }
}
