//! `/user/{seat}/uploads`: files in pieces, by the tus protocol 1.0 (core, creation,
//! expiration, termination), and beside it what the portal's page reads as JSON.
//!
//! Invariant: a body is passed on as it comes in and never kept; which bytes count is the
//! use case's to say.

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::UploadId;
use futures::TryStreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{StoredUpload, UploadOutcome, UploadTarget};
use tokio_util::io::StreamReader;
use workshop::NewUpload;
use workshop::uploads::expires_at;

use crate::auth::SeatAccess;
use crate::error::HttpError;
use crate::state::AppState;

const VERSION: &str = "1.0.0";
const EXTENSIONS: &str = "creation,expiration,termination";
const OFFSET_STREAM: &str = "application/offset+octet-stream";
/// A file name and a few words.
const MAX_METADATA_BYTES: usize = 8 * 1024;

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/user/{seat}/uploads", post(create).get(list).options(capabilities))
        .route(
            "/user/{seat}/uploads/{id}",
            post(overridden).patch(append).delete(cancel).head(offset).get(read).options(capabilities),
        )
        .layer(from_fn(speak_tus))
}

/// Every answer names the protocol's version, and every change must.
async fn speak_tus(request: Request, next: Next) -> Response {
    let is_plain = request.method().is_safe() && request.method() != axum::http::Method::HEAD;
    let version = request.headers().get(&TUS_RESUMABLE).map(HeaderValue::as_bytes);
    let mut response = if is_plain || version == Some(VERSION.as_bytes()) {
        next.run(request).await
    } else {
        let refused = HttpError::refused(
            StatusCode::PRECONDITION_FAILED,
            "tus_version",
            format!("This address speaks the tus protocol: send `Tus-Resumable: {VERSION}`."),
        );
        ([(TUS_VERSION, VERSION)], refused).into_response()
    };
    response.headers_mut().insert(TUS_RESUMABLE, HeaderValue::from_static(VERSION));
    response
}

async fn capabilities(State(state): State<AppState>) -> Response {
    let storage = &state.config.storage;
    let max_bytes = storage.max_file_bytes.max(storage.max_model_bytes);
    let headers = [
        (TUS_VERSION, HeaderValue::from_static(VERSION)),
        (TUS_EXTENSION, HeaderValue::from_static(EXTENSIONS)),
        (TUS_MAX_SIZE, HeaderValue::from(max_bytes)),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

async fn create(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let bytes = number(&headers, &UPLOAD_LENGTH)?;
    let metadata = headers.get(&UPLOAD_METADATA).map_or(Ok(""), |metadata| metadata.to_str());
    let metadata = metadata.map_err(|_| HttpError::bad_request("`Upload-Metadata` is no plain text"))?;
    let upload = state.workshop.create_upload(seat, Metadata::parse(metadata)?.upload(bytes)).await?;
    let location = format!("/user/{seat}/uploads/{}", upload.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], [expiry(&upload)]).into_response())
}

#[derive(Deserialize)]
struct UploadPath {
    id: UploadId,
}

async fn offset(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    path: Result<Path<UploadPath>, PathRejection>,
) -> Result<Response, HttpError> {
    let upload = state.workshop.upload(seat, known(path)?).await?;
    let mut headers = HeaderMap::from_iter([
        (UPLOAD_OFFSET, HeaderValue::from(upload.received)),
        (UPLOAD_LENGTH, HeaderValue::from(upload.bytes)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        expiry(&upload),
    ]);
    if let Ok(metadata) = HeaderValue::from_str(&upload.metadata) {
        headers.insert(UPLOAD_METADATA, metadata);
    }
    // What was refused is no more: its bytes were dropped.
    let is_gone = matches!(upload.outcome, Some(UploadOutcome::Refused { .. }));
    let status = if is_gone { StatusCode::GONE } else { StatusCode::OK };
    Ok((status, headers).into_response())
}

async fn append(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    path: Result<Path<UploadPath>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpError> {
    let id = known(path)?;
    if headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) != Some(OFFSET_STREAM.as_bytes()) {
        return Err(HttpError::refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_type",
            format!("Send the bytes as `Content-Type: {OFFSET_STREAM}`."),
        ));
    }
    let offset = number(&headers, &UPLOAD_OFFSET)?;
    let upload = state.workshop.upload(seat, id).await?;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|announced: u64| announced > upload.bytes.saturating_sub(offset)) {
        return Err(HttpError::refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "This is more than the upload was announced to have.",
        ));
    }
    let stream = body.into_data_stream().map_err(std::io::Error::other);
    let offset = state.workshop.append_upload(seat, id, offset, StreamReader::new(Box::pin(stream))).await?;
    let headers = [(UPLOAD_OFFSET, HeaderValue::from(offset)), expiry(&upload)];
    Ok((StatusCode::NO_CONTENT, headers).into_response())
}

