//! The take-home link: what the seat's page hands out, and what the link's own page says.

use domain::SeatId;
use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;
use serde::{Deserialize, Serialize};

use crate::error::AppError;

/// What the page behind a take-home link shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeHomeView {
    /// The workshop's name.
    pub title: String,
    pub seat: SeatId,
    /// What the instructor calls the seat; empty if nothing.
    pub name: String,
    pub results: u32,
    pub bytes: u64,
}

/// The path of the seat's own link.
#[server(name = ReadTakeHomeLink, endpoint = "read-take-home-link", input = GetUrl)]
pub async fn read_take_home_link(seat: SeatId) -> Result<String, AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_seat_to_look};

    let seat = require_seat_to_look(seat)?;
    workshop().take_home_path(seat).map_err(refuse)
}

/// What a link hands out. The link itself is the right to it: no session is asked for.
#[server(name = ReadTakeHome, endpoint = "read-take-home", input = GetUrl)]
pub async fn read_take_home(token: String) -> Result<TakeHomeView, AppError> {
    use crate::api::{settings, workshop};
    use crate::viewer::refuse;

    let workshop = workshop();
    let seat = workshop.take_home_seat(&token).map_err(refuse)?;
    let taken = workshop.take_home(seat).await.map_err(refuse)?;
    Ok(TakeHomeView {
        title: settings().title,
        seat,
        name: taken.name,
        results: taken.results,
        bytes: taken.bytes,
    })
}
