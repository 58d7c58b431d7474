//! The official editor, unmodified: its page, with one script of ours before its own, and its files.
//!
//! Invariants: the page is a seat's and needs its session; the other files are the same for
//! everyone and need none, which the browser's own requests for them (the web manifest's
//! among them) could not show. A path that is no file is 404, never the page.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, FromRequestParts, OriginalUri, Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use domain::SeatId;
use serde::Deserialize;
use workshop::files::FilesError;

use super::file_response;
use super::frontend_package::PublicFolder;
pub use super::frontend_package::{Frontend, FrontendError};
use crate::auth::SeatAccess;
use crate::error::HttpError;
use crate::state::AppState;

const SEAT_STORAGE: &str = include_str!("seat_storage.js");
// The editor's own scripts stay as they came (docs/decisions/0005): a fault of some versions
// below a path is made good from outside, as the storage names are.
const EDITOR_BASE_PATH: &str = include_str!("editor_base_path.js");

/// The editor needs inline script and style, evaluation and blob workers; it may speak to
/// this server only, and only this server's pages may hold it in a frame.
const PAGE_POLICY: &str = "default-src 'self'; \
    script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; \
    style-src 'self' 'unsafe-inline'; \
    img-src 'self' data: blob:; \
    media-src 'self' data: blob:; \
    font-src 'self' data:; \
    connect-src 'self' data: blob:; \
    worker-src 'self' blob:; \
    frame-src 'self' blob:; \
    object-src 'none'; \
    base-uri 'self'; \
    form-action 'self'; \
    frame-ancestors 'self'";

/// A name with a hash in it never stands for other content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";
const AN_HOUR: &str = "public, max-age=3600";

impl FromRef<AppState> for Arc<Frontend> {
    fn from_ref(state: &AppState) -> Self {
        Arc::clone(&state.frontend)
    }
}

/// The editor's files, relative to a seat's base; also answers all that is nothing there.
pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Frontend>: FromRef<S>,
{
    Router::new()
        .route("/user.css", get(stylesheet))
        .route("/templates/{*path}", get(template))
        .route("/docs/{*path}", get(doc))
        .route("/{*path}", any(file))
}

/// Each seat's page, and the files that the editor asks for at the origin's root.
pub fn root_routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    SeatAccess: FromRequestParts<S>,
    Arc<Frontend>: FromRef<S>,
{
    Router::new()
        .route("/user/{seat}/comfy", get(add_slash))
        .route("/user/{seat}/comfy/", get(page))
        .route("/assets/images/{*path}", get(root_file))
        .route("/assets/favicon.ico", get(root_file))
        .route("/cursor/{*path}", get(root_file))
        .route("/docs/{*path}", get(doc))
}

#[derive(Deserialize)]
struct SeatInPath {
    seat: String,
}

#[derive(Deserialize)]
struct FileInPath {
    path: String,
}

/// The editor finds its API relative to its page, so the page's address must end in a slash.
async fn add_slash(
    Path(SeatInPath { seat }): Path<SeatInPath>,
    OriginalUri(uri): OriginalUri,
) -> Result<Redirect, HttpError> {
    let seat = SeatId::parse_lenient(&seat).map_err(|_| HttpError::not_found())?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(Redirect::permanent(&format!("/user/{seat}/comfy/{query}")))
}

async fn page(
    SeatAccess(seat): SeatAccess,
    State(frontend): State<Arc<Frontend>>,
) -> Result<Response, HttpError> {
    let open = frontend.package.file("index.html").await?.ok_or_else(HttpError::not_found)?;
    let failed = |source| FilesError::Io { operation: "read the editor's page", source };
    let page = tokio::task::spawn_blocking(move || std::io::read_to_string(open.file)).await;
    let page = page.map_err(FilesError::CutShort)?.map_err(failed)?;
    let page = with_first_in_head(&page, &seat_script(seat)).ok_or_else(HttpError::not_found)?;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, page).into_response())
}

async fn file(
    method: Method,
    State(frontend): State<Arc<Frontend>>,
    Path(FileInPath { path }): Path<FileInPath>,
    request: HeaderMap,
) -> Result<Response, HttpError> {
    // The page itself is served to its seat only, with our script in it.
    if !matches!(method, Method::GET | Method::HEAD) || path == "index.html" {
        return Err(HttpError::not_found());
    }
    let caching = if carries_hash(&path) { FOR_EVER } else { ASK_AGAIN };
    respond(&frontend, Some(&frontend.package), &path, caching, &request).await
}

async fn root_file(
    State(frontend): State<Arc<Frontend>>,
    OriginalUri(uri): OriginalUri,
    request: HeaderMap,
) -> Result<Response, HttpError> {
    let path = super::percent::decode(uri.path().trim_start_matches('/'));
    respond(&frontend, Some(&frontend.package), &path, AN_HOUR, &request).await
}

async fn template(
    State(frontend): State<Arc<Frontend>>,
    Path(FileInPath { path }): Path<FileInPath>,
    request: HeaderMap,
) -> Result<Response, HttpError> {
    respond(&frontend, frontend.templates.as_ref(), &path, AN_HOUR, &request).await
}

