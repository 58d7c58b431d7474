//! Who runs next: a snapshot of the queue goes in, a plan comes out.
//!
//! Pure, so that the dispatcher, the positions that people see and any forecast
//! come from one function and cannot disagree.

mod fifo;
pub mod plan;
pub mod snapshot;

pub use plan::{Plan, Waiting, plan};
pub use snapshot::{Snapshot, WaitingJob};
