//! What can go wrong between us and ComfyUI.

use serde_json::Value;

/// A call to ComfyUI did not give what it should.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No answer: nothing listens, or the connection broke, or it took too long.
    #[error("comfyui did not answer {call}")]
    Transport {
        call: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("comfyui answered {call} with {status}: {body}")]
    Status { call: String, status: u16, body: String },
    #[error("comfyui's answer to {call} was not understood")]
    Decode {
        call: String,
        #[source]
        source: serde_json::Error,
    },
    /// ComfyUI does not accept the graph: its own answer.
    #[error("comfyui refused the graph")]
    Refused { body: Value },
    #[error("comfyui's event socket failed")]
    Socket(#[source] Box<tokio_tungstenite::tungstenite::Error>),
    #[error("comfyui did not open the event socket in time")]
    SocketTimeout,
}

impl ClientError {
    /// Whether the request certainly never reached ComfyUI.
    pub fn never_arrived(&self) -> bool {
        matches!(self, Self::Transport { source, .. } if source.is_connect())
    }

    /// Whether ComfyUI answered that it has no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status: 404, .. })
    }
}
