//! The server: HTTP and WebSocket adapters over the workshop's use cases.

pub mod auth;
pub mod comfy;
pub mod commands;
pub mod config;
pub mod error;
mod gallery;
mod health;
mod live;
mod metrics;
pub mod router;
pub mod secrets;
pub mod state;
pub mod worker_api;
