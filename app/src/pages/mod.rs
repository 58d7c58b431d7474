//! The portal's pages: each reads its data once, then follows it live.

pub(crate) mod admin;
pub(crate) mod admin_login;
mod frame;
pub(crate) mod landing;
pub(crate) mod not_found;
mod refusal;
pub(crate) mod seat;
pub(crate) mod take_home;
