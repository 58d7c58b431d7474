//! A seat's results outside its ComfyUI API: thumbnails, the workflows that made them,
//! archives, and what is taken home.

mod archive;
mod poster;
mod take_home;
mod take_home_index;
mod thumbnail;

use app::api::gallery_query;
use axum::extract::{Path, RawForm, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use domain::{JobId, SeatId};
use serde::Deserialize;
use workshop::files::SeatFolders;

use self::archive::{Entry, Source};
use crate::auth::SeatAccess;
use crate::comfy::seat_file;
use crate::error::HttpError;
use crate::state::AppState;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/user/{seat}/results/{result}/thumbnail", get(thumbnail::thumbnail))
        .route("/user/{seat}/jobs/{job}/workflow.json", get(workflow))
        // The choice of thousands does not fit an address. It changes nothing, so the
        // instructor, who looks on, has the address only.
        .route("/user/{seat}/download.zip", get(download).post(download_form))
        .merge(take_home::routes())
}

#[derive(Deserialize)]
struct JobPath {
    job: String,
}

/// The workflow behind a result: for the editor, and to be kept.
async fn workflow(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    Path(path): Path<JobPath>,
) -> Result<Response, HttpError> {
    let job = path.job.parse::<JobId>().map_err(|_| HttpError::not_found())?;
    let (title, workflow) = state.workshop.job_workflow(seat, job).await?;
    let headers =
        seat_file::headers(&format!("{}.json", file_stem(&title)), "application/json", "attachment");
    Ok((headers, Json(workflow)).into_response())
}

async fn download(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Response, HttpError> {
    archive_of(&state, seat, &query.unwrap_or_default()).await
}

async fn download_form(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    RawForm(form): RawForm,
) -> Result<Response, HttpError> {
    archive_of(&state, seat, &String::from_utf8_lossy(&form)).await
}

async fn archive_of(state: &AppState, seat: SeatId, chosen: &str) -> Result<Response, HttpError> {
    let chosen =
        gallery_query::chosen(chosen).ok_or_else(|| HttpError::bad_request("`ids` is no list of results"))?;
    let results = state.workshop.result_files(seat, &chosen).await?;
    // Subfolder and name are unique among a seat's outputs, so they are in the archive.
    let entries = results.into_iter().map(|result| Entry {
        name: result.location.subfolder_and_name(),
        made_at: result.created_at,
        source: Source::File(result.location),
    });
    let files = SeatFolders::seat(state.workshop.files(), seat).await?;
    archive::respond(files, entries.collect(), &format!("{seat}-results.zip"))
}

/// A title as the name of a file.
fn file_stem(title: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || " -_.()".contains(character);
    let plain: String =
        title.chars().map(|character| if is_plain(character) { character } else { '_' }).take(80).collect();
    let plain = plain.trim_matches([' ', '.']);
    if plain.is_empty() { "workflow".to_owned() } else { plain.to_owned() }
}

/// Kept by this browser for as long as it likes: the address names the content.
const FOR_EVER: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

fn kept(mut headers: HeaderMap) -> HeaderMap {
    headers.insert(header::CACHE_CONTROL, FOR_EVER);
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_names_of_files() {
        assert_eq!(file_stem("Save Image"), "Save Image");
        assert_eq!(file_stem("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(file_stem(" a\"b\n<c> "), "a_b__c_");
        assert_eq!(file_stem("…"), "_");
        assert_eq!(file_stem(""), "workflow");
    }
}
