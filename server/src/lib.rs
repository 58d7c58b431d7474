//! The server: HTTP and WebSocket adapters over the workshop's use cases.

mod answer_headers;
pub mod attempts;
pub mod auth;
pub mod backup;
mod bearer;
pub mod comfy;
pub mod commands;
pub mod config;
pub mod connections;
pub mod data_lock;
pub mod doctor;
pub mod error;
mod gallery;
mod health;
pub mod limits;
mod live;
mod metrics;
mod portal_policy;
pub mod remove_files;
mod requests;
pub mod router;
pub mod seat_hosts;
pub mod secrets;
pub mod state;
mod tus;
pub mod worker_api;
pub mod worker_tokens;
