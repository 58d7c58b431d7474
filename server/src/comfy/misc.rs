//! The small answers that the editor asks for while it loads, and `/internal/*`.
//!
//! Nothing here tells of the engine's paths, its command line, its logs or other seats.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use axum::routing::{get, patch, post};
use comfy_api::events;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use workshop::Workshop;
use workshop::files::{FolderKind, SeatFolders};

use super::frontend::Frontend;
use super::models;
use super::uploads::UploadLimit;
use crate::auth::SeatAccess;
use crate::error::HttpError;

/// Shown where a single ComfyUI shows its log. Every line ends as its terminal needs it.
const LOG: &str = "The engine's log is shared by the whole workshop, so only its operator sees it.\r\n";

/// The routes that ComfyUI answers with and without `/api`.
pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    SeatAccess: FromRequestParts<S>,
    UploadLimit: FromRef<S>,
    Workshop: FromRef<S>,
    Arc<Frontend>: FromRef<S>,
{
    Router::new()
        .route("/features", get(features))
        .route("/extensions", get(extensions))
        .route("/system_stats", get(system_stats))
        .route("/users", get(users).post(refuse_user))
        .route("/free", post(refuse_free))
        .route("/i18n", get(empty))
        .route("/workflow_templates", get(empty))
        .route("/global_subgraphs", get(empty))
        .route("/node_replacements", get(empty))
}

/// `/internal/*`, which ComfyUI answers only without `/api`.
pub fn internal_routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    SeatAccess: FromRequestParts<S>,
    SeatFolders: FromRef<S>,
    Workshop: FromRef<S>,
{
    Router::new()
        .route("/internal/logs", get(logs))
        .route("/internal/logs/raw", get(raw_logs))
        .route("/internal/logs/subscribe", patch(subscribe_logs))
        .route("/internal/folder_paths", get(folder_paths))
        .route("/internal/files/{kind}", get(file_names))
}

async fn features(_: SeatAccess, State(UploadLimit(limit)): State<UploadLimit>) -> Json<Value> {
    Json(events::features(limit as u64))
}

async fn system_stats(_: SeatAccess, State(workshop): State<Workshop>) -> Json<Value> {
    let catalog = workshop.catalog();
    Json(public_system_stats(catalog.as_ref().map_or(&Value::Null, |catalog| &catalog.system_stats)))
}

/// The frontend's own scripts: extensions of custom nodes are not offered.
async fn extensions(_: SeatAccess, State(frontend): State<Arc<Frontend>>) -> Json<Vec<String>> {
    Json(frontend.extensions().to_vec())
}

/// The form that a ComfyUI with one user gives: the editor then asks nobody who they are.
async fn users(_: SeatAccess) -> Json<Value> {
    Json(json!({"storage": "server", "migrated": true}))
}

async fn refuse_user(_: SeatAccess) -> HttpError {
    HttpError::refused(StatusCode::FORBIDDEN, "refused", "Seats are made by the workshop's operator.")
}

async fn refuse_free(_: SeatAccess) -> HttpError {
    let message = "The engine's memory is shared by the whole workshop, so no single seat can empty it.";
    HttpError::refused(StatusCode::FORBIDDEN, "refused", message)
}

async fn empty(_: SeatAccess) -> Json<Map<String, Value>> {
    Json(Map::new())
}

async fn logs(_: SeatAccess) -> Json<&'static str> {
    Json(LOG)
}

async fn raw_logs(_: SeatAccess) -> Json<Value> {
    Json(json!({"entries": [{"t": "", "m": LOG}], "size": {"cols": 80, "rows": 24}}))
}

/// Accepted, as the terminal panel needs; no line ever follows.
async fn subscribe_logs(_: SeatAccess) {}

async fn folder_paths(_: SeatAccess, State(workshop): State<Workshop>) -> Json<Value> {
    Json(workshop.catalog().map_or_else(|| json!({}), |catalog| models::folder_paths(&catalog.models)))
}

#[derive(Deserialize)]
struct KindPath {
    kind: String,
}

