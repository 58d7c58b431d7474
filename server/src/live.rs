//! The portal's WebSockets: a whole typed view as JSON, whenever it has changed.

use std::time::Duration;

use app::api::admin::read_admin_view;
use app::api::seat::SeatView;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use domain::Viewer;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, interval};
use tower_sessions::Session;
use workshop::WorkshopError;

use crate::auth::{AdminAccess, SeatAccess, signed_out};
use crate::state::AppState;

/// Changes that come together are sent together.
const SETTLE_TIME: Duration = Duration::from_millis(60);
/// Times to a start run down while nothing else changes.
const REFRESH_PERIOD: Duration = Duration::from_secs(5);
const PING_PERIOD: Duration = Duration::from_secs(25);
const SILENCE_LIMIT: Duration = Duration::from_secs(80);
/// The pages send nothing.
const MAX_CLIENT_MESSAGE_BYTES: usize = 64 * 1024;

pub fn routes() -> Router<AppState> {
    Router::new().route("/user/{seat}/live", get(seat)).route("/admin/live", get(admin))
}

async fn seat(
    SeatAccess(seat): SeatAccess,
    State(state): State<AppState>,
    Extension(viewer): Extension<Viewer>,
    session: Session,
    upgrade: WebSocketUpgrade,
) -> Response {
    let counted = match state.limits.open_socket(seat) {
        Ok(counted) => counted,
        Err(too_much) => return too_much.into_response(),
    };
    upgrade.max_message_size(MAX_CLIENT_MESSAGE_BYTES).on_upgrade(move |socket| async move {
        let _counted = counted;
        let is_observer = viewer.require_seat(seat).is_err();
        let (mut page, changes) = state.workshop.open_portal(seat, is_observer);
        let view = || async { Ok(SeatView::from(state.workshop.seat_overview(seat).await?)) };
        tokio::select! {
            ended = serve(socket, changes, view) => log_end(ended),
            () = page.revoked() => {}
            () = signed_out(session) => {}
        }
    })
}

async fn admin(
    AdminAccess(admin): AdminAccess,
    State(state): State<AppState>,
    session: Session,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.max_message_size(MAX_CLIENT_MESSAGE_BYTES).on_upgrade(move |socket| async move {
        let changes = state.workshop.watch_all();
        let view = || read_admin_view(&state.workshop, admin);
        tokio::select! {
            ended = serve(socket, changes, view) => log_end(ended),
            () = signed_out(session) => {}
        }
    })
}

async fn serve<V, F>(
    mut socket: WebSocket,
    mut changes: watch::Receiver<u64>,
    view: impl Fn() -> F,
) -> Result<(), LiveError>
where
    V: Serialize,
    F: Future<Output = Result<V, WorkshopError>>,
{
    let mut sent = String::new();
    let mut ping = interval(PING_PERIOD);
    let mut refresh = interval(REFRESH_PERIOD);
    let mut heard_at = Instant::now();
    changes.mark_changed();
    loop {
        tokio::select! {
            changed = async {
                tokio::select! {
                    changed = changes.changed() => changed,
                    _ = refresh.tick() => Ok(()),
                }
            } => {
                if changed.is_err() {
                    return Ok(());
                }
                tokio::time::sleep(SETTLE_TIME).await;
                changes.mark_unchanged();
                let text = serde_json::to_string(&view().await?)?;
                if text != sent {
                    socket.send(Message::Text(text.clone().into())).await?;
                    sent = text;
                }
            }
            message = socket.recv() => {
                heard_at = Instant::now();
                match message {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                    Some(Ok(_)) => {}
                }
            }
            _ = ping.tick() => {
                if heard_at.elapsed() > SILENCE_LIMIT {
                    return Ok(());
                }
                socket.send(Message::Ping(Bytes::new())).await?;
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum LiveError {
    #[error("the view could not be made")]
    View(#[from] WorkshopError),
    #[error("the view could not be written")]
    Write(#[from] serde_json::Error),
    #[error("the socket failed")]
    Socket(#[from] axum::Error),
}

fn log_end(result: Result<(), LiveError>) {
    match result {
        Ok(()) => {}
        Err(LiveError::Socket(error)) => tracing::debug!(%error, "a live page went away"),
        Err(error) => {
            tracing::error!(error = %error, cause = ?std::error::Error::source(&error), "a live page failed")
        }
    }
}
