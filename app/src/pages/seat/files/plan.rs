//! What is decided about an upload without touching the browser: where a file goes, how
//! large the next piece is, what the row says.

use crate::format;

/// Small, so that a slow line shows progress soon.
pub(super) const FIRST_SLICE_BYTES: u64 = 1 << 20;
const MIN_SLICE_BYTES: u64 = 256 << 10;
const MAX_SLICE_BYTES: u64 = 16 << 20;
/// A piece that took less than this may be larger next time.
const QUICK_MS: f64 = 1_000.0;
const SLOW_MS: f64 = 4_000.0;
const MAX_RETRY_MS: u32 = 10_000;

/// What the workshop would do with a file of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Input,
    Model,
    /// A format that can run code.
    Pickle,
}

impl FileKind {
    pub(super) fn of(name: &str) -> Self {
        let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        match extension.as_deref() {
            Some("safetensors" | "gguf") => Self::Model,
            Some("ckpt" | "pt" | "pt2" | "pth" | "bin" | "pkl" | "pickle") => Self::Pickle,
            _ => Self::Input,
        }
    }
}

/// How far an upload of this page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Others go first.
    Waiting,
    Sending,
    /// The connection broke; it goes on by itself.
    Retrying,
    Paused,
    Done,
    /// In words of the server.
    Failed(String),
}

impl Phase {
    pub(super) fn is_active(&self) -> bool {
        matches!(self, Self::Sending | Self::Retrying)
    }
}

/// The next piece's size, from how long the last one took.
pub(super) fn next_slice(bytes: u64, took_ms: f64) -> u64 {
    let next = match took_ms {
        _ if took_ms < QUICK_MS => bytes * 2,
        _ if took_ms > SLOW_MS => bytes / 2,
        _ => bytes,
    };
    next.clamp(MIN_SLICE_BYTES, MAX_SLICE_BYTES)
}

/// The rate in bytes per second, smoothed over the last few pieces.
pub(super) fn smoothed(rate: f64, bytes: u64, took_ms: f64) -> f64 {
    let latest = bytes as f64 / took_ms.max(1.0) * 1_000.0;
    if rate == 0.0 { latest } else { rate * 0.7 + latest * 0.3 }
}

/// How long to wait before the attempt after so many failed ones.
pub(super) fn retry_ms(failures: u32) -> u32 {
    500_u32.saturating_mul(1 << failures.min(8)).min(MAX_RETRY_MS)
}

/// `12.0 MB of 3.2 GB · 8.1 MB/s · about 6-7 min left`.
pub(super) fn progress_line(sent: u64, bytes: u64, rate: f64) -> String {
    let done = format!("{} of {}", format::bytes(sent), format::bytes(bytes));
    if rate < 1.0 || sent >= bytes {
        return done;
    }
    let left_ms = ((bytes - sent) as f64 / rate * 1_000.0) as u64;
    let left = format::time_window(left_ms, left_ms + left_ms / 10);
    format!("{done} · {}/s · {left} left", format::bytes(rate as u64))
}

/// A header of tus: keys, each with its value in base64.
pub(super) fn metadata(name: &str, model_folder: Option<&str>) -> String {
    let pair = |key: &str, value: &str| format!("{key} {}", base64(value.as_bytes()));
    match model_folder {
        Some(folder) => [pair("filename", name), pair("kind", "model"), pair("folder", folder)].join(","),
        None => [pair("filename", name), pair("kind", "input")].join(","),
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().enumerate().fold(0_u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for digit in 0..4 {
            let is_filler = digit > group.len();
            let value = (bits >> (18 - 6 * digit)) & 63;
            text.push(if is_filler { '=' } else { DIGITS[value as usize] as char });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_models_from_inputs() {
        assert_eq!(FileKind::of("a.SafeTensors"), FileKind::Model);
        assert_eq!(FileKind::of("a.gguf"), FileKind::Model);
        assert_eq!(FileKind::of("a.ckpt"), FileKind::Pickle);
        assert_eq!(FileKind::of("a.png"), FileKind::Input);
        assert_eq!(FileKind::of("safetensors"), FileKind::Input);
    }

    #[test]
    fn pieces_follow_the_line() {
        assert_eq!(next_slice(1 << 20, 100.0), 2 << 20);
        assert_eq!(next_slice(16 << 20, 100.0), 16 << 20);
        assert_eq!(next_slice(1 << 20, 2_000.0), 1 << 20);
        assert_eq!(next_slice(1 << 20, 9_000.0), 512 << 10);
        assert_eq!(next_slice(256 << 10, 9_000.0), 256 << 10);
        assert_eq!((retry_ms(0), retry_ms(2), retry_ms(40)), (500, 2_000, 10_000));
    }

    #[test]
    fn a_row_says_how_far_how_fast_and_how_long() {
        assert_eq!(progress_line(0, 3_000_000, 0.0), "0 B of 3.0 MB");
        assert_eq!(
            progress_line(1_000_000, 601_000_000, 10_000_000.0),
            "1.0 MB of 601.0 MB · 10.0 MB/s · about 60-70 s left"
        );
        assert_eq!(progress_line(3_000_000, 3_000_000, 5.0), "3.0 MB of 3.0 MB");
        assert_eq!(smoothed(0.0, 1_000, 500.0), 2_000.0);
    }

    #[test]
    fn metadata_are_in_base64() {
        for (text, encoded) in
            [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("ö.png", "w7YucG5n")]
        {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        assert_eq!(metadata("a", None), "filename YQ==,kind aW5wdXQ=");
        assert_eq!(metadata("a", Some("loras")), "filename YQ==,kind bW9kZWw=,folder bG9yYXM=");
    }
}
