//! `/settings…`: the editor's settings of a seat.

use axum::Router;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRef, FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use axum::routing::get;
use bytes::Bytes;
use comfy_api::json_values;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use workshop::files::{MAX_SETTINGS_BYTES, SeatFolders};

use crate::auth::SeatAccess;
use crate::error::HttpError;

const MAX_BODY_BYTES: usize = MAX_SETTINGS_BYTES as usize;
const MAX_VALUES: usize = 50_000;

pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    SeatAccess: FromRequestParts<S>,
    SeatFolders: FromRef<S>,
{
    Router::new()
        .route("/settings", get(all).post(change))
        .route("/settings/{id}", get(one).post(change_one))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

#[derive(Deserialize)]
struct SettingPath {
    id: String,
}

async fn all(
    SeatAccess(seat): SeatAccess,
    State(folders): State<SeatFolders>,
) -> Result<Json<Map<String, Value>>, HttpError> {
    Ok(Json(folders.seat(seat).await?.settings().await?))
}

async fn one(
    SeatAccess(seat): SeatAccess,
    State(folders): State<SeatFolders>,
    Path(SettingPath { id }): Path<SettingPath>,
) -> Result<Json<Option<Value>>, HttpError> {
    let mut settings = folders.seat(seat).await?.settings().await?;
    Ok(Json(settings.remove(&id)))
}

async fn change(
    SeatAccess(seat): SeatAccess,
    State(folders): State<SeatFolders>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(), HttpError> {
    folders.seat(seat).await?.change_settings(json(body)?).await?;
    Ok(())
}

async fn change_one(
    SeatAccess(seat): SeatAccess,
    State(folders): State<SeatFolders>,
    Path(SettingPath { id }): Path<SettingPath>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(), HttpError> {
    folders.seat(seat).await?.change_settings(Map::from_iter([(id, json(body)?)])).await?;
    Ok(())
}

/// Reads the body whatever its type says: the editor sends its JSON as `text/plain`.
fn json<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, HttpError> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => HttpError::too_large(MAX_BODY_BYTES),
        _ => HttpError::bad_request(rejection.body_text()),
    })?;
    // The editor has some hundred; many requests' worth is in memory at once.
    if json_values::exceeds(&body, MAX_VALUES) {
        return Err(HttpError::refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_many_values",
            "the setting has too many values",
        ));
    }
    comfy_api::json::from_slice(&body)
        .map_err(|error| HttpError::bad_request(format!("the setting is not understood: {error}")))
}
