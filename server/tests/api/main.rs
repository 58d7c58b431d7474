//! The server over HTTP and WebSocket, with the real record and files, a queue in memory
//! and a worker that does what the test says.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect fails")]

mod access;
mod attacks;
mod backup;
mod claims;
mod doctor;
mod gallery;
mod greed;
mod isolation;
mod lifecycle;
mod logs;
mod models;
mod pages;
mod path_attacks;
mod prompt;
mod recovery;
mod remove_files;
mod seat_hosts;
mod slow_clients;
mod steering;
mod support;
mod tokens;
mod trash;
mod uploads;
mod worker_tokens;
mod workflows;
