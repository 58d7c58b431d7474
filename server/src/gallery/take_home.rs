//! Everything of a seat as one archive: for its session, and by the take-home link.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::SeatId;
use serde::Deserialize;
use workshop::take_home::TakeHomeSource;

use super::archive::{self, Entry, Source};
use super::take_home_index::{index_html, readme};
use crate::auth::SeatAccess;
use crate::error::HttpError;
use crate::state::AppState;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/user/{seat}/take-home.zip", get(own))
        .route("/take-home/{token}/download.zip", get(by_link))
}

#[derive(Deserialize)]
struct Options {
    /// Any value but none: the inputs as well.
    #[serde(default)]
    inputs: String,
}

#[derive(Deserialize)]
struct TokenPath {
    token: String,
}

async fn own(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    Query(options): Query<Options>,
) -> Result<Response, HttpError> {
    take_home(&state, seat, &options).await
}

/// The link itself is the right to the files: no session is asked for.
async fn by_link(
    State(state): State<AppState>,
    Path(TokenPath { token }): Path<TokenPath>,
    Query(options): Query<Options>,
) -> Result<Response, HttpError> {
    let seat = state.workshop.take_home_seat(&token)?;
    let mut response = take_home(&state, seat, &options).await?.into_response();
    // Nothing on the way may keep what a secret address hands out.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

async fn take_home(state: &AppState, seat: SeatId, options: &Options) -> Result<Response, HttpError> {
    let list = state.workshop.take_home_files(seat, !options.inputs.is_empty()).await?;
    let files = state.workshop.files().seat(seat).await?;
    let title = &state.config.workshop_title;
    let now = list.iter().map(|file| file.made_at).max().unwrap_or(domain::Timestamp::from_unix_ms(0));
    // Everything below one folder, so that unpacking scatters nothing.
    let text = |name: &str, text: String| Entry {
        name: format!("{seat}/{name}"),
        made_at: now,
        source: Source::Text(text),
    };
    let mut entries = vec![
        text("index.html", index_html(title, seat, &list)),
        text("README.txt", readme(title, seat, &list)),
    ];
    entries.extend(list.into_iter().map(|file| Entry {
        name: format!("{seat}/{}", file.path),
        made_at: file.made_at,
        source: match file.source {
            TakeHomeSource::Result(location) => Source::File(location),
            TakeHomeSource::User(path) => Source::User(path),
        },
    }));
    archive::respond(files, entries, &format!("{seat}-take-home.zip"))
}
