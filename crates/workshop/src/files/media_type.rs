//! The media types of the files that seats keep, by extension.
//!
//! Only types that a browser shows without running anything are named; all others,
//! HTML, SVG and scripts among them, are plain bytes.

/// What every file of another kind is.
const BYTES: &str = "application/octet-stream";

/// The media type of a file of this name; `application/octet-stream` for all that could act.
pub fn media_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref().unwrap_or_default() {
        "png" | "apng" => "image/png",
        "jpg" | "jpeg" | "jfif" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "avif" => "image/avif",
        "bmp" => "image/bmp",
        "tif" | "tiff" => "image/tiff",
        "exr" => "image/x-exr",
        "mp4" | "m4v" => "video/mp4",
        "webm" => "video/webm",
        "mov" => "video/quicktime",
        "mkv" => "video/x-matroska",
        "avi" => "video/x-msvideo",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "ogg" | "oga" => "audio/ogg",
        "opus" => "audio/opus",
        "m4a" | "aac" => "audio/mp4",
        "glb" => "model/gltf-binary",
        "gltf" => "model/gltf+json",
        "json" => "application/json",
        "txt" | "md" | "csv" | "log" => "text/plain; charset=utf-8",
        _ => BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_have_their_types() {
        for (name, expected) in [
            ("ComfyUI_00001_.png", "image/png"),
            ("photo.JPG", "image/jpeg"),
            ("clip.mp4", "video/mp4"),
            ("take.flac", "audio/flac"),
            ("mesh.glb", "model/gltf-binary"),
        ] {
            assert_eq!(media_type(name), expected);
        }
    }

    #[test]
    fn what_could_act_is_only_bytes() {
        for name in [
            "x.html", "x.htm", "x.xhtml", "x.svg", "x.xml", "x.js", "x.mjs", "x.css", "x.pdf", "x.swf", "x",
            "png",
        ] {
            assert_eq!(media_type(name), BYTES, "{name}");
        }
    }
}
