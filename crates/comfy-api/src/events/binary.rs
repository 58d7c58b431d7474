//! The binary frames of ComfyUI's `/ws`: previews and texts while a node runs.
//!
//! Layout, big-endian: type (4 bytes), then
//! `1`: image format (4), image · `4`: length (4), JSON, image · `3`: length (4), node id, text.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Map, Value};
use thiserror::Error;

const PREVIEW: u32 = 1;
const PREVIEW_WITH_METADATA: u32 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFormat {
    Jpeg,
    Png,
}

#[derive(Debug, Clone, PartialEq)]
pub enum BinaryFrame {
    /// For clients that did not announce `supports_preview_metadata`.
    Preview { format: ImageFormat, image: Bytes },
    /// `metadata` says whose preview it is: `node_id`, `prompt_id`, `image_type`, …
    PreviewWithMetadata { metadata: Map<String, Value>, image: Bytes },
    /// A text frame or one of a kind that we do not know; passes as it is.
    Other { kind: u32, frame: Bytes },
}

#[derive(Debug, Error)]
pub enum BinaryFrameError {
    #[error("the frame ends early")]
    Truncated,
    #[error("the metadata is not a JSON object")]
    Metadata(#[source] serde_json::Error),
    #[error("unknown image format {0}")]
    Format(String),
}

impl BinaryFrame {
    /// The image shares the frame's memory.
    pub fn parse(frame: &Bytes) -> Result<Self, BinaryFrameError> {
        let kind = number_at(frame, 0)?;
        match kind {
            PREVIEW => {
                let format = ImageFormat::from_code(number_at(frame, 4)?)?;
                Ok(Self::Preview { format, image: frame.slice(8..) })
            }
            PREVIEW_WITH_METADATA => {
                let length =
                    usize::try_from(number_at(frame, 4)?).map_err(|_| BinaryFrameError::Truncated)?;
                let end = length
                    .checked_add(8)
                    .filter(|end| *end <= frame.len())
                    .ok_or(BinaryFrameError::Truncated)?;
                let metadata = crate::json::from_slice(&frame[8..end]).map_err(BinaryFrameError::Metadata)?;
                Ok(Self::PreviewWithMetadata { metadata, image: frame.slice(end..) })
            }
            kind => Ok(Self::Other { kind, frame: frame.clone() }),
        }
    }

    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Preview { format, image } => {
                let mut frame = BytesMut::with_capacity(8 + image.len());
                frame.put_u32(PREVIEW);
                frame.put_u32(format.code());
                frame.put_slice(image);
                frame.freeze()
            }
            Self::PreviewWithMetadata { metadata, image } => {
                let metadata = Value::Object(metadata.clone()).to_string();
                let mut frame = BytesMut::with_capacity(8 + metadata.len() + image.len());
                frame.put_u32(PREVIEW_WITH_METADATA);
                // Metadata is a few hundred bytes; a frame cannot be as long as 4 GiB.
                frame.put_u32(u32::try_from(metadata.len()).unwrap_or(u32::MAX));
                frame.put_slice(metadata.as_bytes());
                frame.put_slice(image);
                frame.freeze()
            }
            Self::Other { frame, .. } => frame.clone(),
        }
    }
}

/// The frame that a client can read: previews lose their metadata for one that did not
/// announce `supports_preview_metadata`; everything else passes untouched.
pub fn frame_for_client(frame: &Bytes, supports_preview_metadata: bool) -> Result<Bytes, BinaryFrameError> {
    if supports_preview_metadata {
        return Ok(frame.clone());
    }
    match BinaryFrame::parse(frame)? {
        BinaryFrame::PreviewWithMetadata { metadata, image } => {
            let kind = metadata.get("image_type").and_then(Value::as_str).unwrap_or("image/jpeg");
            let format = ImageFormat::from_media_type(kind)?;
            Ok(BinaryFrame::Preview { format, image }.to_bytes())
        }
        _ => Ok(frame.clone()),
    }
}

impl ImageFormat {
    fn from_code(code: u32) -> Result<Self, BinaryFrameError> {
        match code {
            1 => Ok(Self::Jpeg),
            2 => Ok(Self::Png),
            other => Err(BinaryFrameError::Format(other.to_string())),
        }
    }

    fn from_media_type(kind: &str) -> Result<Self, BinaryFrameError> {
        match kind {
            "image/jpeg" => Ok(Self::Jpeg),
            "image/png" => Ok(Self::Png),
            other => Err(BinaryFrameError::Format(other.to_owned())),
        }
    }

    fn code(self) -> u32 {
        match self {
            Self::Jpeg => 1,
            Self::Png => 2,
        }
    }
}

fn number_at(frame: &Bytes, start: usize) -> Result<u32, BinaryFrameError> {
    let bytes = frame.get(start..start + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u32::from_be_bytes).ok_or(BinaryFrameError::Truncated)
}
