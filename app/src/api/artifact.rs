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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaKind {
    Image,
    /// A picture that moves by itself.
    Animated,
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
    pub const ALL: [Self; 5] = [Self::Image, Self::Animated, Self::Video, Self::Audio, Self::Other];

    /// Judges by a media type such as `image/png`, which does not say whether a picture moves.
    pub fn of(media_type: &str) -> Self {
        match media_type.split('/').next() {
            Some("image") => Self::Image,
            Some("video") => Self::Video,
            Some("audio") => Self::Audio,
            _ => Self::Other,
        }
    }

    /// In addresses.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Animated => "animated",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Other => "other",
        }
    }

    /// Several of them.
    pub fn word(self) -> &'static str {
        match self {
            Self::Image => "Images",
            Self::Animated => "Animations",
            Self::Video => "Videos",
            Self::Audio => "Sounds",
            Self::Other => "3D and other files",
        }
    }

    pub fn of_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|media| media.slug() == slug)
    }

    /// Whether two of them can be laid beside each other.
    pub fn is_seen(self) -> bool {
        matches!(self, Self::Image | Self::Animated | Self::Video)
    }
}

#[cfg(feature = "ssr")]
impl From<workshop::gallery::Media> for MediaKind {
    fn from(media: workshop::gallery::Media) -> Self {
        use workshop::gallery::Media;
        match media {
            Media::Image => Self::Image,
            Media::Animated => Self::Animated,
            Media::Video => Self::Video,
            Media::Audio => Self::Audio,
            Media::Other => Self::Other,
        }
    }
}

#[cfg(feature = "ssr")]
impl From<MediaKind> for workshop::gallery::Media {
    fn from(media: MediaKind) -> Self {
        match media {
            MediaKind::Image => Self::Image,
            MediaKind::Animated => Self::Animated,
            MediaKind::Video => Self::Video,
            MediaKind::Audio => Self::Audio,
            MediaKind::Other => Self::Other,
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

    #[test]
    fn each_kind_is_found_by_its_slug() {
        for media in MediaKind::ALL {
            assert_eq!(MediaKind::of_slug(media.slug()), Some(media));
        }
        assert_eq!(MediaKind::of_slug("picture"), None);
    }
}
