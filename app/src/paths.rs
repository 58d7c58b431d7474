//! Every address of the portal that a page links to, in one place.

use domain::{JobId, SeatId};

pub const LANDING: &str = "/";
pub const ADMIN: &str = "/admin";
pub const ADMIN_LIVE: &str = "/admin/live";
pub const ADMIN_LOGIN: &str = "/admin/login";
/// Takes the form field `seat`; open access only.
pub const OPEN_SEAT: &str = "/open";
pub const LEAVE: &str = "/leave";

/// The seat's page.
pub fn seat(seat: SeatId) -> String {
    format!("/user/{seat}")
}

/// Takes the seat into this browser: in place of others, or with the field `too` beside them.
pub fn take_seat(seat: SeatId) -> String {
    format!("/user/{seat}/take")
}

/// The ComfyUI editor of the seat.
pub fn editor(seat: SeatId) -> String {
    format!("/user/{seat}/comfy/")
}

/// Where the seat's uploads begin.
pub fn uploads(seat: SeatId) -> String {
    format!("/user/{seat}/uploads")
}

/// Takes a plain form with the field `image`.
pub fn editor_upload(seat: SeatId) -> String {
    format!("/user/{seat}/comfy/api/upload/image")
}

/// The WebSocket of the seat's page.
pub fn seat_live(seat: SeatId) -> String {
    format!("/user/{seat}/live")
}

/// A small picture of a result. The part of its content's hash lets it be kept for ever.
pub fn thumbnail(seat: SeatId, result: i64, content: &str) -> String {
    format!("/user/{seat}/results/{result}/thumbnail?v={content}")
}

/// The workflow that a job was queued with, as a file that the editor opens.
pub fn workflow(seat: SeatId, job: JobId) -> String {
    format!("/user/{seat}/jobs/{job}/workflow.json")
}

/// Results as one archive; `chosen` says which.
pub fn download(seat: SeatId, chosen: &str) -> String {
    format!("/user/{seat}/download.zip?{chosen}")
}

/// The same for a choice that is posted.
pub fn download_archive(seat: SeatId) -> String {
    format!("/user/{seat}/download.zip")
}

/// Everything of the seat as one archive.
pub fn take_home(seat: SeatId) -> String {
    format!("/user/{seat}/take-home.zip")
}

/// The archive behind a take-home link.
pub fn take_home_download(token: &str) -> String {
    format!("/take-home/{token}/download.zip")
}
