//! The workshop's own words as types: seats, jobs, leases, access.
//!
//! Pure: no I/O, no clock, no randomness, so every rule here is testable as a
//! function of its arguments, and the browser can share the same types.

pub mod access;
pub mod failure;
pub mod id;
pub mod job;
pub mod policy;
mod seat_hosts;
mod size;
pub mod time;
mod trace;

pub use access::{AccessMode, Admin, Viewer};
pub use failure::{Failure, FailureKind};
pub use id::{JobId, LeaseToken, SeatId, UploadId, WorkerId};
pub use job::{Job, JobState, Lease, ReturnReason};
pub use policy::{Priority, SchedulingMode, StartWindow, WaitReason};
pub use seat_hosts::SeatHosts;
pub use size::readable_size;
pub use time::{Clock, Timestamp};
pub use trace::{InvalidTrace, TraceId};
