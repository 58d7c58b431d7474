//! What a seat's own programs need: the address, and tokens.

use domain::{SeatId, Timestamp};
use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;
use serde::{Deserialize, Serialize};

use crate::error::AppError;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiAccessView {
    /// Where the seat's ComfyUI is: a path of this host, or the origin of the seat's own.
    pub base: String,
    /// Nobody needs a token in an open room.
    pub needs_token: bool,
    /// Oldest first.
    pub tokens: Vec<TokenView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenView {
    pub id: i64,
    pub name: String,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

/// A token just made: its text is not to be had again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeTokenView {
    pub name: String,
    pub secret: String,
}

#[server(name = ReadApiAccess, endpoint = "read-api-access", input = GetUrl)]
pub async fn read_api_access(seat: SeatId) -> Result<ApiAccessView, AppError> {
    use crate::api::{settings, workshop};
    use crate::viewer::require_seat_to_look;

    let seat = require_seat_to_look(seat)?;
    let settings = settings();
    let path = || crate::paths::editor(seat).trim_end_matches('/').to_owned();
    Ok(ApiAccessView {
        base: settings.seat_hosts.as_ref().map_or_else(path, |hosts| hosts.origin(seat)),
        needs_token: settings.access_mode == domain::AccessMode::Link,
        tokens: workshop().api_tokens(seat).into_iter().map(Into::into).collect(),
    })
}

#[server(name = MakeApiToken, endpoint = "make-api-token")]
pub async fn make_api_token(seat: SeatId, name: String) -> Result<MadeTokenView, AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_seat};

    let seat = require_seat(seat)?;
    let made = workshop().make_api_token(seat, &name).await.map_err(refuse)?;
    Ok(MadeTokenView { name: made.token.name, secret: made.secret })
}

#[server(name = RevokeApiToken, endpoint = "revoke-api-token")]
pub async fn revoke_api_token(seat: SeatId, id: i64) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_seat};

    let seat = require_seat(seat)?;
    workshop().revoke_api_token(seat, id).await.map_err(refuse)
}

#[cfg(feature = "ssr")]
impl From<workshop::ApiToken> for TokenView {
    fn from(token: workshop::ApiToken) -> Self {
        Self {
            id: token.id,
            name: token.name,
            created_at: token.created_at,
            last_used_at: token.last_used_at,
        }
    }
}
