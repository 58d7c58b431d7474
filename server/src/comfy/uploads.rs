//! `POST /upload/image` and `/upload/mask`: files of every kind for a seat's own folders.
//!
//! Invariant: an upload is streamed to disk and counted on the way; only its name's last
//! part is used, and it never goes to the output folder, which belongs to jobs.

use axum::Router;
use axum::body::Bytes;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRef, FromRequest, FromRequestParts, Multipart, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::json;
use workshop::files::{
    FileLocation, FileName, FilesError, FolderKind, ReceivedFile, SameName, SeatFiles, SeatFolders, SeatPath,
    Upload,
};

use super::form_body::Allowance;
use super::picture::{self, PictureError};
use super::png_text;
use crate::auth::SeatAccess;
use crate::error::HttpError;
use crate::state::AppState;

/// The editor sends five.
const MAX_PARTS: usize = 100;
/// The longest text beside the file: a reference to another file.
const MAX_TEXT_BYTES: usize = 64 * 1024;
/// The largest picture whose text chunks are carried over to its masked copy.
const MAX_PNG_WITH_TEXT_BYTES: u64 = 64 * 1024 * 1024;

/// How many bytes one upload may have.
#[derive(Debug, Clone, Copy)]
pub struct UploadLimit(pub usize);

impl FromRef<AppState> for UploadLimit {
    fn from_ref(state: &AppState) -> Self {
        Self(state.config.max_upload_bytes)
    }
}

pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    SeatAccess: FromRequestParts<S>,
    SeatFolders: FromRef<S>,
    UploadLimit: FromRef<S>,
{
    Router::new()
        .route("/upload/image", post(upload_image))
        .route("/upload/mask", post(upload_mask))
        // The handlers count for themselves: they can say more than that it was too much.
        .layer(DefaultBodyLimit::disable())
}

/// What a form holds.
#[derive(Default)]
struct Form {
    file: Option<(String, ReceivedFile)>,
    kind: Option<String>,
    subfolder: String,
    overwrite: Option<String>,
    original_ref: Option<String>,
}

/// The picture that a mask belongs to, as the mask editor names it.
#[derive(Deserialize)]
struct OriginalRef {
    filename: String,
    #[serde(default)]
    subfolder: String,
    #[serde(rename = "type", default)]
    kind: Option<String>,
}

async fn upload_image(
    SeatAccess(seat): SeatAccess,
    State(folders): State<SeatFolders>,
    State(limit): State<UploadLimit>,
    request: Request,
) -> Result<Response, HttpError> {
    let files = folders.seat(seat).await?;
    let mut form = read_form(&files, request, limit).await?;
    let (name, received) = form.file.take().ok_or_else(no_file)?;
    let upload = form.destination(&name)?;
    refuse_contradiction(&files, &received, &upload).await?;
    store(&files, received, upload).await
}