async fn doc(
    State(frontend): State<Arc<Frontend>>,
    Path(FileInPath { path }): Path<FileInPath>,
    request: HeaderMap,
) -> Result<Response, HttpError> {
    respond(&frontend, frontend.docs.as_ref(), &path, AN_HOUR, &request).await
}

/// The package has no such file and the page links it: an empty one keeps the browser's log clean.
async fn stylesheet() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, AN_HOUR)], "")
}

async fn respond(
    frontend: &Frontend,
    folder: Option<&PublicFolder>,
    path: &str,
    caching: &'static str,
    request: &HeaderMap,
) -> Result<Response, HttpError> {
    let open = match folder {
        Some(folder) => folder.file(path).await?,
        None => None,
    };
    let open = open.ok_or_else(HttpError::not_found)?;
    let headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, content_type(path)),
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // The policy of a worker is its script's own.
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY)),
    ]);
    file_response::respond(request, open, &frontend.version_tag(), headers).await
}

fn content_type(path: &str) -> HeaderValue {
    let guessed = match mime_guess::from_path(path).first_raw() {
        // Modules are guessed by an older name of the same type.
        Some("application/javascript") => "text/javascript",
        guessed => guessed.unwrap_or("application/octet-stream"),
    };
    let is_text = guessed.starts_with("text/") || guessed.ends_with("json");
    let full = if is_text { format!("{guessed}; charset=utf-8") } else { guessed.to_owned() };
    HeaderValue::from_str(&full).expect("a media type makes a header")
}

/// Whether a file is called like `assets/index-CebUEmtR.js`: its builder gives such a hash to
/// what lies directly in `assets`. One without a capital letter is taken for a word.
fn carries_hash(path: &str) -> bool {
    let Some(name) = path.strip_prefix("assets/").filter(|name| !name.contains('/')) else { return false };
    let name = name.strip_suffix(".map").unwrap_or(name);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let Some((before, hash)) = stem.len().checked_sub(8).and_then(|start| stem.split_at_checked(start))
    else {
        return false;
    };
    before.ends_with('-')
        && hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        && hash.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn seat_script(seat: SeatId) -> String {
    // A seat's name is letters and digits only, so it is safe between quotes in a script.
    format!(
        "<script>(() => {{\n{SEAT_STORAGE}keepSeatsApart(\"{seat}\");\n{EDITOR_BASE_PATH}startBelowPath();\n}})();</script>"
    )
}

/// The page with `element` as the first in its head; `None` if it has no head.
pub(super) fn with_first_in_head(page: &str, element: &str) -> Option<String> {
    let starts = page.match_indices("<head").map(|(start, _)| start + "<head".len());
    let mut starts =
        starts.filter(|&start| page[start..].starts_with(|next: char| next == '>' || next.is_whitespace()));
    let start = starts.next()?;
    let (before, after) = page.split_at(start + page[start..].find('>')? + 1);
    Some(format!("{before}{element}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashed_names_are_told_from_words() {
        for path in [
            "assets/index-CebUEmtR.js",
            "assets/vendor-datadog-CS-2l-KQ.js",
            "assets/zod.gen-RVHXHSTd.js.map",
        ] {
            assert!(carries_hash(path), "{path}");
        }
        for path in [
            "assets/sorted-custom-node-map.json",
            "assets/images/comfy-icon-192.png",
            "assets/lib/vue/dist/vue.esm-browser.prod.js",
            "assets/favicon.ico",
            "extensions/core/index-CebUEmtR.js",
            "assets/short.js",
            "assets/ä-CebUEmt.js",
        ] {
            assert!(!carries_hash(path), "{path}");
        }
    }

    #[test]
    fn modules_fonts_and_binaries_have_their_types() {
        for (path, expected) in [
            ("assets/x.mjs", "text/javascript; charset=utf-8"),
            ("assets/x.js", "text/javascript; charset=utf-8"),
            ("assets/x.css", "text/css; charset=utf-8"),
            ("assets/x.wasm", "application/wasm"),
            ("fonts/x.woff2", "font/woff2"),
            ("docs/KSampler/en.md", "text/markdown; charset=utf-8"),
            ("x", "application/octet-stream"),
        ] {
            assert_eq!(content_type(path), expected, "{path}");
        }
    }

    #[test]
    fn our_script_comes_first_in_the_head() {
        let page = "<!doctype html><html><header></header><head lang=\"en\"><link></head></html>";
        let expected =
            "<!doctype html><html><header></header><head lang=\"en\"><script></script><link></head></html>";
        assert_eq!(with_first_in_head(page, "<script></script>").as_deref(), Some(expected));
        assert_eq!(with_first_in_head("<html><body></body></html>", "x"), None);
    }

    #[test]
    fn the_script_names_its_seat_and_ends_once() {
        let script = seat_script(SeatId::new(7).unwrap());
        assert!(script.contains("keepSeatsApart(\"user007\");"));
        assert_eq!(script.matches("</script").count(), 1);
        assert!(!script.contains("<!--"));
    }
}
