//! A file that a seat made, and where the browser gets it.

use domain::SeatId;
use serde::{Deserialize, Serialize};

use crate::format::query_value;

/// A file as ComfyUI's `/view` names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactView {
    pub filename: String,
    pub subfolder: String,
    /// `output` or `temp`.
    pub kind: String,
}

/// How a browser can show a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    Image,
    Video,
    Audio,
    /// Only to be downloaded.
    Other,
}

impl ArtifactView {
    /// The file itself.
    pub fn href(&self, seat: SeatId) -> String {
        format!(
            "/user/{seat}/comfy/api/view?filename={}&subfolder={}&type={}",
            query_value(&self.filename),
            query_value(&self.subfolder),
            query_value(&self.kind),
        )
    }

    /// A picture in fewer bytes.
    pub fn preview_href(&self, seat: SeatId) -> String {
        format!("{}&preview={}", self.href(seat), query_value("webp;70"))
    }
}

impl MediaKind {
    /// Judges by a media type such as `image/png`.
    pub fn of(media_type: &str) -> Self {
        match media_type.split('/').next() {
            Some("image") => Self::Image,
            Some("video") => Self::Video,
            Some("audio") => Self::Audio,
            _ => Self::Other,
        }
    }
}

#[cfg(feature = "ssr")]
impl From<workshop::overview::ArtifactRef> for ArtifactView {
    fn from(artifact: workshop::overview::ArtifactRef) -> Self {
        let workshop::overview::ArtifactRef { filename, subfolder, kind } = artifact;
        Self { filename, subfolder, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_linked_within_its_seat() {
        let seat = SeatId::new(7).unwrap();
        let file = ArtifactView {
            filename: "a&type=input.png".to_owned(),
            subfolder: "day 1".to_owned(),
            kind: "output".to_owned(),
        };
        let href = "/user/user007/comfy/api/view?filename=a%26type%3Dinput.png&subfolder=day%201&type=output";
        assert_eq!(file.href(seat), href);
        assert_eq!(file.preview_href(seat), format!("{href}&preview=webp%3B70"));
    }

    #[test]
    fn media_types_are_judged_by_their_first_half() {
        assert_eq!(MediaKind::of("image/svg+xml"), MediaKind::Image);
        assert_eq!(MediaKind::of("video/mp4"), MediaKind::Video);
        assert_eq!(MediaKind::of("audio/flac"), MediaKind::Audio);
        assert_eq!(MediaKind::of("model/gltf-binary"), MediaKind::Other);
        assert_eq!(MediaKind::of(""), MediaKind::Other);
    }
}
