//! The record: SQLite, one writer, many readers. Rows become domain types here.
//!
//! Invariant: every change to a job reads the job, applies a transition of
//! `domain::job` and writes it back within one transaction of the only writer,
//! so two reports on one job can never both win.

mod api_tokens;
pub mod artifacts;
mod catalog;
mod database;
pub mod error;
pub mod events;
mod gallery;
mod given_workflows;
pub mod jobs;
mod policy;
mod seat_models;
mod seats;
mod trash;
mod uploads;
mod worker_tokens;
mod workers;

pub use api_tokens::{NewApiToken, StoredApiToken};
pub use artifacts::{Artifact, NewArtifact};
pub use database::{Store, check, snapshot};
pub use error::StoreError;
pub use events::{Event, EventFilter, EventKind, RecordedEvent};
pub use gallery::{DayCount, GalleryFilter, Media, UnknownMedia, WorkflowCount};
pub use jobs::{EndedTotals, FinishedRun, JobGraph, JobResult, JobShape, NewJob, StoredJob, Submitted};
pub use policy::Policy;
pub use seat_models::SeatModel;
pub use seats::{ClaimKind, Seat, SeatService};
pub use trash::{NewTrashItem, TrashId, TrashItem, TrashKind, TrashState, TrashSummary};
pub use uploads::{StoredUpload, UploadOutcome, UploadTarget};
pub use worker_tokens::StoredWorkerToken;
pub use workers::StoredWorker;
