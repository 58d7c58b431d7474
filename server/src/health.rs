//! `/health`: the process lives. `/ready`: each dependency, by name.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use crate::state::AppState;

pub fn routes() -> Router<AppState> {
    Router::new().route("/health", get(async || "ok")).route("/ready", get(ready))
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
