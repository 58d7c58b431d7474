//! A page's WebSocket: the server sends the whole view on connect and on every
//! change, and this turns it into signals. Connects again for ever.

use codee::string::JsonSerdeCodec;
use leptos::prelude::*;
use leptos_use_websocket::{
    ConnectionReadyState, DummyEncoder, ReconnectLimit, UseWebSocketError, UseWebSocketOptions,
    UseWebSocketReturn, use_websocket_with_options,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

const RECONNECT_INTERVAL_MS: u64 = 2_000;

/// How far the page may be trusted to show the present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// The first attempt is under way.
    Connecting,
    Live,
    /// It was live or could not become so; the next attempt comes by itself.
    Offline,
    /// The server speaks a newer language than this page: only a reload helps.
    Outdated,
}

impl Connection {
    /// What follows from the socket's new state. Attempts after the first stay
    /// `Offline` until one succeeds, so that the display does not flicker.
    fn after(self, socket: ConnectionReadyState) -> Self {
        match (self, socket) {
            (Self::Outdated, _) => Self::Outdated,
            (_, ConnectionReadyState::Open) => Self::Live,
            (Self::Connecting, ConnectionReadyState::Connecting) => Self::Connecting,
            _ => Self::Offline,
        }
    }
}

/// The live end of a page.
#[derive(Clone, Copy)]
pub struct Live<T: Send + Sync + 'static> {
    /// What the server sent last; nothing before the first message and on the server.
    pub latest: Signal<Option<T>>,
    pub connection: Signal<Connection>,
}

/// Opens the WebSocket at `path` once the page runs in the browser.
pub fn use_live<T>(path: &str) -> Live<T>
where
    T: Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + 'static,
{
    let is_outdated = RwSignal::new(false);
    let options = UseWebSocketOptions::<T, _, _, (), DummyEncoder>::default()
        .reconnect_limit(ReconnectLimit::Infinite)
        .reconnect_interval(RECONNECT_INTERVAL_MS)
        .on_error(move |error| match error {
            UseWebSocketError::Codec(_) => is_outdated.set(true),
            // The close that follows a failed connection says the same.
            UseWebSocketError::Event(_) | UseWebSocketError::HeartbeatCodec(_) => {}
        });
    let UseWebSocketReturn { ready_state, message, .. } =
        use_websocket_with_options::<T, T, JsonSerdeCodec, (), DummyEncoder>(path, options);

    // The socket is reported closed before the first attempt, which begins in an effect.
    let has_begun = Memo::new(move |begun: Option<&bool>| {
        begun == Some(&true) || ready_state.get() != ConnectionReadyState::Closed
    });
    let connection = Memo::new(move |before: Option<&Connection>| {
        let before = before.copied().unwrap_or(Connection::Connecting);
        let socket = ready_state.get();
        if is_outdated.get() {
            Connection::Outdated
        } else if has_begun.get() {
            before.after(socket)
        } else {
            Connection::Connecting
        }
    });
    Live { latest: message, connection: connection.into() }
}

/// Follows one row of a list that is replaced as a whole. The row keeps its last
/// value when it has left the list, until the list's view drops it.
pub fn follow_row<T, K>(
    rows: Signal<Vec<T>>,
    row: T,
    key: impl Fn(&T) -> K + Copy + Send + Sync + 'static,
) -> Memo<T>
where
    T: Clone + PartialEq + Send + Sync + 'static,
    K: PartialEq + Send + Sync + 'static,
{
    Memo::new(move |before: Option<&T>| {
        let current = before.unwrap_or(&row);
        let wanted = key(current);
        rows.with(|rows| rows.iter().find(|row| key(row) == wanted).cloned())
            .unwrap_or_else(|| current.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConnectionReadyState::{Closed, Connecting, Open};

    fn follow(states: &[ConnectionReadyState]) -> Connection {
        states.iter().fold(Connection::Connecting, |connection, state| connection.after(*state))
    }

    #[test]
    fn the_first_attempt_is_told_from_later_ones() {
        assert_eq!(follow(&[Connecting]), Connection::Connecting);
        assert_eq!(follow(&[Connecting, Open]), Connection::Live);
        assert_eq!(follow(&[Connecting, Closed, Connecting]), Connection::Offline);
        assert_eq!(follow(&[Connecting, Open, Closed, Connecting]), Connection::Offline);
        assert_eq!(follow(&[Connecting, Open, Closed, Connecting, Open]), Connection::Live);
    }

    #[test]
    fn an_outdated_page_stays_so() {
        assert_eq!(Connection::Outdated.after(Open), Connection::Outdated);
    }
}
