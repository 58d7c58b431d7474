//! Answers that are a file: validators, byte ranges and streaming.
//!
//! One range at a time: players ask for no more, and several ranges of one answer
//! only make work. A request for several gets the whole file, as the standard allows.

use std::io::{Seek, SeekFrom};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;
use workshop::files::{FilesError, OpenFile};

use crate::error::HttpError;

const CHUNK_BYTES: usize = 64 * 1024;

/// Marks one content: a tag, and when it last changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validators {
    tag: String,
    /// In whole seconds: a header can say no more.
    modified_at: SystemTime,
}

/// What a `Range` header asks of a file.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    /// First and last byte.
    Part(u64, u64),
    Nothing,
}

/// Answers with the file, the part of it that is asked for, or that it has not changed.
///
/// `variant` tells apart contents that a file's length and time do not.
pub(crate) async fn respond(
    request: &HeaderMap,
    open: OpenFile,
    variant: &str,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let validators = Validators::of(&open, variant);
    if let Some(unchanged) = validators.unchanged(request, &headers) {
        return Ok(unchanged);
    }
    let asked = match request.get(header::RANGE).and_then(|range| range.to_str().ok()) {
        Some(range) if validators.allow_range(request) => asked_for(range, open.bytes),
        _ => Asked::Whole,
    };
    let (status, first, length) = match asked {
        Asked::Whole => (StatusCode::OK, 0, open.bytes),
        Asked::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Asked::Nothing => {
            let range = content_range(&format!("bytes */{}", open.bytes));
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, range)]).into_response());
        }
    };

    let mut file = open.file;
    if first > 0 {
        // Moves a position in the kernel and touches no disk, so it may run here.
        file.seek(SeekFrom::Start(first))
            .map_err(|source| FilesError::Io { operation: "seek in a file", source })?;
    }
    let part = tokio::fs::File::from_std(file).take(length);
    let body = Body::from_stream(ReaderStream::with_capacity(part, CHUNK_BYTES));
    let mut response = (status, headers, body).into_response();
    let headers = response.headers_mut();
    validators.write_to(headers);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{}", first + length - 1, open.bytes);
        headers.insert(header::CONTENT_RANGE, content_range(&range));
    }
    Ok(response)
}

impl Validators {
    /// `variant` tells apart what is made of one file.
    pub(super) fn of(open: &OpenFile, variant: &str) -> Self {
        let since_epoch = open.modified_at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self {
            tag: format!("\"{:x}-{:x}{variant}\"", since_epoch.as_nanos(), open.bytes),
            modified_at: UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs()),
        }
    }

    /// The answer 304, if the caller holds this content already.
    pub(super) fn unchanged(&self, request: &HeaderMap, headers: &HeaderMap) -> Option<Response> {
        let holds_it = match request.get(header::IF_NONE_MATCH) {
            Some(tags) => tags.to_str().is_ok_and(|tags| {
                let mut tags = tags.split(',').map(|tag| tag.trim().trim_start_matches("W/"));
                tags.any(|tag| tag == "*" || tag == self.tag)
            }),
            None => date(request, &header::IF_MODIFIED_SINCE).is_some_and(|since| self.modified_at <= since),
        };
        holds_it.then(|| {
            let mut response = StatusCode::NOT_MODIFIED.into_response();
            if let Some(caching) = headers.get(header::CACHE_CONTROL) {
                response.headers_mut().insert(header::CACHE_CONTROL, caching.clone());
            }
            self.write_to(response.headers_mut());
            response
        })
    }

    pub(super) fn write_to(&self, headers: &mut HeaderMap) {
        let dated = HeaderValue::from_str(&httpdate::fmt_http_date(self.modified_at));
        for (name, value) in
            [(header::ETAG, HeaderValue::from_str(&self.tag)), (header::LAST_MODIFIED, dated)]
        {
            if let Ok(value) = value {
                headers.insert(name, value);
            }
        }
    }

    /// Whether a part may be sent: with `If-Range`, only if the caller's other parts are of this content.
    fn allow_range(&self, request: &HeaderMap) -> bool {
        match request.get(header::IF_RANGE).map(HeaderValue::as_bytes) {
            None => true,
            Some(value) if value == self.tag.as_bytes() => true,
            Some(_) => date(request, &header::IF_RANGE) == Some(self.modified_at),
        }
    }
}

fn date(request: &HeaderMap, name: &header::HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(request.get(name)?.to_str().ok()?).ok()
}

fn content_range(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("digits and punctuation make a header")
}

fn asked_for(range: &str, bytes: u64) -> Asked {
    let Some(range) = range.trim().strip_prefix("bytes=").map(str::trim) else { return Asked::Whole };
    if range.contains(',') {
        return Asked::Whole;
    }
    let Some((first, last)) = range.split_once('-') else { return Asked::Whole };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // A number beyond `u64` is beyond every file.
    let number = |text: &str| text.parse().unwrap_or(u64::MAX);
    match (first, last) {
        ("", last) if is_number(last) => match number(last) {
            0 => Asked::Nothing,
            _ if bytes == 0 => Asked::Nothing,
            suffix => Asked::Part(bytes.saturating_sub(suffix), bytes - 1),
        },
        (first, last) if is_number(first) && (last.is_empty() || is_number(last)) => {
            let first = number(first);
            let last = if last.is_empty() { u64::MAX } else { number(last) };
            if first > last {
                Asked::Whole
            } else if first >= bytes {
                Asked::Nothing
            } else {
                Asked::Part(first, last.min(bytes - 1))
            }
        }
        _ => Asked::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_cut_to_the_file() {
        for (range, asked) in [
            ("bytes=0-", Asked::Part(0, 99)),
            ("bytes=0-0", Asked::Part(0, 0)),
            ("bytes=10-19", Asked::Part(10, 19)),
            ("bytes=90-200", Asked::Part(90, 99)),
            ("bytes=-10", Asked::Part(90, 99)),
            ("bytes=-200", Asked::Part(0, 99)),
            ("bytes=99999999999999999999-", Asked::Nothing),
            ("bytes=100-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
        ] {
            assert_eq!(asked_for(range, 100), asked, "{range}");
        }
        assert_eq!(asked_for("bytes=0-", 0), Asked::Nothing);
        assert_eq!(asked_for("bytes=-5", 0), Asked::Nothing);
    }

    #[test]
    fn what_is_no_single_range_gets_the_whole() {
        for range in [
            "bytes=0-1,5-6",
            "items=0-1",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=-",
            "bytes=",
            "bytes=1",
            "bytes=+1-2",
        ] {
            assert_eq!(asked_for(range, 100), Asked::Whole, "{range}");
        }
    }
}
