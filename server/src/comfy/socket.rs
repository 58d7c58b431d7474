//! `/ws`: the editor's live messages, native to ComfyUI, of its own seat only.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use comfy_api::events;
use domain::{SeatId, Viewer};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, interval};
use tower_sessions::Session;
use workshop::TokenAccess;
use workshop::hub::{FramePayload, SeatFrame};

use super::editor_client::Client;
use crate::auth::{SeatAccess, signed_out};
use crate::limits::TooMuch;
use crate::state::AppState;

/// Keeps proxies from closing a quiet connection, and finds a dead one.
const PING_PERIOD: Duration = Duration::from_secs(25);
const SILENCE_LIMIT: Duration = Duration::from_secs(80);
/// The editor sends nothing but its feature flags.
const MAX_CLIENT_MESSAGE_BYTES: usize = 256 * 1024;

pub fn routes() -> Router<AppState> {
    Router::new().route("/ws", get(open))
}

#[derive(Deserialize)]
struct SocketQuery {
    #[serde(rename = "clientId")]
    client_id: Option<String>,
}

async fn open(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    token: Option<Extension<TokenAccess>>,
    Extension(viewer): Extension<Viewer>,
    session: Session,
    Query(query): Query<SocketQuery>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, TooMuch> {
    let counted = state.limits.open_socket(seat)?;
    let opener = Opener {
        sid: state.workshop.editor_sid(seat, query.client_id.as_deref()),
        token: token.map(|Extension(access)| access),
        session,
        is_observer: viewer.require_seat(seat).is_err(),
    };
    let upgraded = upgrade.max_message_size(MAX_CLIENT_MESSAGE_BYTES).on_upgrade(move |socket| async move {
        let _counted = counted;
        if let Err(error) = serve(state, seat, opener, socket).await {
            tracing::debug!(seat.id = %seat, %error, "an editor's socket ended");
        }
    });
    Ok(upgraded)
}

/// Who opened a socket.
struct Opener {
    sid: String,
    /// By which it was opened, if not by a session.
    token: Option<TokenAccess>,
    session: Session,
    /// The instructor, who looks on.
    is_observer: bool,
}

async fn serve(
    state: AppState,
    seat: SeatId,
    opener: Opener,
    mut socket: WebSocket,
) -> Result<(), axum::Error> {
    let Opener { sid, token, session, is_observer } = opener;
    // What opened with a token ends with it; what a session opened is told by the page.
    let token_ended = async {
        match token {
            Some(access) => state.workshop.token_ended(access.id).await,
            None => std::future::pending().await,
        }
    };
    let signed_out = signed_out(session);
    tokio::pin!(token_ended, signed_out);
    let (mut page, first, mut frames) = match state.workshop.open_editor(seat, &sid, is_observer).await {
        Ok(opened) => opened,
        Err(error) => {
            tracing::error!(seat.id = %seat, %error, "an editor could not be opened");
            return Ok(());
        }
    };
    for frame in first {
        socket.send(Message::Text(frame.into())).await?;
    }
    let mut client = Client::default();
    let mut ping = interval(PING_PERIOD);
    let mut heard_at = Instant::now();
    loop {
        tokio::select! {
            frame = frames.recv() => match frame {
                Ok(frame) => {
                    if let Some(message) = client.message(frame, &sid) {
                        socket.send(message).await?;
                    }
                }
                Err(RecvError::Lagged(skipped)) => {
                    // It fell behind: a status makes it fetch what it missed.
                    tracing::debug!(seat.id = %seat, skipped, "an editor skipped frames");
                    if let Ok(remaining) = state.workshop.queue_remaining(seat).await {
                        socket.send(Message::Text(events::status(remaining as usize, None).to_string().into())).await?;
                    }
                }
                Err(RecvError::Closed) => return Ok(()),
            },
            message = socket.recv() => {
                heard_at = Instant::now();
                match message {
                    Some(Ok(Message::Text(text))) => {
                        if let Some(reply) = client.hear(&text, state.config.max_upload_bytes) {
                            socket.send(Message::Text(reply.into())).await?;
                        }
                    }
                    Some(Ok(Message::Close(_))) | None => return Ok(()),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                }
            }
            () = page.revoked() => return Ok(()),
            () = &mut token_ended => return Ok(()),
            () = &mut signed_out => return Ok(()),
            _ = ping.tick() => {
                if heard_at.elapsed() > SILENCE_LIMIT {
                    return Ok(());
                }
                socket.send(Message::Ping(Bytes::new())).await?;
            }
        }
    }
}

impl Client {
    /// The frame as this client takes it, if it is for this client.
    fn message(&self, frame: SeatFrame, sid: &str) -> Option<Message> {
        if frame.client_id.is_some_and(|client_id| client_id != sid) {
            return None;
        }
        match frame.payload {
            FramePayload::Text(text) => Some(Message::Text(text.into())),
            // A frame that cannot be read is a preview less, not a reason to end the socket.
            FramePayload::Binary(bytes) => {
                events::frame_for_client(&bytes, self.previews_with_metadata).ok().map(Message::Binary)
            }
        }
    }
}
