//! Why a queue could not do what it was asked to.

use redis::{ErrorKind, RedisError};

#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The URL is malformed, or asks for something this build cannot do.
    #[error("the redis url cannot be used")]
    InvalidUrl(#[source] RedisError),
    /// User name or password are wrong or missing. Trying again does not help.
    #[error("redis refused the user name or password in the redis url")]
    Refused(#[source] RedisError),
    #[error("redis could not be reached within {seconds} s")]
    Unreachable {
        seconds: u64,
        #[source]
        source: RedisError,
    },
    /// Nothing came back in time. What was asked may still happen.
    #[error("redis did not answer within {after_ms} ms")]
    TimedOut {
        after_ms: u128,
        /// What the latest try met with, if one came to an end.
        #[source]
        source: Option<RedisError>,
    },
    #[error("redis could not {operation}")]
    Redis {
        operation: &'static str,
        #[source]
        source: RedisError,
    },
    #[error("the task could not be handed to redis")]
    Push(#[source] apalis_redis::Error),
    #[error("the task could not be written as json")]
    Encode(#[source] serde_json::Error),
    /// A queue in memory was told to be away.
    #[error("the queue in memory is switched off")]
    SwitchedOff,
}

impl QueueError {
    /// Sorts an error of Redis by whether the password is to blame.
    pub(crate) fn from_redis(operation: &'static str, source: RedisError) -> Self {
        if is_refusal(&source) { Self::Refused(source) } else { Self::Redis { operation, source } }
    }
}

/// Whether Redis turned the user away, rather than failed.
pub(crate) fn is_refusal(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
        // So Redis answers a stranger whose command has many arguments.
        || error.detail().is_some_and(|detail| detail.contains("unauthenticated multibulk length"))
}
