//! `/prompt` and `/object_info`: what the Run button and the node list need.

use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use workshop::files::FilesError;

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

async fn object_info(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    request: HeaderMap,
) -> Result<Response, HttpError> {
    let object_info = state.workshop.object_info(seat).await?.ok_or_else(engine_never_seen)?;
    let tag = format!("\"{}\"", object_info.sha256);
    let asked = |name| request.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Compression on the way may have made the tag a weak one.
    let holds_it =
        asked(header::IF_NONE_MATCH).split(',').any(|held| held.trim().trim_start_matches("W/") == tag);
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::VARY, "accept-encoding"),
        (header::ETAG, tag.as_str()),
    ];
    if holds_it {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    if accepts_gzip(asked(header::ACCEPT_ENCODING)) {
        let body = object_info.gzipped.clone();
        return Ok(([(header::CONTENT_ENCODING, "gzip")], headers, body).into_response());
    }
    let json =
        object_info.json().map_err(|source| FilesError::Io { operation: "unpack the node list", source })?;
    Ok((headers, json).into_response())
}

async fn node_info(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    Path(path): Path<NodePath>,
) -> Result<Json<Map<String, Value>>, HttpError> {
    let definitions = state.workshop.node_definitions(seat, [path.class.as_str()]).await?;
    Ok(Json(definitions.ok_or_else(engine_never_seen)?))
}

#[derive(serde::Deserialize)]
struct NodePath {
    class: String,
}

fn accepts_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && !parts.any(|quality| matches!(quality, "q=0" | "q=0.0"))
    })
}

fn engine_never_seen() -> HttpError {
    HttpError::refused(
        StatusCode::SERVICE_UNAVAILABLE,
        "engine_never_seen",
        "The GPU machine has not connected yet, so there is no node list. Reload when the bar above says it is ready.",
    )
}
