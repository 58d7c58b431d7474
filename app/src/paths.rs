//! Every address of the portal that a page links to, in one place.

use domain::SeatId;

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
