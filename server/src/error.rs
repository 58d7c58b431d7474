//! The one place where errors become a status and a body.
//!
//! The body is ComfyUI's own error shape everywhere under a seat's API, so that the
//! editor shows the message; other callers find it readable too.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use comfy_api::prompt::PromptError;
use domain::access::Denied;
use serde_json::json;
use workshop::WorkshopError;
use workshop::files::FilesError;

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Workshop(#[from] WorkshopError),
    /// The caller's fault, in words for the caller.
    #[error("{message}")]
    Refused { status: StatusCode, kind: &'static str, message: String },
}

impl HttpError {
    pub fn refused(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { status, kind, message: message.into() }
    }

    pub fn not_found() -> Self {
        Self::refused(StatusCode::NOT_FOUND, "not_found", "There is nothing here.")
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// A body over its limit, given in bytes.
    pub fn too_large(limit: usize) -> Self {
        let megabytes = limit as f64 / (1024.0 * 1024.0);
        Self::refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!(
                "This is larger than the {megabytes:.0} MB that the workshop allows. Make it smaller, or ask the operator to raise the limit."
            ),
        )
    }
}

impl From<FilesError> for HttpError {
    fn from(error: FilesError) -> Self {
        Self::Workshop(WorkshopError::Files(error))
    }
}

impl From<PromptError> for HttpError {
    fn from(error: PromptError) -> Self {
        Self::Workshop(WorkshopError::Prompt(error))
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let (status, kind, message) = match self {
            Self::Workshop(WorkshopError::Prompt(error)) => {
                let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
                return (status, Json(error.body)).into_response();
            }
            Self::Denied(Denied::SignedOut) => (
                StatusCode::UNAUTHORIZED,
                "signed_out",
                "You are not signed in on this browser. Open your join link again, then come back to this page.".into(),
            ),
            Self::Denied(Denied::InUseElsewhere) => (
                StatusCode::CONFLICT,
                "in_use_elsewhere",
                "Your seat is open in another browser. Reload the page to use it here instead.".into(),
            ),
            Self::Denied(Denied::NotYours) | Self::Workshop(WorkshopError::NotFound) => {
                (StatusCode::NOT_FOUND, "not_found", "There is nothing here for your seat.".into())
            }
            Self::Workshop(WorkshopError::StaleLease) => {
                (StatusCode::CONFLICT, "stale_lease", "This lease is no longer current: drop the run.".into())
            }
            Self::Workshop(WorkshopError::BadRequest(message)) => (StatusCode::BAD_REQUEST, "bad_request", message),
            Self::Workshop(WorkshopError::Files(error)) => file_error(&error),
            Self::Workshop(WorkshopError::Store(error)) if error.is_disk_full() => {
                tracing::error!(error = %chain(&error), "the disk of DATA_DIR is full");
                (StatusCode::INSUFFICIENT_STORAGE, "disk_full", DISK_FULL.into())
            }
            Self::Workshop(error @ WorkshopError::Store(_)) => {
                tracing::error!(error = %chain(&error), "a request failed");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "Something went wrong on the server. Nothing of yours is lost; try again in a moment.".into(),
                )
            }
            Self::Workshop(WorkshopError::Upload(error)) => {
                let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
                return (status, error_body(error.kind(), &error.to_string())).into_response();
            }
            Self::Workshop(WorkshopError::NoRoom(error)) => {
                (StatusCode::INSUFFICIENT_STORAGE, "no_room", error.to_string())
            }
            Self::Refused { status, kind, message } => (status, kind, message),
        };
        (status, error_body(kind, &message)).into_response()
    }
}

const DISK_FULL: &str = "The server's disk is full, so nothing new can be kept just now. What you have is safe. Tell your instructor, and try again when there is room.";

fn error_body(kind: &str, message: &str) -> Json<serde_json::Value> {
    Json(json!({
        "error": {"type": kind, "message": message, "details": "", "extra_info": {}},
        "node_errors": {},
    }))
}

fn file_error(error: &FilesError) -> (StatusCode, &'static str, String) {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_server_error() {
        tracing::error!(error = %chain(error), "a seat's files could not be used");
        if status == StatusCode::INSUFFICIENT_STORAGE {
            return (status, "disk_full", DISK_FULL.into());
        }
        return (status, "files", "Your files could not be reached just now. Try again in a moment.".into());
    }
    (status, "files", error.to_string())
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
