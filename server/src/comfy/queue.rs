//! `/queue`, `/history`, `/interrupt`: how editors up to 1.32 follow and stop jobs.

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use comfy_api::views::{history_entry, queue_item};
use domain::JobId;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use workshop::WorkshopError;

use crate::auth::SeatAccess;
use crate::error::HttpError;
use crate::state::AppState;

/// The ids of more jobs than an editor lists.
pub(super) const MAX_IDS_BYTES: usize = 256 * 1024;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/queue", get(queue).post(change_queue))
        .route("/history", get(history).post(change_history))
        .route("/history/{prompt_id}", get(history_of))
        .route("/interrupt", post(interrupt))
        .layer(DefaultBodyLimit::max(MAX_IDS_BYTES))
}

/// `{"clear": true}` or `{"delete": [ids]}`.
#[derive(Default, Deserialize)]
struct Change {
    #[serde(default)]
    clear: bool,
    #[serde(default)]
    delete: Vec<Value>,
}

impl Change {
    fn parse(body: &[u8]) -> Result<Self, HttpError> {
        comfy_api::json::from_slice(body).map_err(|error| {
            HttpError::bad_request(format!("The request is not what ComfyUI sends: {error}"))
        })
    }

    /// The ids that can be ids of ours; another program's name for a job names nothing here.
    fn ids(&self) -> Vec<JobId> {
        self.delete.iter().filter_map(|id| id.as_str()?.parse().ok()).collect()
    }
}

async fn queue(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
) -> Result<Json<Value>, HttpError> {
    let queue = state.workshop.seat_queue(seat).await?;
    let items = |records: &[_]| records.iter().map(queue_item).collect::<Vec<_>>();
    Ok(Json(json!({"queue_running": items(&queue.running), "queue_pending": items(&queue.pending)})))
}

async fn change_queue(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    body: Bytes,
) -> Result<(), HttpError> {
    let change = Change::parse(&body)?;
    if change.clear {
        state.workshop.clear_waiting(seat).await?;
    }
    if !change.delete.is_empty() {
        state.workshop.delete_waiting(seat, &change.ids()).await?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct HistoryQuery {
    max_items: Option<i64>,
    offset: Option<i64>,
}

async fn history(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<Map<String, Value>>, HttpError> {
    // A negative number means "no such limit" in ComfyUI.
    let positive = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    let records =
        state.workshop.seat_history(seat, positive(query.max_items), positive(query.offset)).await?;
    Ok(Json(records.iter().map(|record| (record.id.clone(), history_entry(record))).collect()))
}

#[derive(Deserialize)]
struct HistoryPath {
    prompt_id: String,
}

async fn history_of(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    Path(path): Path<HistoryPath>,
) -> Result<Json<Map<String, Value>>, HttpError> {
    // As ComfyUI: what is not in the history is an empty object, not an error.
    let Ok(id) = path.prompt_id.parse() else { return Ok(Json(Map::new())) };
    match state.workshop.seat_record(seat, id).await {
        Ok(record) if record.phase.has_ended() => {
            Ok(Json(Map::from_iter([(record.id.clone(), history_entry(&record))])))
        }
        Ok(_) | Err(WorkshopError::NotFound) => Ok(Json(Map::new())),
        Err(error) => Err(error.into()),
    }
}

async fn change_history(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    body: Bytes,
) -> Result<(), HttpError> {
    let change = Change::parse(&body)?;
    if change.clear {
        state.workshop.forget(seat, None).await?;
    }
    if !change.delete.is_empty() {
        state.workshop.forget(seat, Some(&change.ids())).await?;
    }
    Ok(())
}

async fn interrupt(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    body: Bytes,
) -> Result<(), HttpError> {
    // The older editor sends an empty body when it knows no id, and ComfyUI then stops what runs.
    let body: Value = comfy_api::json::from_slice(&body).unwrap_or_default();
    match body.get("prompt_id").and_then(Value::as_str) {
        None => state.workshop.interrupt(seat, None).await?,
        Some(text) => {
            if let Ok(id) = text.parse() {
                state.workshop.interrupt(seat, Some(id)).await?;
            }
        }
    }
    Ok(())
}
