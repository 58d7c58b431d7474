//! A hostile participant and a hostile stranger against the running server.

use domain::AccessMode;

use crate::support::TestApp;

mod active_content;
mod answers;
mod bombs;
mod forged_reports;
mod nodes;
mod raw_http;
mod routes;
mod secrets;
mod server_functions;
mod sessions;
mod stored_script;

/// A server that lets one seat ask as much as these tests do.
async fn patient_server() -> TestApp {
    TestApp::start_with(AccessMode::Link, "SEAT_REQUESTS_PER_SECOND=10000\n").await
}
