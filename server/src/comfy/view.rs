//! `GET /view`: the seat's pictures, videos and sounds, whole, in ranges, or as ComfyUI's
//! editor asks for their channels and previews.

use std::io::Seek;

use axum::Router;
use axum::extract::{FromRef, FromRequestParts, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use workshop::files::{FileLocation, FileName, FilesError, FolderKind, OpenFile, SeatFolders, SeatPath};

use super::file_response::{self, Validators};
use super::picture::{self, Channel, PictureError, Preview};
use super::{percent, seat_file};
use crate::auth::SeatAccess;
use crate::error::HttpError;

pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    SeatAccess: FromRequestParts<S>,
    SeatFolders: FromRef<S>,
{
    Router::new().route("/view", get(view))
}

#[derive(Deserialize)]
struct ViewQuery {
    filename: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    subfolder: String,
    channel: Option<String>,
    preview: Option<String>,
}

async fn view(
    SeatAccess(seat): SeatAccess,
    State(folders): State<SeatFolders>,
    Query(query): Query<ViewQuery>,
    request: HeaderMap,
) -> Result<Response, HttpError> {
    let location = location(&query)?;
    let files = folders.seat(seat).await?;
    let open = match files.open(&location).await {
        Err(FilesError::IsFolder | FilesError::IsFile) => return Err(HttpError::not_found()),
        open => open?,
    };
    let name = location.name.as_str();
    match Making::parse(&query) {
        Some(making) => making.respond(&request, open, name).await,
        None => file_response::respond(&request, open, "", seat_file::shown(name)).await,
    }
}

fn location(query: &ViewQuery) -> Result<FileLocation, HttpError> {
    let filename = query.filename.as_deref().ok_or_else(HttpError::not_found)?;
    let (filename, annotated) = FolderKind::split_annotation(filename);
    let decoded = percent::decode(filename);
    if decoded.starts_with('/') || decoded.split(['/', '\\']).any(|part| part == "..") {
        return Err(HttpError::bad_request("the file name leads out of its folder"));
    }
    let kind = match annotated {
        Some(kind) => kind,
        None => query
            .kind
            .as_deref()
            .unwrap_or("output")
            .parse()
            .map_err(|error| HttpError::bad_request(format!("{error}")))?,
    };
    // As in ComfyUI only `subfolder` chooses the folder: what stands before the name is dropped.
    let name = FileName::last_of(filename).map_err(FilesError::from)?;
    Ok(FileLocation { kind, subfolder: SeatPath::parse(&query.subfolder).map_err(FilesError::from)?, name })
}

/// What is to be made of a picture.
#[derive(Debug, Clone, Copy)]
struct Making {
    channel: Option<Channel>,
    preview: Option<Preview>,
}

impl Making {
    fn parse(query: &ViewQuery) -> Option<Self> {
        let channel = match query.channel.as_deref() {
            Some("rgb") => Some(Channel::Rgb),
            Some("a") => Some(Channel::Alpha),
            _ => None,
        };
        let preview = query.preview.as_deref().map(Preview::parse);
        (channel.is_some() || preview.is_some()).then_some(Self { channel, preview })
    }

    async fn respond(self, request: &HeaderMap, open: OpenFile, name: &str) -> Result<Response, HttpError> {
        let validators = Validators::of(&open, &self.variant());
        let private = HeaderMap::from_iter([(header::CACHE_CONTROL, seat_file::PRIVATE)]);
        if let Some(unchanged) = validators.unchanged(request, &private) {
            return Ok(unchanged);
        }
        let to_decode = open.file.try_clone().map_err(cannot_read)?;
        let made = picture::work(move || {
            let decoded = picture::decode(to_decode)?;
            match (self.preview, self.channel) {
                (Some(preview), channel) => picture::preview(decoded, preview, channel),
                (None, Some(channel)) => picture::channel(decoded, channel),
                (None, None) => unreachable!("a making without anything to make is never parsed"),
            }
        })
        .await;
        match made {
            Ok(made) => {
                let mut headers = seat_file::headers(name, made.media_type, "inline");
                validators.write_to(&mut headers);
                Ok((headers, made.bytes).into_response())
            }
            // A preview is the same picture in a smaller file: one that cannot be read here,
            // an animation or a video among them, is shown as it is.
            Err(PictureError::NotReadable(_)) if self.channel.is_none() => {
                let mut open = open;
                open.file.rewind().map_err(cannot_read)?;
                file_response::respond(request, open, "", seat_file::shown(name)).await
            }
            Err(error) => Err(error.into()),
        }
    }

    fn variant(self) -> String {
        format!("-{self:?}")
            .replace(|character: char| !character.is_ascii_alphanumeric() && character != '-', "")
    }
}

fn cannot_read(source: std::io::Error) -> FilesError {
    FilesError::Io { operation: "read a picture", source }
}
