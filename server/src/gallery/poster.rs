//! The first picture of a video, by `ffmpeg` where the machine has it.
//!
//! A video is the participant's own making and may be made to do harm: `ffmpeg` gets the
//! open file and no name, may open nothing else and read no playlist, and is stopped after
//! [`TIME_LIMIT`]. What it writes is decoded once more by us before anybody sees it.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::Semaphore;

const TIME_LIMIT: Duration = Duration::from_secs(10);
const MAX_PICTURE_BYTES: u64 = 4 * 1024 * 1024;
/// Containers that hold their pictures themselves.
const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi";
/// 8192 × 8192.
const MAX_PIXELS: &str = "67108864";

/// A class that opens its galleries at once must not take the machine.
static WORKPLACES: Semaphore = Semaphore::const_new(2);

pub(super) enum Poster {
    /// A JPEG.
    Made(Vec<u8>),
    /// There is no picture in it that can be read.
    Impossible,
    /// It took too long or was cut short.
    Failed,
    /// The machine has no `ffmpeg`.
    NoTool,
}

pub(super) async fn first_picture(video: File, side: u32) -> Poster {
    let _workplace = WORKPLACES.acquire().await.expect("the workplaces are never closed");
    match tokio::time::timeout(TIME_LIMIT, run(video, side)).await {
        Ok(Ok(Some(picture))) => Poster::Made(picture),
        Ok(Ok(None)) => Poster::Impossible,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Poster::NoTool,
        Ok(Err(error)) => {
            tracing::warn!(%error, "ffmpeg could not be used");
            Poster::Failed
        }
        Err(_) => {
            tracing::warn!("a poster took too long to make");
            Poster::Failed
        }
    }
}

async fn run(video: File, side: u32) -> std::io::Result<Option<Vec<u8>>> {
    let scale = format!("scale=w='min({side},iw)':h='min({side},ih)':force_original_aspect_ratio=decrease");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut child = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1"])
        .args(["-protocol_whitelist", "file", "-format_whitelist", FORMATS, "-max_pixels", MAX_PIXELS])
        // The open file itself, which unlike a pipe can be sought in.
        .args(["-i", "/dev/stdin", "-an", "-sn", "-dn", "-frames:v", "1", "-vf", &scale])
        .args(["-threads", "1", "-c:v", "mjpeg", "-q:v", "3", "-f", "image2pipe", "pipe:1"])
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::from(video))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut picture = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(MAX_PICTURE_BYTES).read_to_end(&mut picture).await?;
    }
    let has_succeeded = child.wait().await?.success();
    Ok((has_succeeded && !picture.is_empty()).then_some(picture))
}