async fn cancel(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    path: Result<Path<UploadPath>, PathRejection>,
) -> Result<StatusCode, HttpError> {
    state.workshop.cancel_upload(seat, known(path)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// For clients behind something that lets only `GET` and `POST` through.
async fn overridden(
    seat: SeatAccess,
    state: State<AppState>,
    path: Result<Path<UploadPath>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpError> {
    match headers.get(&METHOD_OVERRIDE).map(HeaderValue::as_bytes) {
        Some(b"PATCH") => append(seat, state, path, headers, body).await,
        Some(b"DELETE") => cancel(seat, state, path).await.map(IntoResponse::into_response),
        _ => Err(HttpError::refused(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "Send the bytes of an upload by `PATCH`.",
        )),
    }
}

async fn list(SeatAccess(seat): SeatAccess, State(state): State<AppState>) -> Result<Json<Value>, HttpError> {
    let uploads = state.workshop.open_uploads(seat).await?;
    Ok(Json(uploads.iter().map(as_json).collect()))
}

async fn read(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    path: Result<Path<UploadPath>, PathRejection>,
) -> Result<Json<Value>, HttpError> {
    Ok(Json(as_json(&state.workshop.upload(seat, known(path)?).await?)))
}

fn as_json(upload: &StoredUpload) -> Value {
    let (kind, folder) = match &upload.target {
        UploadTarget::Input { subfolder } => ("input", subfolder),
        UploadTarget::Model { folder } => ("model", folder),
    };
    json!({
        "id": upload.id,
        "filename": upload.name,
        "kind": kind,
        "folder": folder,
        "length": upload.bytes,
        "offset": upload.received,
        "outcome": upload.outcome,
    })
}

/// An id that is none names nothing.
fn known(path: Result<Path<UploadPath>, PathRejection>) -> Result<UploadId, HttpError> {
    path.map(|Path(path)| path.id).map_err(|_| HttpError::not_found())
}

fn expiry(upload: &StoredUpload) -> (HeaderName, HeaderValue) {
    let at = std::time::UNIX_EPOCH
        + std::time::Duration::from_millis(u64::try_from(expires_at(upload).unix_ms()).unwrap_or(0));
    let date = HeaderValue::from_str(&httpdate::fmt_http_date(at)).expect("a date is plain text");
    (UPLOAD_EXPIRES, date)
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, HttpError> {
    let text = headers.get(name).and_then(|value| value.to_str().ok());
    let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        // The database counts to as much.
        .filter(|number| i64::try_from(*number).is_ok())
        .ok_or_else(|| HttpError::bad_request(format!("`{name}` must be a number of bytes")))
}

/// `Upload-Metadata`: keys, each with a value in base64.
#[derive(Debug, Default, PartialEq, Eq)]
struct Metadata {
    sent: String,
    filename: String,
    kind: Option<String>,
    folder: String,
    subfolder: String,
    sha256: Option<String>,
}

impl Metadata {
    fn parse(text: &str) -> Result<Self, HttpError> {
        if text.len() > MAX_METADATA_BYTES {
            return Err(HttpError::bad_request("`Upload-Metadata` is too long"));
        }
        let mut metadata = Self { sent: text.to_owned(), ..Self::default() };
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            let value = STANDARD.decode(value.trim()).ok().and_then(|value| String::from_utf8(value).ok());
            let value = value.ok_or_else(|| {
                HttpError::bad_request(format!("`{key}` in `Upload-Metadata` is no text in base64"))
            })?;
            match key {
                // What common clients call it.
                "filename" | "name" => metadata.filename = value,
                "kind" => metadata.kind = Some(value),
                "folder" => metadata.folder = value,
                "subfolder" => metadata.subfolder = value,
                "sha256" => metadata.sha256 = Some(value),
                _ => {}
            }
        }
        match metadata.kind.as_deref() {
            None | Some("input" | "model") => Ok(metadata),
            Some(other) => Err(HttpError::bad_request(format!(
                "uploads are of the kind `input` or `model`, not `{other}`"
            ))),
        }
    }

    fn upload(self, bytes: u64) -> NewUpload {
        let target = match self.kind.as_deref() {
            Some("model") => UploadTarget::Model { folder: self.folder },
            _ => UploadTarget::Input { subfolder: self.subfolder },
        };
        NewUpload { target, name: self.filename, bytes, sha256: self.sha256, metadata: self.sent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_keys_with_values_in_base64() {
        let sent = "filename bcO2ZGVsLnNhZmV0ZW5zb3Jz, kind bW9kZWw=,folder bG9yYXM=,empty,other eA==";
        let metadata = Metadata::parse(sent).unwrap();
        assert_eq!(metadata.filename, "mödel.safetensors");
        assert_eq!((metadata.kind.as_deref(), metadata.folder.as_str()), (Some("model"), "loras"));
        assert_eq!(Metadata::parse("").unwrap(), Metadata::default());
        for bad in ["filename ?", "filename /w==", "kind eA=="] {
            assert!(Metadata::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_digits_are_a_number() {
        let number = |text: &str| {
            let headers = HeaderMap::from_iter([(UPLOAD_OFFSET, HeaderValue::from_str(text).unwrap())]);
            super::number(&headers, &UPLOAD_OFFSET).ok()
        };
        assert_eq!(number("0"), Some(0));
        assert_eq!(number("5000000000"), Some(5_000_000_000));
        for bad in ["", "-1", "+1", "1.5", "x", "18446744073709551615", "99999999999999999999"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
