//! Who runs next: a snapshot of the queue goes in, a plan comes out.
//!
//! Pure, so that the dispatcher, the positions that people see and the forecast come
//! from one function and cannot disagree: [`plan()`] replays the policy over the slots,
//! and what the replay does at time zero is what is to be done now.

pub mod arrivals;
pub mod durations;
mod estimate;
mod line;
pub mod plan;
mod replay;
pub mod service;
pub mod snapshot;

pub use arrivals::{Arrivals, Submission};
pub use durations::{DurationBook, GraphShape};
pub use estimate::Estimate;
pub use plan::{Plan, Waiting, plan};
pub use service::{Service, VirtualTime};
pub use snapshot::{HeldJob, Snapshot, WaitingJob};