async fn file_names(
    SeatAccess(seat): SeatAccess,
    State(folders): State<SeatFolders>,
    Path(KindPath { kind }): Path<KindPath>,
) -> Result<Json<Vec<String>>, HttpError> {
    let kind: FolderKind = kind.parse().map_err(|_| HttpError::bad_request("Invalid directory type"))?;
    Ok(Json(folders.seat(seat).await?.names_newest_first(kind).await?))
}

/// What every seat may know of the engine. `stats` is `/system_stats` as ComfyUI gave it, or
/// null while none has connected.
///
/// Values are taken over one by one, so that what a later ComfyUI adds stays unseen until
/// someone has looked at it.
pub fn public_system_stats(stats: &Value) -> Value {
    let system = |key: &str| {
        stats.pointer(&format!("/system/{key}")).filter(|value| !value.is_object() && !value.is_array())
    };
    let text = |key: &str| system(key).and_then(Value::as_str).unwrap_or("unknown");
    let bytes = |key: &str| system(key).and_then(Value::as_u64).unwrap_or(0);
    let mut public = json!({
        "os": text("os"),
        "ram_total": bytes("ram_total"),
        "ram_free": bytes("ram_free"),
        "comfyui_version": text("comfyui_version"),
        "python_version": text("python_version"),
        "pytorch_version": text("pytorch_version"),
        "embedded_python": false,
        // The editor reads this list: with the flag it does not call the makers' cloud.
        "argv": ["main.py", "--disable-api-nodes"],
    });
    for key in ["required_frontend_version", "installed_templates_version", "required_templates_version"] {
        if let Some(version) = system(key) {
            public[key] = version.clone();
        }
    }
    let devices = stats.get("devices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    json!({"system": public, "devices": devices.iter().map(public_device).collect::<Vec<_>>()})
}

fn public_device(device: &Value) -> Value {
    let keys = ["name", "type", "index", "vram_total", "vram_free", "torch_vram_total", "torch_vram_free"];
    let known = keys.into_iter().filter_map(|key| Some((key.to_owned(), device.get(key)?.clone())));
    Value::Object(known.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats() -> Value {
        json!({
            "system": {
                "os": "posix", "ram_total": 25276514304_u64, "ram_free": 18865995776_u64,
                "comfyui_version": "0.3.64", "required_frontend_version": "1.27.10",
                "installed_templates_version": "0.1.95", "required_templates_version": "0.1.95",
                "python_version": "3.11.7", "pytorch_version": "2.15.0", "embedded_python": false,
                "argv": ["/opt/ComfyUI/main.py", "--base-directory", "/srv/comfy-base"],
                "secret_of_a_later_version": "/srv/comfy-base/user"
            },
            "devices": [{
                "name": "cuda:0 GPU", "type": "cuda", "index": 0, "vram_total": 1, "vram_free": 1,
                "torch_vram_total": 1, "torch_vram_free": 1, "processes": ["/srv/other"]
            }]
        })
    }

    #[test]
    fn the_engine_is_described_without_its_paths() {
        let public = public_system_stats(&stats());
        let text = public.to_string();
        assert!(!text.contains("/srv") && !text.contains("/opt"), "{text}");
        assert_eq!(public["system"]["argv"], json!(["main.py", "--disable-api-nodes"]));
        assert_eq!(public["system"]["comfyui_version"], "0.3.64");
        assert_eq!(public["system"]["required_frontend_version"], "1.27.10");
        assert_eq!(public["system"]["ram_total"], 25276514304_u64);
        assert_eq!(public["devices"][0]["name"], "cuda:0 GPU");
        assert_eq!(public["devices"][0].get("processes"), None);
    }

    #[test]
    fn without_an_engine_the_editor_still_gets_its_shape() {
        for stats in [Value::Null, json!({}), json!({"system": "x", "devices": {}})] {
            let public = public_system_stats(&stats);
            assert_eq!(public["system"]["comfyui_version"], "unknown");
            assert!(public["system"]["argv"].is_array());
            assert_eq!(public["devices"], json!([]));
        }
    }
}
