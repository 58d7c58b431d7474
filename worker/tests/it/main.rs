//! The worker against a real ComfyUI, as a library and as a process.

#![allow(clippy::result_large_err, reason = "the answers of a test's server are few")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod contract;
mod logs;
mod process;
mod scenarios;
mod seat_models;
mod support;
