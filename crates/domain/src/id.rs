//! A newtype per identifier, so that one can never be passed for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A participant's place, written `user001`. Numbered from 1 to [`SeatId::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SeatId(u16);

/// The text or number names no seat.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a seat: seats are written user001 to user{max}", max = SeatId::MAX)]
pub struct InvalidSeat(pub String);

impl SeatId {
    /// The highest seat number that a workshop may have.
    pub const MAX: u16 = 500;

    /// The seat with this number, counted from 1.
    pub fn new(number: u16) -> Result<Self, InvalidSeat> {
        if (1..=Self::MAX).contains(&number) {
            Ok(Self(number))
        } else {
            Err(InvalidSeat(number.to_string()))
        }
    }

    pub fn number(self) -> u16 {
        self.0
    }

    /// Reads the forms a person may type in a URL: `1`, `001`, `user1`, `user001`.
    pub fn parse_lenient(text: &str) -> Result<Self, InvalidSeat> {
        let digits = text.strip_prefix("user").unwrap_or(text);
        let valid =
            !digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = valid.then(|| digits.parse().ok()).flatten();
        number.and_then(|number| Self::new(number).ok()).ok_or_else(|| InvalidSeat(text.to_owned()))
    }
}

impl fmt::Display for SeatId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "user{:03}", self.0)
    }
}

impl FromStr for SeatId {
    type Err = InvalidSeat;

    /// Reads the canonical form only: `user001`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse_lenient(text)
            .ok()
            .filter(|seat| seat.to_string() == text)
            .ok_or_else(|| InvalidSeat(text.to_owned()))
    }
}

impl From<SeatId> for String {
    fn from(seat: SeatId) -> Self {
        seat.to_string()
    }
}

impl TryFrom<String> for SeatId {
    type Error = InvalidSeat;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id! {
    /// One queued prompt. Equal to ComfyUI's `prompt_id`.
    JobId
}
uuid_id! {
    /// Proof of the right to report on one attempt of a job.
    LeaseToken
}
uuid_id! {
    /// One file that arrives in pieces.
    UploadId
}
uuid_id! {
    /// One start of a worker process. Minted anew at each start.
    WorkerId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_read_in_every_form_a_person_types() {
        for text in ["7", "07", "007", "user7", "user007"] {
            assert_eq!(SeatId::parse_lenient(text).unwrap().to_string(), "user007");
        }
    }

    #[test]
    fn what_is_no_seat_is_refused() {
        for text in ["", "0", "user", "user000", "501", "0001", "-1", "+1", "user 1", "../1", "１"] {
            assert!(SeatId::parse_lenient(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_the_canonical_form_is_a_seat_id() {
        assert!("user001".parse::<SeatId>().is_ok());
        assert!("user1".parse::<SeatId>().is_err());
        assert!(serde_json::from_str::<SeatId>("\"1\"").is_err());
    }
}
