//! A hostile participant and a hostile stranger against the running server.

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
