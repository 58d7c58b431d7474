//! `/prompt` and `/object_info`: what the Run button and the node list need.

use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::auth::SeatAccess;
use crate::error::HttpError;
use crate::state::AppState;

pub fn routes(max_prompt_bytes: usize) -> Router<AppState> {
    Router::new()
        .route("/prompt", get(queue_info).post(submit).layer(DefaultBodyLimit::max(max_prompt_bytes)))
        .route("/object_info", get(object_info))
        .route("/object_info/{class}", get(node_info))
}

async fn submit(
    seat: Result<SeatAccess, HttpError>,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, HttpError> {
    let SeatAccess(seat) = seat?;
    let body = body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            HttpError::too_large(state.config.max_prompt_bytes)
        } else {
            HttpError::bad_request(
                "The graph did not arrive whole. Check the connection and press Run again.",
            )
        }
    })?;
    let submitted = state.workshop.submit(seat, &body).await?;
    Ok(Json(json!({
        "prompt_id": submitted.job,
        "number": submitted.number,
        "node_errors": submitted.node_errors,
    })))
}

async fn queue_info(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
) -> Result<Json<Value>, HttpError> {
    let remaining = state.workshop.queue_remaining(seat).await?;
    Ok(Json(json!({"exec_info": {"queue_remaining": remaining}})))
}

async fn object_info(seat: SeatAccess, State(state): State<AppState>) -> Result<Response, HttpError> {
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(seat_object_info(&state, seat).await?)).into_response())
}

async fn node_info(
    seat: SeatAccess,
    State(state): State<AppState>,
    Path(path): Path<NodePath>,
) -> Result<Json<Value>, HttpError> {
    let mut all = seat_object_info(&state, seat).await?;
    Ok(Json(all.remove(&path.class).map_or_else(|| json!({}), |node| json!({path.class: node}))))
}

#[derive(serde::Deserialize)]
struct NodePath {
    class: String,
}

async fn seat_object_info(
    state: &AppState,
    SeatAccess(seat): SeatAccess,
) -> Result<Map<String, Value>, HttpError> {
    state.workshop.object_info(seat).await?.ok_or_else(|| {
        HttpError::refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "engine_never_seen",
            "The GPU machine has not connected yet, so there is no node list. Reload when the bar above says it is ready.",
        )
    })
}
