//! Pictures taken apart and put together: channels, previews and masks.
//!
//! Invariant: a picture is decoded only within [`MAX_DECODED_BYTES`], and only few at
//! once, so that no small file with a huge picture in it exhausts the server.

use std::fs::File;
use std::io::{BufReader, Cursor};

use axum::http::StatusCode;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, RgbaImage};
use tokio::sync::Semaphore;

use crate::error::HttpError;

/// 8192 × 8192 pixels of four bytes.
const MAX_DECODED_BYTES: u64 = 256 * 1024 * 1024;
const MAX_SIDE_PIXELS: u32 = 16_384;

/// Each holds a decoded picture or two; the others wait.
static WORKPLACES: Semaphore = Semaphore::const_new(2);

/// An encoded picture and its type.
#[derive(Debug)]
pub(super) struct Encoded {
    pub bytes: Vec<u8>,
    pub media_type: &'static str,
}

/// A format asked for by `preview=webp;90`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Preview {
    pub format: PreviewFormat,
    pub quality: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PreviewFormat {
    Jpeg,
    Webp,
}

/// Which channels of a picture are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Rgb,
    Alpha,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PictureError {
    #[error("this is no picture that the server can read")]
    NotReadable(#[source] ImageError),
    #[error("this picture is too large to work on")]
    TooLarge(#[source] ImageError),
    #[error("the mask is {} × {} pixels and the picture {} × {}", mask.0, mask.1, picture.0, picture.1)]
    SizesDiffer { mask: (u32, u32), picture: (u32, u32) },
    #[error("the picture could not be written")]
    NotWritten(#[source] ImageError),
    #[error("the work on the picture was cut short")]
    CutShort(#[source] tokio::task::JoinError),
}

/// Runs work on pictures on a thread that may block, when one of the workplaces is free.
pub(crate) async fn work<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PictureError> + Send + 'static,
) -> Result<T, PictureError> {
    let workplace = WORKPLACES.acquire().await.expect("the workplaces are never closed");
    tokio::task::spawn_blocking(move || {
        // Kept until the work is done, even if nobody waits for it any more.
        let _workplace = workplace;
        work()
    })
    .await
    .map_err(PictureError::CutShort)?
}

/// Reads the picture in a file.
pub(crate) fn decode(file: File) -> Result<DynamicImage, PictureError> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE_PIXELS);
    limits.max_image_height = Some(MAX_SIDE_PIXELS);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    let decoded = || {
        let mut reader =
            ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(ImageError::IoError)?;
        reader.limits(limits.clone());
        let decoder = reader.into_decoder()?;
        // What is made of it has four bytes a pixel, however few the file's own have.
        let (width, height) = decoder.dimensions();
        limits.reserve(decoder.total_bytes().max(u64::from(width) * u64::from(height) * 4))?;
        DynamicImage::from_decoder(decoder)
    };
    decoded().map_err(|error| match error {
        error @ ImageError::Limits(_) => PictureError::TooLarge(error),
        error => PictureError::NotReadable(error),
    })
}

/// The colours without transparency, or the transparency without colours.
pub(super) fn channel(picture: DynamicImage, channel: Channel) -> Result<Encoded, PictureError> {
    match channel {
        Channel::Rgb => png(&DynamicImage::ImageRgb8(picture.into_rgb8())),
        Channel::Alpha => {
            let mut picture = picture.into_rgba8();
            for pixel in picture.pixels_mut() {
                pixel.0 = [0, 0, 0, pixel.0[3]];
            }
            png(&DynamicImage::ImageRgba8(picture))
        }
    }
}

/// A smaller file of the same picture. WebP can be written only without loss, which for a
/// photograph is no smaller, so an opaque picture becomes a JPEG whichever was asked for.
pub(super) fn preview(
    picture: DynamicImage,
    preview: Preview,
    channel: Option<Channel>,
) -> Result<Encoded, PictureError> {
    let is_transparent = channel != Some(Channel::Rgb) && is_transparent(&picture);
    let keeps_alpha = preview.format == PreviewFormat::Webp || channel == Some(Channel::Alpha);
    let mut bytes = Cursor::new(Vec::new());
    let (written, media_type) = if is_transparent && keeps_alpha {
        (picture.into_rgba8().write_with_encoder(WebPEncoder::new_lossless(&mut bytes)), "image/webp")
    } else {
        let encoder = JpegEncoder::new_with_quality(&mut bytes, preview.quality);
        (picture.into_rgb8().write_with_encoder(encoder), "image/jpeg")
    };
    written.map_err(PictureError::NotWritten)?;
    Ok(Encoded { bytes: bytes.into_inner(), media_type })
}

/// The picture with the mask's transparency in place of its own.
pub(super) fn with_alpha_of(picture: DynamicImage, mask: DynamicImage) -> Result<Encoded, PictureError> {
    let mut picture: RgbaImage = picture.into_rgba8();
    let mask = mask.into_rgba8();
    if mask.dimensions() != picture.dimensions() {
        return Err(PictureError::SizesDiffer { mask: mask.dimensions(), picture: picture.dimensions() });
    }
    for (pixel, mask) in picture.pixels_mut().zip(mask.pixels()) {
        pixel.0[3] = mask.0[3];
    }
    png(&DynamicImage::ImageRgba8(picture))
}

fn png(picture: &DynamicImage) -> Result<Encoded, PictureError> {
    let mut bytes = Cursor::new(Vec::new());
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive);
    picture.write_with_encoder(encoder).map_err(PictureError::NotWritten)?;
    Ok(Encoded { bytes: bytes.into_inner(), media_type: "image/png" })
}

