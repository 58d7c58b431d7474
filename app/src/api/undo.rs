//! The seat's latest deletion, while it can be undone.

use domain::SeatId;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::AppError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoView {
    pub trash: i64,
    pub items: u32,
}

#[cfg(feature = "ssr")]
pub(crate) async fn latest_undo(seat: SeatId) -> Result<Option<UndoView>, AppError> {
    let latest = crate::api::workshop().latest_trash(seat).await.map_err(crate::viewer::refuse)?;
    Ok(latest.map(|(trash, items)| UndoView { trash: trash.0, items }))
}

/// Brings back what a deletion took.
#[server(name = UndoDiscard, endpoint = "undo-discard")]
pub async fn undo_discard(seat: SeatId, trash: i64) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_seat};

    let seat = require_seat(seat)?;
    workshop().restore(seat, workshop::trash::TrashId(trash)).await.map_err(refuse)
}
