//! ComfyUI's event socket.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, Stream, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::{ClientError, ComfyClient};

const OPEN_LIMIT: Duration = Duration::from_secs(10);
const FLAGS_LIMIT: Duration = Duration::from_secs(1);

/// One message of the socket.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// `{"type": kind, "data": data}`; `raw` is the text as it came.
    Text { kind: String, data: Value, raw: String },
    /// A preview or a text made while a node runs: ComfyUI's own binary frame.
    Binary(Bytes),
}

/// The events of one client id, until the socket closes.
#[derive(Debug)]
pub struct EventStream {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl ComfyClient {
    /// Opens the socket that gets the events of graphs posted with this client id.
    ///
    /// Returns once ComfyUI has registered the id (its first message says so): events of a
    /// graph posted from then on are not missed.
    pub async fn events(&self, client_id: &str) -> Result<EventStream, ClientError> {
        let address = format!("{}/ws?clientId={client_id}", self.base.replacen("http", "ws", 1));
        let opening = async {
            // Previews and progress of large graphs have no useful upper bound here: it is our own ComfyUI.
            let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
            let (mut socket, _) = connect_async_with_config(address, Some(config), true).await?;
            // Must be the first message. It makes previews name their node and prompt.
            let flags = json!({"type": "feature_flags", "data": {"supports_preview_metadata": true}});
            socket.send(Message::text(flags.to_string())).await?;
            let mut stream = EventStream { socket };
            stream.wait_for("status").await?;
            // An old ComfyUI does not know the flags and answers nothing.
            if let Ok(answered) = tokio::time::timeout(FLAGS_LIMIT, stream.wait_for("feature_flags")).await {
                answered?;
            }
            Ok(stream)
        };
        tokio::time::timeout(OPEN_LIMIT, opening).await.map_err(|_| ClientError::SocketTimeout)?
    }
}

impl EventStream {
    async fn wait_for(&mut self, wanted: &str) -> Result<(), ClientError> {
        while let Some(frame) = self.next().await {
            if matches!(frame?, Frame::Text { kind, .. } if kind == wanted) {
                return Ok(());
            }
        }
        Err(socket_error(tokio_tungstenite::tungstenite::Error::ConnectionClosed))
    }
}

impl Stream for EventStream {
    type Item = Result<Frame, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(message) = ready!(self.socket.poll_next_unpin(context)) else {
                return Poll::Ready(None);
            };
            match message {
                Ok(Message::Text(text)) => {
                    if let Some(frame) = read_text(text.as_str()) {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Ok(Message::Binary(bytes)) => return Poll::Ready(Some(Ok(Frame::Binary(bytes)))),
                Ok(Message::Close(_)) => return Poll::Ready(None),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(socket_error(error)))),
            }
        }
    }
}

/// `None` for text that is no event: custom nodes may send anything, and no run depends on it.
fn read_text(text: &str) -> Option<Frame> {
    let mut message: Value = crate::json::from_str(text).ok()?;
    let kind = message.get("type")?.as_str()?.to_owned();
    let data = message.get_mut("data").map(Value::take).unwrap_or_default();
    Some(Frame::Text { kind, data, raw: text.to_owned() })
}

fn socket_error(error: tokio_tungstenite::tungstenite::Error) -> ClientError {
    ClientError::Socket(Box::new(error))
}

impl From<tokio_tungstenite::tungstenite::Error> for ClientError {
    fn from(error: tokio_tungstenite::tungstenite::Error) -> Self {
        socket_error(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_split_into_its_type_and_data() {
        let raw = r#"{"type":"progress","data":{"value":1,"max":4}}"#;
        let expected =
            Frame::Text { kind: "progress".into(), data: json!({"value":1,"max":4}), raw: raw.into() };
        assert_eq!(read_text(raw), Some(expected));
    }

    #[test]
    fn text_that_is_no_event_is_passed_over() {
        for text in ["", "hello", "[]", "{}", r#"{"type":7}"#] {
            assert_eq!(read_text(text), None, "{text:?}");
        }
    }
}
