//! `/userdata…`: the editor's workflows and other small files of a seat.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRef, FromRequestParts, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use futures::TryStreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::io::StreamReader;
use workshop::files::{Depth, Existing, FilesError, InvalidPath, SeatFolders, SeatPath, UserEntry, UserFile};

use super::frontend::Frontend;
use super::given_workflows::GivenWorkflows;
use super::{file_response, percent, seat_file};
use crate::auth::SeatAccess;
use crate::error::HttpError;

/// Workflows with pictures in them reach a few megabytes.
const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;
/// The editor's page links this stylesheet whether there is one or not.
const STYLESHEET: &str = "user.css";

pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    SeatAccess: FromRequestParts<S>,
    GivenWorkflows: FromRequestParts<S, Rejection = HttpError>,
    SeatFolders: FromRef<S>,
    Arc<Frontend>: FromRef<S>,
{
    Router::new()
        .route("/userdata", get(list))
        .route("/v2/userdata", get(list_tree))
        .route("/userdata/{file}", get(read).post(write).delete(delete))
        .route("/userdata/{file}/move/{destination}", post(rename))
        .layer(DefaultBodyLimit::disable())
}

#[derive(Deserialize)]
struct ListQuery {
    #[serde(default)]
    dir: String,
    #[serde(default)]
    recurse: String,
    #[serde(default)]
    split: String,
    #[serde(default)]
    full_info: String,
}

#[derive(Deserialize)]
struct TreeQuery {
    #[serde(default)]
    path: String,
}

#[derive(Deserialize)]
struct WriteQuery {
    #[serde(default)]
    overwrite: String,
    #[serde(default)]
    full_info: String,
}

#[derive(Deserialize)]
struct FilePath {
    file: String,
}

#[derive(Deserialize)]
struct MovePath {
    file: String,
    destination: String,
}

async fn list(
    SeatAccess(seat): SeatAccess,
    _: GivenWorkflows,
    State(folders): State<SeatFolders>,
    State(frontend): State<Arc<Frontend>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, HttpError> {
    if query.dir.is_empty() {
        return Err(HttpError::bad_request("Directory not provided"));
    }
    let folder = SeatPath::parse(&percent::decode(&query.dir)).map_err(FilesError::from)?;
    let depth = if is_true(&query.recurse) { Depth::All } else { Depth::Direct };
    let files = folders.seat(seat).await?.list_userdata(folder, depth).await?;
    let as_listed = |file: &UserFile| {
        let path = file.path.as_str();
        if is_true(&query.full_info) {
            file_info(file, &frontend)
        } else if is_true(&query.split) {
            json!(std::iter::once(path).chain(path.split('/')).collect::<Vec<_>>())
        } else {
            json!(path)
        }
    };
    Ok(Json(files.iter().map(as_listed).collect()))
}

async fn list_tree(
    SeatAccess(seat): SeatAccess,
    _: GivenWorkflows,
    State(folders): State<SeatFolders>,
    State(frontend): State<Arc<Frontend>>,
    Query(query): Query<TreeQuery>,
) -> Result<Json<Value>, HttpError> {
    let invalid = |error: InvalidPath| HttpError::bad_request(error.to_string());
    let folder = SeatPath::parse(&percent::decode(&query.path)).map_err(invalid)?;
    let entries = folders.seat(seat).await?.userdata_tree(folder).await?;
    let as_listed = |entry: &UserEntry| match entry {
        UserEntry::Folder(path) => json!({"name": path.name(), "path": path.as_str(), "type": "directory"}),
        UserEntry::File(file) => json!({
            "name": file.path.name(),
            "path": file.path.as_str(),
            "type": "file",
            "size": file.bytes,
            "modified": time(file.modified_at, &frontend),
        }),
    };
    Ok(Json(entries.iter().map(as_listed).collect()))
}

async fn read(
    SeatAccess(seat): SeatAccess,
    State(folders): State<SeatFolders>,
    Path(FilePath { file }): Path<FilePath>,
    request: HeaderMap,
) -> Result<Response, HttpError> {
    let path = parse_file(&file)?;
    let open = folders.seat(seat).await?.open_userdata(&path).await;
    if path.as_str() != STYLESHEET {
        return file_response::respond(&request, open?, "", seat_file::downloaded(path.name())).await;
    }
    let headers = seat_file::headers(STYLESHEET, "text/css; charset=utf-8", "inline");
    match open {
        // An error in the browser's log at each start would hide real ones.
        Err(FilesError::NotFound) => Ok((headers, "").into_response()),
        open => file_response::respond(&request, open?, "", headers).await,
    }
}

async fn write(
    SeatAccess(seat): SeatAccess,
    State(folders): State<SeatFolders>,
    State(frontend): State<Arc<Frontend>>,
    Path(FilePath { file }): Path<FilePath>,
    Query(query): Query<WriteQuery>,
    body: Body,
) -> Result<Json<Value>, HttpError> {
    let path = parse_file(&file)?;
    let files = folders.seat(seat).await?;
    let body = StreamReader::new(body.into_data_stream().map_err(std::io::Error::other));
    let received = match files.receive_all(body, MAX_FILE_BYTES as u64).await {
        Err(FilesError::TooLarge { .. }) => return Err(HttpError::too_large(MAX_FILE_BYTES)),
        received => received?,
    };
    let stored = files.store_userdata(received, path, query.existing()).await?;
    Ok(Json(query.answer(&stored, &frontend)))
}

async fn delete(
    SeatAccess(seat): SeatAccess,
    State(folders): State<SeatFolders>,
    Path(FilePath { file }): Path<FilePath>,
) -> Result<StatusCode, HttpError> {
    folders.seat(seat).await?.delete_userdata(&parse_file(&file)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn rename(
    SeatAccess(seat): SeatAccess,
    State(folders): State<SeatFolders>,
    State(frontend): State<Arc<Frontend>>,
    Path(MovePath { file, destination }): Path<MovePath>,
    Query(query): Query<WriteQuery>,
) -> Result<Json<Value>, HttpError> {
    let (source, destination) = (parse_file(&file)?, parse_file(&destination)?);
    let moved = folders.seat(seat).await?.move_userdata(&source, destination, query.existing()).await?;
    Ok(Json(query.answer(&moved, &frontend)))
}

impl WriteQuery {
    fn existing(&self) -> Existing {
        if self.overwrite == "false" { Existing::Refuse } else { Existing::Replace }
    }

    fn answer(&self, file: &UserFile, frontend: &Frontend) -> Value {
        if is_true(&self.full_info) { file_info(file, frontend) } else { json!(file.path.as_str()) }
    }
}

/// ComfyUI decodes a name once more than its router has; a doubly encoded way out is one too.
fn parse_file(file: &str) -> Result<SeatPath, FilesError> {
    Ok(SeatPath::parse_file(&percent::decode(file))?)
}

fn is_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
}

fn file_info(file: &UserFile, frontend: &Frontend) -> Value {
    json!({
        "path": file.path.as_str(),
        "size": file.bytes,
        "modified": time(file.modified_at, frontend),
        "created": time(file.created_at, frontend),
    })
}

fn time(at: SystemTime, frontend: &Frontend) -> Value {
    let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    if frontend.takes_milliseconds() {
        json!(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    } else {
        json!(since_epoch.as_secs_f64())
    }
}
