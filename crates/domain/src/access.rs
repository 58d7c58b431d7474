//! Who a request speaks for, and what that allows.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::SeatId;

/// How a participant comes to a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessMode {
    /// By the seat's secret join link.
    #[default]
    Link,
    /// By choosing any seat: for a room where everyone is trusted.
    Open,
}

impl FromStr for AccessMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "link" => Ok(Self::Link),
            "open" => Ok(Self::Open),
            other => Err(format!("`{other}` is neither `link` nor `open`")),
        }
    }
}

/// The person behind a request: the seats that this browser has joined, and
/// whether it holds the instructor's session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Viewer {
    seats: BTreeSet<SeatId>,
    /// The only seat that this browser may look at without holding it.
    looks_at: Option<SeatId>,
    /// Seats that this browser joined and another one holds now.
    elsewhere: BTreeSet<SeatId>,
    is_admin: bool,
}

/// Proof that the viewer is the instructor. Only [`Viewer::require_admin`] makes one.
#[derive(Debug, Clone, Copy)]
pub struct Admin(());

/// What the viewer asked for is not theirs, or is not there; nobody learns which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("no session: open your join link first")]
    SignedOut,
    #[error("there is no such page for this session")]
    NotYours,
    /// It is this browser's by its join link, and another browser holds it now.
    #[error("this seat is in use in another browser")]
    InUseElsewhere,
}

impl Viewer {
    pub fn new(seats: impl IntoIterator<Item = SeatId>, is_admin: bool) -> Self {
        Self { seats: seats.into_iter().collect(), is_admin, ..Self::default() }
    }

    /// With seats that another browser took over from this one.
    #[must_use]
    pub fn with_elsewhere(self, seats: impl IntoIterator<Item = SeatId>) -> Self {
        Self { elsewhere: seats.into_iter().collect(), ..self }
    }

    /// The instructor at one seat's own host: looks on there, and is nobody elsewhere.
    #[must_use]
    pub fn looking_at(self, seat: SeatId) -> Self {
        Self { looks_at: Some(seat), ..self }
    }

    /// The seat, if the viewer may act for it.
    pub fn require_seat(&self, seat: SeatId) -> Result<SeatId, Denied> {
        if self.seats.contains(&seat) {
            Ok(seat)
        } else if self.elsewhere.contains(&seat) {
            Err(Denied::InUseElsewhere)
        } else if self.is_stranger() {
            Err(Denied::SignedOut)
        } else {
            Err(Denied::NotYours)
        }
    }

    /// The seat, if the viewer may look at it without changing anything: its participant's,
    /// or any to the instructor.
    pub fn require_seat_to_look(&self, seat: SeatId) -> Result<SeatId, Denied> {
        if self.is_admin || self.looks_at == Some(seat) { Ok(seat) } else { self.require_seat(seat) }
    }

    pub fn require_admin(&self) -> Result<Admin, Denied> {
        if self.is_admin {
            Ok(Admin(()))
        } else if self.is_stranger() {
            Err(Denied::SignedOut)
        } else {
            Err(Denied::NotYours)
        }
    }

    fn is_stranger(&self) -> bool {
        self.seats.is_empty() && self.looks_at.is_none() && !self.is_admin
    }

    pub fn is_admin(&self) -> bool {
        self.is_admin
    }

    pub fn seats(&self) -> impl Iterator<Item = SeatId> + '_ {
        self.seats.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(number: u16) -> SeatId {
        SeatId::new(number).unwrap()
    }

    #[test]
    fn a_viewer_acts_for_joined_seats_only() {
        let viewer = Viewer::new([seat(1)], false);
        assert_eq!(viewer.require_seat(seat(1)), Ok(seat(1)));
        assert_eq!(viewer.require_seat(seat(2)), Err(Denied::NotYours));
        assert_eq!(viewer.require_admin().unwrap_err(), Denied::NotYours);
    }

    #[test]
    fn nobody_is_told_apart_from_a_stranger() {
        assert_eq!(Viewer::default().require_seat(seat(1)), Err(Denied::SignedOut));
        assert_eq!(Viewer::default().require_admin().unwrap_err(), Denied::SignedOut);
    }

    #[test]
    fn the_instructor_looks_at_every_seat_and_a_participant_at_their_own() {
        assert_eq!(Viewer::new([], true).require_seat_to_look(seat(2)), Ok(seat(2)));
        let participant = Viewer::new([seat(1)], false);
        assert_eq!(participant.require_seat_to_look(seat(1)), Ok(seat(1)));
        assert_eq!(participant.require_seat_to_look(seat(2)), Err(Denied::NotYours));
    }

    #[test]
    fn who_looks_at_one_seat_is_nothing_more() {
        let viewer = Viewer::default().looking_at(seat(2));
        assert_eq!(viewer.require_seat_to_look(seat(2)), Ok(seat(2)));
        assert_eq!(viewer.require_seat(seat(2)), Err(Denied::NotYours));
        assert_eq!(viewer.require_seat_to_look(seat(1)), Err(Denied::NotYours));
        assert_eq!(viewer.require_admin().unwrap_err(), Denied::NotYours);
    }

    #[test]
    fn a_seat_that_another_browser_took_over_is_told_apart() {
        let viewer = Viewer::default().with_elsewhere([seat(1)]);
        assert_eq!(viewer.require_seat(seat(1)), Err(Denied::InUseElsewhere));
        assert_eq!(viewer.require_seat_to_look(seat(1)), Err(Denied::InUseElsewhere));
        assert_eq!(viewer.require_seat(seat(2)), Err(Denied::SignedOut));
        assert_eq!(viewer.seats().count(), 0);
        let instructor = Viewer::new([], true).with_elsewhere([seat(1)]);
        assert_eq!(instructor.require_seat_to_look(seat(1)), Ok(seat(1)));
    }

    #[test]
    fn the_instructor_does_not_hold_the_seats() {
        let viewer = Viewer::new([], true);
        assert!(viewer.require_admin().is_ok());
        assert_eq!(viewer.require_seat(seat(1)), Err(Denied::NotYours));
    }
}
