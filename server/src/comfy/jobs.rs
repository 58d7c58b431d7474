//! `/jobs`: how the newest editors follow and stop jobs.

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use comfy_api::views::job_detail;
use domain::JobId;
use serde::Deserialize;
use serde_json::{Value, json};
use workshop::{JobsQuery, WorkshopError};

use super::queue::MAX_IDS_BYTES;
use crate::auth::SeatAccess;
use crate::error::HttpError;
use crate::state::AppState;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/jobs", get(list))
        .route("/jobs/cancel", post(cancel_several))
        .route("/jobs/{job_id}", get(detail))
        .route("/jobs/{job_id}/cancel", post(cancel))
        .layer(DefaultBodyLimit::max(MAX_IDS_BYTES))
}

async fn list(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, HttpError> {
    match JobsQuery::parse(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))) {
        Ok(query) => Ok(Json(state.workshop.seat_jobs(seat, &query).await?).into_response()),
        Err(message) => {
            Ok((StatusCode::BAD_REQUEST, Json(json!({"error": message.to_string()}))).into_response())
        }
    }
}

#[derive(Deserialize)]
struct JobPath {
    job_id: String,
}

async fn detail(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    Path(path): Path<JobPath>,
) -> Result<Response, HttpError> {
    let Ok(id) = path.job_id.parse::<JobId>() else { return Ok(no_such_job()) };
    match state.workshop.seat_record(seat, id).await {
        Ok(record) => Ok(Json(job_detail(&record)).into_response()),
        Err(WorkshopError::NotFound) => Ok(no_such_job()),
        Err(error) => Err(error.into()),
    }
}

fn no_such_job() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"error": "Job not found"}))).into_response()
}

async fn cancel(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    Path(path): Path<JobPath>,
) -> Result<Response, HttpError> {
    cancel_all(&state, seat, vec![Value::String(path.job_id)]).await
}

#[derive(Deserialize)]
struct CancelBody {
    job_ids: Vec<Value>,
}

async fn cancel_several(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    body: Bytes,
) -> Result<Response, HttpError> {
    let body: CancelBody = serde_json::from_slice(&body)
        .map_err(|_| HttpError::bad_request("The request must name `job_ids`, a list of job ids."))?;
    cancel_all(&state, seat, body.job_ids).await
}

async fn cancel_all(state: &AppState, seat: domain::SeatId, ids: Vec<Value>) -> Result<Response, HttpError> {
    let parse = |id: &Value| id.as_str().and_then(|id| id.parse::<JobId>().ok());
    let invalid: Vec<_> = ids.iter().filter(|id| parse(id).is_none()).cloned().collect();
    if !invalid.is_empty() {
        let body = json!({"error": "Some job ids are not UUIDs", "invalid_ids": invalid});
        return Ok((StatusCode::BAD_REQUEST, Json(body)).into_response());
    }
    let mut cancelled = false;
    for id in ids.iter().filter_map(parse) {
        cancelled |= state.workshop.cancel_if_active(seat, id).await?;
    }
    Ok(Json(json!({"cancelled": cancelled})).into_response())
}
