//! The headers of every file that a seat made.
//!
//! Invariant: such a file is never active content, whatever is in it: its type is never
//! guessed, a document made of it runs nothing, and what is no medium is only downloaded.

use axum::http::{HeaderMap, HeaderValue, header};
use workshop::files::media_type;

use super::percent;

/// For one seat only, and asked for again each time: names are reused with other content.
pub(super) const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// `allow-same-origin` runs nothing either, and lets a player's own requests carry the session.
const POLICY: HeaderValue = HeaderValue::from_static(
    "sandbox allow-same-origin; default-src 'none'; img-src 'self' data:; media-src 'self'; \
     style-src 'unsafe-inline'; frame-ancestors 'self'",
);

/// Headers for a file that the page shows: media inline, everything else as a download.
pub(super) fn shown(name: &str) -> HeaderMap {
    let media_type = media_type(name);
    let disposition = if media_type == "application/octet-stream" { "attachment" } else { "inline" };
    headers(name, media_type, disposition)
}

/// Headers for a file that only scripts of the page read.
pub(super) fn downloaded(name: &str) -> HeaderMap {
    headers(name, media_type(name), "attachment")
}

/// Headers for content of a known type under a file's name.
pub(crate) fn headers(name: &str, media_type: &'static str, disposition: &str) -> HeaderMap {
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_DISPOSITION, content_disposition(disposition, name)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, PRIVATE),
    ])
}

fn content_disposition(disposition: &str, name: &str) -> HeaderValue {
    let is_plain =
        |character: char| character.is_ascii_graphic() && !"\"\\%".contains(character) || character == ' ';
    let plain: String =
        name.chars().map(|character| if is_plain(character) { character } else { '_' }).collect();
    let exact = percent::encode(name);
    HeaderValue::from_str(&format!("{disposition}; filename=\"{plain}\"; filename*=UTF-8''{exact}"))
        .expect("only printable ASCII is left in it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(headers: &HeaderMap, name: header::HeaderName) -> &str {
        headers[name].to_str().unwrap()
    }

    #[test]
    fn media_are_shown_and_the_rest_downloaded() {
        let headers = shown("ComfyUI_00001_.png");
        assert_eq!(value(&headers, header::CONTENT_TYPE), "image/png");
        assert!(
            value(&headers, header::CONTENT_DISPOSITION)
                .starts_with("inline; filename=\"ComfyUI_00001_.png\"")
        );
        for name in ["x.html", "x.svg", "x.xml", "x.js", "x"] {
            let headers = shown(name);
            assert_eq!(value(&headers, header::CONTENT_TYPE), "application/octet-stream", "{name}");
            assert!(value(&headers, header::CONTENT_DISPOSITION).starts_with("attachment;"), "{name}");
            assert_eq!(value(&headers, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
            assert!(value(&headers, header::CONTENT_SECURITY_POLICY).starts_with("sandbox"));
            assert!(!value(&headers, header::CONTENT_SECURITY_POLICY).contains("allow-scripts"));
        }
    }

    #[test]
    fn no_name_breaks_out_of_its_header() {
        let headers = shown("a\"; x=\\ö.png");
        assert_eq!(
            value(&headers, header::CONTENT_DISPOSITION),
            "inline; filename=\"a_; x=__.png\"; filename*=UTF-8''a%22%3B%20x%3D%5C%C3%B6.png"
        );
    }
}
