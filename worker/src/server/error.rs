//! What can go wrong between us and the server.

use std::error::Error;

/// A call to the server did not give what it should.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("the address of the server is not usable")]
    Address(#[source] reqwest::Error),
    /// No answer: the server is away, or the connection broke, or it took too long.
    #[error("no answer to {call}")]
    Transport {
        call: &'static str,
        #[source]
        source: reqwest::Error,
    },
    /// The connection is there, and nothing comes.
    #[error("{call} brought nothing for too long")]
    Silent { call: &'static str },
    /// The server, or something in front of it, cannot answer now.
    #[error("{call} was answered with {status}")]
    Unavailable { call: &'static str, status: u16 },
    #[error("the server does not accept the worker token")]
    Unauthorized,
    /// The lease is no longer ours.
    #[error("the lease is no longer current")]
    StaleLease,
    #[error("the server does not know what {call} asked for")]
    NotFound { call: &'static str },
    #[error("the server refused {call} with {status}: {message}")]
    Refused { call: &'static str, status: u16, message: String },
    #[error("the server's answer to {call} was not understood")]
    Decode {
        call: &'static str,
        #[source]
        source: serde_json::Error,
    },
    /// A file came shorter, longer or other than promised.
    #[error("{name} arrived damaged")]
    Damaged { name: String },
    #[error("the worker's cache folder cannot be used")]
    Cache(#[source] std::io::Error),
    /// ComfyUI did not give the file that was to be sent.
    #[error("comfyui did not give {name}")]
    Engine {
        name: String,
        #[source]
        source: comfy_api::client::ClientError,
    },
}

impl ServerError {
    /// Whether asking again may bring another answer.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Transport { .. } | Self::Silent { .. } | Self::Unavailable { .. } | Self::Unauthorized
        )
    }
}

/// An error with everything that led to it, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some libraries repeat the cause in their own words.
        if !line.ends_with(&cause_text) {
            line.push_str(": ");
            line.push_str(&cause_text);
        }
        source = cause.source();
    }
    line
}
