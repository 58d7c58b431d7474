//! `/models…`, `/experiment/models…` and `/embeddings`: the engine's models from the stored
//! catalog, without the engine's paths and without what belongs to other seats.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{FromRef, FromRequestParts, Path, State};
use axum::response::Json;
use axum::routing::get;
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
    let catalog = workshop.catalog().ok_or_else(HttpError::not_found)?;
    let mut names: Vec<String> =
        visible(&catalog.models, &folder, seat)?.map(|file| file.name.clone()).collect();
    names.sort();
    Ok(Json(names))
}

async fn folders_with_paths(_: SeatAccess, State(workshop): State<Workshop>) -> Json<Value> {
    Json(workshop.catalog().map_or_else(|| json!([]), |catalog| folder_listing(&catalog.models)))
}

async fn files(
    SeatAccess(seat): SeatAccess,
    State(workshop): State<Workshop>,
    Path(FolderPath { folder }): Path<FolderPath>,
) -> Result<Json<Value>, HttpError> {
    let catalog = workshop.catalog().ok_or_else(HttpError::not_found)?;
    Ok(Json(visible(&catalog.models, &folder, seat)?.map(file_listing).collect()))
}

async fn embeddings(SeatAccess(seat): SeatAccess, State(workshop): State<Workshop>) -> Json<Vec<String>> {
    let all = workshop.catalog().map(|catalog| catalog.embeddings.clone()).unwrap_or_default();
    Json(all.into_iter().filter(|name| is_visible(name, seat)).collect())
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

fn visible<'a>(
    models: &'a Models,
    folder: &str,
    seat: SeatId,
) -> Result<impl Iterator<Item = &'a ModelFile> + use<'a>, HttpError> {
    let files = models.get(folder).ok_or_else(HttpError::not_found)?;
    Ok(files.iter().filter(move |file| is_visible(&file.name, seat)))
}

/// A model in a folder that is called like a seat is that seat's own.
fn is_visible(name: &str, seat: SeatId) -> bool {
    match name.split_once('/').map(|(folder, _)| folder.parse::<SeatId>()) {
        Some(Ok(owner)) => owner == seat,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models() -> Models {
        let file = |name: &str| ModelFile { name: name.into(), size: 1000, modified: 1795425601.5 };
        let checkpoints =
            ["sd15/b.safetensors", "a.ckpt", "user001/my.safetensors", "user002/their.safetensors"];
        BTreeMap::from([
            ("checkpoints".to_owned(), checkpoints.map(file).to_vec()),
            ("configs".to_owned(), vec![file("v1.yaml")]),
        ])
    }

    fn seat() -> SeatId {
        SeatId::new(1).unwrap()
    }

    #[test]
    fn a_seat_sees_shared_models_and_its_own() {
        let models = models();
        let names: Vec<_> =
            visible(&models, "checkpoints", seat()).unwrap().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["sd15/b.safetensors", "a.ckpt", "user001/my.safetensors"]);
        assert!(visible(&models, "nope", seat()).is_err());
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