pub(crate) fn is_transparent(picture: &DynamicImage) -> bool {
    picture.color().has_alpha() && picture.to_rgba8().pixels().any(|pixel| pixel.0[3] != u8::MAX)
}

impl Preview {
    /// Reads `webp;90` or `jpeg`; an unknown format is WebP, as in ComfyUI.
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = text.split(';');
        let format = if parts.next() == Some("jpeg") { PreviewFormat::Jpeg } else { PreviewFormat::Webp };
        let quality = parts.next_back().and_then(|quality| quality.parse::<u8>().ok()).unwrap_or(90);
        Self { format, quality: quality.clamp(1, 100) }
    }
}

impl From<PictureError> for HttpError {
    fn from(error: PictureError) -> Self {
        match error {
            PictureError::NotReadable(_) => {
                Self::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_a_picture", error.to_string())
            }
            PictureError::TooLarge(_) => {
                Self::refused(StatusCode::PAYLOAD_TOO_LARGE, "picture_too_large", error.to_string())
            }
            PictureError::SizesDiffer { .. } => Self::bad_request(error.to_string()),
            PictureError::NotWritten(_) | PictureError::CutShort(_) => {
                tracing::error!(%error, cause = ?std::error::Error::source(&error), "a picture could not be made");
                let message = "The picture could not be made. Try again in a moment.";
                Self::refused(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(alpha: u8) -> DynamicImage {
        DynamicImage::ImageRgba8(RgbaImage::from_pixel(4, 2, image::Rgba([10, 20, 30, alpha])))
    }

    fn file_of(bytes: &[u8]) -> File {
        use std::io::{Seek, Write};
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    fn pixel(encoded: &Encoded) -> [u8; 4] {
        decode(file_of(&encoded.bytes)).unwrap().into_rgba8().get_pixel(0, 0).0
    }

    #[test]
    fn channels_are_taken_apart() {
        assert_eq!(pixel(&channel(picture(7), Channel::Rgb).unwrap()), [10, 20, 30, 255]);
        assert_eq!(pixel(&channel(picture(7), Channel::Alpha).unwrap()), [0, 0, 0, 7]);
        let opaque = DynamicImage::ImageRgb8(picture(7).into_rgb8());
        assert_eq!(pixel(&channel(opaque, Channel::Alpha).unwrap()), [0, 0, 0, 255]);
    }

    #[test]
    fn a_mask_replaces_the_transparency() {
        assert_eq!(pixel(&with_alpha_of(picture(255), picture(9)).unwrap()), [10, 20, 30, 9]);
        let other = DynamicImage::new_rgba8(5, 5);
        assert!(matches!(with_alpha_of(picture(255), other), Err(PictureError::SizesDiffer { .. })));
    }

    #[test]
    fn previews_keep_transparency_only_where_there_is_some() {
        let webp = Preview::parse("webp;90");
        assert_eq!(preview(picture(255), webp, None).unwrap().media_type, "image/jpeg");
        let transparent = preview(picture(7), webp, None).unwrap();
        assert_eq!((transparent.media_type, pixel(&transparent)), ("image/webp", [10, 20, 30, 7]));
        assert_eq!(preview(picture(7), webp, Some(Channel::Rgb)).unwrap().media_type, "image/jpeg");
        assert_eq!(preview(picture(7), Preview::parse("jpeg;50"), None).unwrap().media_type, "image/jpeg");
    }

    #[test]
    fn preview_parameters_are_read_as_comfyui_reads_them() {
        for (text, format, quality) in [
            ("webp;90", PreviewFormat::Webp, 90),
            ("jpeg;50", PreviewFormat::Jpeg, 50),
            ("jpeg", PreviewFormat::Jpeg, 90),
            ("gif;999", PreviewFormat::Webp, 90),
            ("", PreviewFormat::Webp, 90),
            ("jpeg;0", PreviewFormat::Jpeg, 1),
        ] {
            assert_eq!(Preview::parse(text), Preview { format, quality }, "{text}");
        }
    }

    /// A gray PNG that claims this size; its data, which would be needed only later, is absent.
    fn claiming(width: u32, height: u32) -> Vec<u8> {
        let mut header = b"IHDR".to_vec();
        header.extend(width.to_be_bytes());
        header.extend(height.to_be_bytes());
        header.extend([8, 0, 0, 0, 0]);
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
        png.extend(&header);
        png.extend(checksum(&header).to_be_bytes());
        png.extend(b"\0\0\0\0IDAT");
        png.extend(checksum(b"IDAT").to_be_bytes());
        png
    }

    fn checksum(bytes: &[u8]) -> u32 {
        let divide = |rest: u32, _| if rest & 1 == 1 { rest >> 1 ^ 0xEDB8_8320 } else { rest >> 1 };
        !bytes.iter().fold(u32::MAX, |rest, byte| (0..8).fold(rest ^ u32::from(*byte), divide))
    }

    #[test]
    fn a_huge_picture_in_a_small_file_is_refused() {
        for (width, height) in [(20_000, 1), (1, 20_000), (9_000, 9_000), (16_000, 16_000)] {
            let decoded = decode(file_of(&claiming(width, height)));
            assert!(matches!(decoded, Err(PictureError::TooLarge(_))), "{width}: {decoded:?}");
        }
        // Within the limits it is the missing data that stops it.
        assert!(matches!(decode(file_of(&claiming(8_000, 8_000))), Err(PictureError::NotReadable(_))));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for bytes in [&b""[..], b"<svg/>", b"\x89PNG\r\n\x1a\nbroken"] {
            assert!(matches!(decode(file_of(bytes)), Err(PictureError::NotReadable(_))));
        }
    }
}
