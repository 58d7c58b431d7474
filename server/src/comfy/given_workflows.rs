//! Before a seat's workflows are listed, it is given what is new in the operator's folder.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::Viewer;

use crate::auth::SeatAccess;
use crate::error::HttpError;
use crate::state::AppState;

/// The seat has what it should be given. Somebody who looks on changes nothing there.
pub struct GivenWorkflows;

impl FromRequestParts<AppState> for GivenWorkflows {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let SeatAccess(seat) = SeatAccess::from_request_parts(parts, state).await?;
        let viewer = parts.extensions.get::<Viewer>();
        if viewer.is_some_and(|viewer| viewer.require_seat(seat).is_ok()) {
            state.workshop.give_workflows(seat).await;
        }
        Ok(Self)
    }
}
