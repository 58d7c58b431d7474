//! `/health`: the process lives. `/ready`: each dependency, by name.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use crate::state::AppState;

/// Below it one name that holds `%2F`: whoever reaches it has a proxy that leaves paths alone.
pub const RAW_PATH: &str = "/health/raw";

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/health", get(async || "ok"))
        .route("/health/raw/{name}", get(raw))
        .route("/ready", get(ready))
}

async fn raw(uri: Uri) -> StatusCode {
    if uri.path().contains("%2F") { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

async fn ready(State(state): State<AppState>) -> (StatusCode, Json<Value>) {
    let health = state.workshop.health().await;
    let is_ready = health.values().all(Result::is_ok);
    let entry = |(name, result): (&str, Result<(), String>)| {
        let text = result.err().unwrap_or_else(|| "ok".to_owned());
        (name.to_owned(), Value::String(text))
    };
    let dependencies: Map<_, _> = health.into_iter().map(entry).collect();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ready": is_ready, "dependencies": dependencies})))
}
