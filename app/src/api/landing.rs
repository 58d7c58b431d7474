//! What the landing page knows of its visitor.

use domain::{AccessMode, SeatId};
use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;
use serde::{Deserialize, Serialize};

use crate::error::AppError;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandingPageData {
    pub title: String,
    pub access_mode: AccessMode,
    /// All seats that there are, in open access; none otherwise.
    pub open_seats: Vec<SeatId>,
    /// The seats that this browser has joined by their links. Empty in open access,
    /// where a browser may act for every seat.
    pub own_seats: Vec<SeatId>,
    pub is_admin: bool,
}

/// Open to everyone: it tells a stranger no more than the workshop's name and size.
#[server(name = ReadLandingPage, endpoint = "read-landing-page", input = GetUrl)]
pub async fn read_landing_page() -> Result<LandingPageData, AppError> {
    let settings = crate::api::settings();
    let viewer = crate::viewer::viewer();
    let (open_seats, own_seats) = match settings.access_mode {
        AccessMode::Open => {
            ((1..=settings.seats).filter_map(|number| SeatId::new(number).ok()).collect(), Vec::new())
        }
        AccessMode::Link => (Vec::new(), viewer.seats().collect()),
    };
    Ok(LandingPageData {
        title: settings.title,
        access_mode: settings.access_mode,
        open_seats,
        own_seats,
        is_admin: viewer.is_admin(),
    })
}