/// A web page called a picture is a mistake that its sender should hear of.
async fn refuse_contradiction(
    files: &SeatFiles,
    received: &ReceivedFile,
    upload: &Upload,
) -> Result<(), HttpError> {
    let mut open = received.open(files).await?;
    let name = upload.name.to_string();
    let found = tokio::task::spawn_blocking(move || open.contradiction_to(&name)).await;
    match found.map_err(FilesError::CutShort)?? {
        None => Ok(()),
        Some(message) => {
            Err(HttpError::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong_content", message))
        }
    }
}

async fn upload_mask(
    SeatAccess(seat): SeatAccess,
    State(folders): State<SeatFolders>,
    State(limit): State<UploadLimit>,
    request: Request,
) -> Result<Response, HttpError> {
    let files = folders.seat(seat).await?;
    let mut form = read_form(&files, request, limit).await?;
    let (name, mask) = form.file.take().ok_or_else(no_file)?;
    let upload = form.destination(&name)?;
    let original = form.original()?;
    // ComfyUI answers that a mask of an absent picture was saved, and saves nothing; we say so.
    let original = files.open(&original).await?;
    let mask = mask.open(&files).await?;
    let masked = picture::work(move || {
        let text_source = original.file.try_clone();
        let masked =
            picture::with_alpha_of(picture::decode(original.file)?, picture::decode(mask.file)?)?.bytes;
        Ok(match text_source {
            Ok(source) if original.bytes <= MAX_PNG_WITH_TEXT_BYTES => with_text_of(source, masked)?,
            _ => masked,
        })
    })
    .await?;
    let received = files.receive_bytes(&masked).await?;
    store(&files, received, upload).await
}

fn with_text_of(mut source: std::fs::File, masked: Vec<u8>) -> Result<Vec<u8>, PictureError> {
    use std::io::{Read, Seek};

    let mut original = Vec::new();
    source
        .rewind()
        .and_then(|()| source.take(MAX_PNG_WITH_TEXT_BYTES).read_to_end(&mut original))
        .map_err(|error| PictureError::NotReadable(error.into()))?;
    Ok(png_text::carry_over(&original, masked))
}

async fn store(files: &SeatFiles, received: ReceivedFile, upload: Upload) -> Result<Response, HttpError> {
    let location = files.store_upload(received, upload).await?.location;
    let answer = json!({
        "name": location.name.as_str(),
        "subfolder": location.subfolder.as_str(),
        "type": location.kind.as_str(),
    });
    Ok(Json(answer).into_response())
}

impl Form {
    fn destination(&self, name: &str) -> Result<Upload, HttpError> {
        // Every fault of the form is 400, as in ComfyUI.
        let bad_path = |error: workshop::files::InvalidPath| HttpError::bad_request(error.to_string());
        let same_name = match self.overwrite.as_deref() {
            Some("true" | "1") => SameName::Replace,
            _ => SameName::KeepBoth,
        };
        Ok(Upload {
            kind: match self.kind.as_deref() {
                None | Some("input") => FolderKind::Input,
                Some("temp") => FolderKind::Temp,
                Some(other) => {
                    return Err(HttpError::bad_request(format!(
                        "uploads go to `input` or `temp`, not `{other}`"
                    )));
                }
            },
            subfolder: SeatPath::parse(&self.subfolder).map_err(bad_path)?,
            name: FileName::last_of(name).map_err(bad_path)?,
            same_name,
        })
    }

    fn original(&self) -> Result<FileLocation, HttpError> {
        let text = self
            .original_ref
            .as_deref()
            .ok_or_else(|| HttpError::bad_request("`original_ref` is missing"))?;
        let original: OriginalRef = serde_json::from_str(text)
            .map_err(|error| HttpError::bad_request(format!("`original_ref` is not understood: {error}")))?;
        let (name, annotated) = FolderKind::split_annotation(&original.filename);
        let kind = match (annotated, original.kind.as_deref()) {
            (Some(kind), _) => kind,
            (None, kind) => kind
                .unwrap_or("output")
                .parse()
                .map_err(|error| HttpError::bad_request(format!("{error}")))?,
        };
        Ok(FileLocation::parse(kind, &original.subfolder, name).map_err(FilesError::from)?)
    }
}

async fn read_form(
    files: &SeatFiles,
    request: Request,
    UploadLimit(limit): UploadLimit,
) -> Result<Form, HttpError> {
    let (allowance, request) = Allowance::limit(request);
    let multipart = Multipart::from_request(request, &()).await;
    let mut multipart = multipart.map_err(|rejection| HttpError::bad_request(rejection.body_text()))?;
    let mut form = Form::default();
    let mut parts = 0;
    while let Some(field) = multipart.next_field().await.map_err(broken)? {
        allowance.renew();
        parts += 1;
        if parts > MAX_PARTS {
            return Err(HttpError::bad_request(format!("the form has more than {MAX_PARTS} parts")));
        }
        let field = Content { field, allowance: &allowance };
        let name = field.field.name().unwrap_or_default().to_owned();
        let filename = field.field.file_name().unwrap_or_default().to_owned();
        match name.as_str() {
            // A field without a file name is no file; a browser sends an empty one for an empty choice.
            "image" if !filename.is_empty() && form.file.is_none() => {
                form.file = Some((filename, read_file(files, field, limit).await?));
            }
            "type" => form.kind = Some(read_text(field).await?),
            "subfolder" => form.subfolder = read_text(field).await?,
            "overwrite" => form.overwrite = Some(read_text(field).await?),
            "original_ref" => form.original_ref = Some(read_text(field).await?),
            _ => skip(field, limit).await?,
        }
    }
    Ok(form)
}

async fn read_file(
    files: &SeatFiles,
    mut field: Content<'_>,
    limit: usize,
) -> Result<ReceivedFile, HttpError> {
    let mut incoming = files.receive(limit as u64).await?;
    while let Some(chunk) = field.chunk().await? {
        match incoming.write(&chunk).await {
            Err(FilesError::TooLarge { .. }) => {
                drop(incoming);
                // A browser shows no answer to a request that it could not finish sending.
                skip(field, limit).await?;
                return Err(HttpError::too_large(limit));
            }
            written => written?,
        }
    }
    Ok(incoming.finish().await?)
}

/// What a part of the form holds.
struct Content<'a> {
    field: Field<'a>,
    allowance: &'a Allowance,
}

impl Content<'_> {
    async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        let chunk = self.field.chunk().await.map_err(broken)?;
        self.allowance.renew();
        Ok(chunk)
    }
}

/// Reads to the field's end and drops it, unless that alone is more than an upload may have.
async fn skip(mut field: Content<'_>, limit: usize) -> Result<(), HttpError> {
    let mut skipped = 0;
    while let Some(chunk) = field.chunk().await? {
        skipped += chunk.len();
        if skipped > limit {
            return Err(HttpError::too_large(limit));
        }
    }
    Ok(())
}

async fn read_text(mut field: Content<'_>) -> Result<String, HttpError> {
    let mut text = Vec::new();
    while let Some(chunk) = field.chunk().await? {
        text.extend_from_slice(&chunk);
        if text.len() > MAX_TEXT_BYTES {
            return Err(HttpError::bad_request("a text field of the form is too long"));
        }
    }
    String::from_utf8(text).map_err(|_| HttpError::bad_request("a text field of the form is no UTF-8"))
}

fn broken(error: MultipartError) -> HttpError {
    HttpError::refused(
        StatusCode::BAD_REQUEST,
        "broken_upload",
        format!("the upload broke off: {}", error.body_text()),
    )
}

fn no_file() -> HttpError {
    HttpError::bad_request("no file was sent in the field `image`")
}
