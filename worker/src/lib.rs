//! The worker: takes tasks from the queue, runs them in the ComfyUI beside it, and reports.
//!
//! Execution outlives delivery: a run belongs to the [`registry`], keyed by job and lease
//! token, and ends when it is reported or its lease is gone, whatever becomes of the
//! connection that delivered it. Nothing is kept that the server could not do without.

pub mod assembly;
pub mod catalog;
pub mod claim;
pub mod config;
pub mod engine;
pub mod models;
pub mod outbox;
pub mod registry;
pub mod run;
pub mod server;
pub mod storage;
