//! Room for what the editor stores: asked for before a body is read, noted after it was.

use std::collections::HashMap;

use axum::extract::{Path, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::{SeatId, Viewer};

use crate::error::HttpError;
use crate::state::AppState;

/// Refuses a body that there is no room for, and counts what was stored or deleted.
pub async fn watch_room(
    State(state): State<AppState>,
    path: Option<Path<HashMap<String, String>>>,
    request: Request,
    next: Next,
) -> Response {
    let seat = path.and_then(|Path(path)| path.get("seat")?.parse::<SeatId>().ok());
    let viewer = request.extensions().get::<Viewer>();
    // Whose seat it is, is the handler's to judge; others' requests only must not be told of it.
    let seat = seat.filter(|seat| viewer.is_some_and(|viewer| viewer.require_seat(*seat).is_ok()));
    let (Some(seat), false) = (seat, request.method().is_safe()) else { return next.run(request).await };
    let length = request.headers().get(header::CONTENT_LENGTH);
    let bytes = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    if request.method() != Method::DELETE
        && let Err(error) = state.workshop.require_room(seat, bytes.max(1)).await
    {
        return HttpError::from(error).into_response();
    }
    let is_delete = request.method() == Method::DELETE;
    let response = next.run(request).await;
    if response.status().is_success() {
        if is_delete {
            state.workshop.files_changed(seat);
        } else {
            state.workshop.files_came(seat, bytes);
        }
    }
    response
}
