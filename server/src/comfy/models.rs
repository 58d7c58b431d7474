//! `/models…`, `/experiment/models…`, `/embeddings` and `/view_metadata`: the engine's models from
//! the stored catalog, without the engine's paths, and the seat's own beside them.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{FromRef, FromRequestParts, Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use comfy_api::models::{EMBEDDINGS, SEAT_PREFIX, is_reserved};
use domain::SeatId;
use queue::report::ModelFile;
use serde::Deserialize;
use serde_json::{Value, json};
use workshop::Workshop;

use crate::auth::SeatAccess;
use crate::error::HttpError;

type Models = BTreeMap<String, Vec<ModelFile>>;

/// Folders that hold no models; ComfyUI's own library leaves them out too.
const NOT_MODELS: [&str; 2] = ["configs", "custom_nodes"];

pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    SeatAccess: FromRequestParts<S>,
    Workshop: FromRef<S>,
{
    Router::new()
        .route("/models", get(folders))
        .route("/models/{folder}", get(names))
        .route("/experiment/models", get(folders_with_paths))
        .route("/experiment/models/{folder}", get(files))
        .route("/embeddings", get(embeddings))
        .route("/view_metadata/{folder}", get(metadata))
}

#[derive(Deserialize)]
struct FolderPath {
    folder: String,
}

async fn folders(_: SeatAccess, State(workshop): State<Workshop>) -> Json<Vec<String>> {
    Json(workshop.catalog().map(|catalog| catalog.models.keys().cloned().collect()).unwrap_or_default())
}

async fn names(
    SeatAccess(seat): SeatAccess,
    State(workshop): State<Workshop>,
    Path(FolderPath { folder }): Path<FolderPath>,
) -> Result<Json<Vec<String>>, HttpError> {
    let files = seat_files(&workshop, seat, &folder).await?;
    Ok(Json(files.into_iter().map(|file| file.name).collect()))
}

async fn folders_with_paths(_: SeatAccess, State(workshop): State<Workshop>) -> Json<Value> {
    Json(workshop.catalog().map_or_else(|| json!([]), |catalog| folder_listing(&catalog.models)))
}

async fn files(
    SeatAccess(seat): SeatAccess,
    State(workshop): State<Workshop>,
    Path(FolderPath { folder }): Path<FolderPath>,
) -> Result<Json<Value>, HttpError> {
    Ok(Json(seat_files(&workshop, seat, &folder).await?.iter().map(file_listing).collect()))
}

/// Names without their extensions, as a text calls them.
async fn embeddings(
    SeatAccess(seat): SeatAccess,
    State(workshop): State<Workshop>,
) -> Result<Json<Vec<String>>, HttpError> {
    let all = workshop.catalog().map(|catalog| catalog.embeddings.clone()).unwrap_or_default();
    let own = own_files(&workshop, seat, EMBEDDINGS).await?;
    let own = own.into_iter().map(|file| match file.name.rsplit_once('.') {
        Some((stem, _)) => stem.to_owned(),
        None => file.name,
    });
    let mut names: Vec<String> = all.into_iter().filter(|name| !is_reserved(name)).chain(own).collect();
    names.sort();
    Ok(Json(names))
}

#[derive(Deserialize)]
struct MetadataQuery {
    filename: Option<String>,
}

/// The header of a model file. Those of the engine's are not known here.
async fn metadata(
    SeatAccess(seat): SeatAccess,
    State(workshop): State<Workshop>,
    Path(FolderPath { folder }): Path<FolderPath>,
    Query(query): Query<MetadataQuery>,
) -> Result<Response, HttpError> {
    let filename = query.filename.unwrap_or_default();
    let name = filename.strip_prefix(SEAT_PREFIX).ok_or_else(HttpError::not_found)?;
    let metadata = workshop.model_metadata(seat, &folder, name).await?;
    let metadata = metadata.ok_or_else(HttpError::not_found)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], metadata).into_response())
}

/// What a seat sees in a model folder, sorted by name.
async fn seat_files(workshop: &Workshop, seat: SeatId, folder: &str) -> Result<Vec<ModelFile>, HttpError> {
    let catalog = workshop.catalog().ok_or_else(HttpError::not_found)?;
    let shared = catalog.models.get(folder).ok_or_else(HttpError::not_found)?;
    let mut files: Vec<ModelFile> = shared.iter().filter(|file| !is_reserved(&file.name)).cloned().collect();
    files.extend(own_files(workshop, seat, folder).await?);
    files.sort_by(|file, other| file.name.cmp(&other.name));
    Ok(files)
}

async fn own_files(workshop: &Workshop, seat: SeatId, folder: &str) -> Result<Vec<ModelFile>, HttpError> {
    let models = workshop.seat_models(seat).await?;
    let own = models.into_iter().filter(|model| model.folder == folder).map(|model| ModelFile {
        name: format!("{SEAT_PREFIX}{}", model.name),
        size: model.bytes,
        modified: model.created_at.unix_ms() as f64 / 1000.0,
    });
    Ok(own.collect())
}

/// `/internal/folder_paths`: each model folder with a name in place of its path.
pub(super) fn folder_paths(models: &Models) -> Value {
    models.keys().map(|folder| (folder.clone(), json!([placeholder(folder)]))).collect()
}

fn folder_listing(models: &Models) -> Value {
    let folders = models.keys().filter(|folder| !NOT_MODELS.contains(&folder.as_str()));
    folders.map(|folder| json!({"name": folder, "folders": [placeholder(folder)]})).collect()
}

fn file_listing(file: &ModelFile) -> Value {
    json!({
        "name": file.name,
        "pathIndex": 0,
        "modified": file.modified,
        "created": file.modified,
        "size": file.size,
    })
}

fn placeholder(folder: &str) -> String {
    format!("models/{folder}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models() -> Models {
        let file = |name: &str| ModelFile { name: name.into(), size: 1000, modified: 1795425601.5 };
        let checkpoints = ["sd15/b.safetensors", "a.ckpt"];
        BTreeMap::from([
            ("checkpoints".to_owned(), checkpoints.map(file).to_vec()),
            ("configs".to_owned(), vec![file("v1.yaml")]),
        ])
    }

    #[test]
    fn listings_have_comfyuis_shape_and_no_paths() {
        assert_eq!(
            folder_listing(&models()),
            json!([{"name": "checkpoints", "folders": ["models/checkpoints"]}])
        );
        assert_eq!(folder_paths(&models())["configs"], json!(["models/configs"]));
        let listed = file_listing(&models()["checkpoints"][1]);
        let expected = json!({
            "name": "a.ckpt", "pathIndex": 0, "modified": 1795425601.5, "created": 1795425601.5, "size": 1000
        });
        assert_eq!(listed, expected);
    }
}
