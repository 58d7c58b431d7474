//! What can go wrong between a page and the workshop, in one type that crosses the
//! wire. Its words are for the person at the page; causes are logged on the server.

use leptos::server_fn::codec::JsonEncoding;
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum AppError {
    /// Nobody is signed in.
    #[error("You are not signed in in this browser.")]
    SignedOut,
    /// Another browser holds the seat now.
    #[error("Your seat is open in another browser now. Reload this page to use it here instead.")]
    InUseElsewhere,
    /// It is not there, or it is another's.
    #[error("That is not here any more.")]
    NotFound,
    /// The request itself makes no sense.
    #[error("The server did not understand this page. Reload it and try again.")]
    Invalid,
    /// The browser got no answer.
    #[error("The server cannot be reached. Check your connection and try again.")]
    Unreachable,
    /// The server's own fault.
    #[error("Something went wrong on the server. Try again; if it stays, tell your instructor.")]
    Internal,
}

impl AppError {
    /// The HTTP status that goes with it.
    pub fn status(&self) -> u16 {
        match self {
            Self::SignedOut => 401,
            Self::NotFound => 404,
            Self::InUseElsewhere => 409,
            Self::Invalid => 400,
            Self::Unreachable => 503,
            Self::Internal => 500,
        }
    }
}

impl FromServerFnError for AppError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Request(_) => Self::Unreachable,
            ServerFnErrorErr::Args(_)
            | ServerFnErrorErr::MissingArg(_)
            | ServerFnErrorErr::Serialization(_)
            | ServerFnErrorErr::Deserialization(_)
            | ServerFnErrorErr::UnsupportedRequestMethod(_) => Self::Invalid,
            ServerFnErrorErr::Registration(_)
            | ServerFnErrorErr::ServerError(_)
            | ServerFnErrorErr::MiddlewareError(_)
            | ServerFnErrorErr::Response(_) => Self::Internal,
        }
    }
}

impl From<domain::access::Denied> for AppError {
    fn from(denied: domain::access::Denied) -> Self {
        match denied {
            domain::access::Denied::SignedOut => Self::SignedOut,
            domain::access::Denied::NotYours => Self::NotFound,
            domain::access::Denied::InUseElsewhere => Self::InUseElsewhere,
        }
    }
}

#[cfg(feature = "ssr")]
impl From<workshop::WorkshopError> for AppError {
    /// The person learns that it failed; the log learns why.
    fn from(error: workshop::WorkshopError) -> Self {
        match error {
            workshop::WorkshopError::NotFound => Self::NotFound,
            workshop::WorkshopError::BadRequest(_) => Self::Invalid,
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "a page's use case failed");
                Self::Internal
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_survives_the_wire() {
        let errors = [
            AppError::SignedOut,
            AppError::NotFound,
            AppError::InUseElsewhere,
            AppError::Invalid,
            AppError::Unreachable,
            AppError::Internal,
        ];
        for error in errors {
            assert_eq!(AppError::de(error.ser()), error);
        }
    }

    #[test]
    fn an_answer_that_is_no_error_of_ours_is_not_understood() {
        assert_eq!(AppError::de("<html>".into()), AppError::Invalid);
    }

    #[test]
    fn another_seat_is_not_found_and_a_stranger_is_signed_out() {
        assert_eq!(AppError::from(domain::access::Denied::NotYours).status(), 404);
        assert_eq!(AppError::from(domain::access::Denied::SignedOut).status(), 401);
    }
}
