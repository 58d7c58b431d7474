//! A small picture of a result: made at the first request, then kept beside the seat's files.
//!
//! Invariant: each is made once. Requests for one that is being made wait for it, and what
//! nothing can be made of is remembered as such.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::SeatId;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ImageFormat};
use serde::Deserialize;
use workshop::files::{SeatFiles, ThumbnailKind};
use workshop::gallery::{Media, ResultFile};

use super::{kept, poster};
use crate::auth::SeatAccess;
use crate::comfy::picture::{self, PictureError};
use crate::comfy::{file_response, seat_file};
use crate::error::HttpError;
use crate::state::AppState;

/// Twice the side of a tile, for screens with small pixels.
const SIDE_PIXELS: u32 = 384;
const JPEG_QUALITY: u8 = 82;

type Turn = tokio::sync::Mutex<()>;
type Turns = HashMap<(SeatId, String), Weak<Turn>>;

/// Those that are being made, by seat and content.
static BEING_MADE: LazyLock<Mutex<Turns>> = LazyLock::new(Mutex::default);

#[derive(Deserialize)]
pub(super) struct ResultPath {
    result: i64,
}

pub(super) async fn thumbnail(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    Path(path): Path<ResultPath>,
    request: HeaderMap,
) -> Result<Response, HttpError> {
    let result = state.workshop.result_file(seat, path.result).await?;
    let files = state.workshop.files().seat(seat).await?;
    let made = match files.thumbnail(&result.sha256).await? {
        Some(made) => Some(made),
        None => {
            make_once(seat, &files, &result).await?;
            files.thumbnail(&result.sha256).await?
        }
    };
    let media_type = match &made {
        Some((ThumbnailKind::Jpeg, _)) => "image/jpeg",
        Some((ThumbnailKind::Webp, _)) => "image/webp",
        // Not an error: the page shows what the file is instead.
        Some((ThumbnailKind::Nothing, _)) | None => return Ok(StatusCode::NO_CONTENT.into_response()),
    };
    let (_, open) = made.ok_or_else(HttpError::not_found)?;
    let headers = kept(seat_file::headers("thumbnail", media_type, "inline"));
    file_response::respond(&request, open, "", headers).await
}

async fn make_once(seat: SeatId, files: &SeatFiles, result: &ResultFile) -> Result<(), HttpError> {
    let turn = turn(seat, &result.sha256);
    let _turn = turn.lock().await;
    if files.thumbnail(&result.sha256).await?.is_some() {
        return Ok(());
    }
    let open = files.open(&result.location).await?;
    let made = match result.media {
        Media::Image | Media::Animated => {
            match picture::work(move || small(picture::decode(open.file)?)).await {
                Ok(made) => made,
                Err(PictureError::NotReadable(_) | PictureError::TooLarge(_)) => {
                    (ThumbnailKind::Nothing, Vec::new())
                }
                Err(error) => return Err(error.into()),
            }
        }
        Media::Video => match poster::first_picture(open.file, SIDE_PIXELS).await {
            poster::Poster::Made(bytes) => {
                let picture = picture::work(move || {
                    let read = image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg);
                    small(read.map_err(PictureError::NotReadable)?)
                });
                picture.await.unwrap_or((ThumbnailKind::Nothing, Vec::new()))
            }
            poster::Poster::Impossible => (ThumbnailKind::Nothing, Vec::new()),
            // Another time, or never: the page shows the video itself.
            poster::Poster::NoTool | poster::Poster::Failed => return Ok(()),
        },
        Media::Audio | Media::Other => (ThumbnailKind::Nothing, Vec::new()),
    };
    let (kind, bytes) = made;
    Ok(files.keep_thumbnail(&result.sha256, kind, &bytes).await?)
}

fn small(picture: DynamicImage) -> Result<(ThumbnailKind, Vec<u8>), PictureError> {
    let is_larger = picture.width() > SIDE_PIXELS || picture.height() > SIDE_PIXELS;
    let small = if is_larger { picture.thumbnail(SIDE_PIXELS, SIDE_PIXELS) } else { picture };
    let mut bytes = Cursor::new(Vec::new());
    let (written, kind) = if picture::is_transparent(&small) {
        let small = small.into_rgba8();
        (small.write_with_encoder(WebPEncoder::new_lossless(&mut bytes)), ThumbnailKind::Webp)
    } else {
        let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
        (small.into_rgb8().write_with_encoder(encoder), ThumbnailKind::Jpeg)
    };
    written.map_err(PictureError::NotWritten)?;
    Ok((kind, bytes.into_inner()))
}

fn turn(seat: SeatId, content: &str) -> Arc<Turn> {
    let mut turns = BEING_MADE.lock().unwrap_or_else(PoisonError::into_inner);
    turns.retain(|_, turn| turn.strong_count() > 0);
    let key = (seat, content.to_owned());
    if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
        return turn;
    }
    let turn = Arc::default();
    turns.insert(key, Arc::downgrade(&turn));
    turn
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};

    use super::*;

    #[test]
    fn a_thumbnail_is_small_and_keeps_transparency() {
        for (alpha, expected) in [(255, ThumbnailKind::Jpeg), (9, ThumbnailKind::Webp)] {
            let picture = RgbaImage::from_pixel(1600, 400, Rgba([1, 2, 3, alpha]));
            let (kind, bytes) = small(DynamicImage::ImageRgba8(picture)).unwrap();
            assert_eq!(kind, expected);
            let read = image::load_from_memory(&bytes).unwrap();
            assert_eq!((read.width(), read.height()), (SIDE_PIXELS, SIDE_PIXELS / 4));
        }
        let tiny = small(DynamicImage::new_rgb8(3, 2)).unwrap().1;
        assert_eq!(image::load_from_memory(&tiny).unwrap().width(), 3, "nothing is blown up");
    }

    #[test]
    fn one_content_is_made_by_one_at_a_time() {
        let seat = |number| SeatId::new(number).unwrap();
        let first = turn(seat(1), "one-content");
        assert!(Arc::ptr_eq(&first, &turn(seat(1), "one-content")));
        assert!(!Arc::ptr_eq(&first, &turn(seat(2), "one-content")));
    }
}
