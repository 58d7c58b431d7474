//! Which browser a seat is in.
//!
//! Invariant: knowing a join link is not enough to be at a seat that is open in another browser.
//! Somebody must say so, and the other browser shows it at once: it ends, or it names the other.

use domain::access::Denied;
use domain::{SeatId, Viewer};
use store::{ClaimKind, Event, EventKind};

use crate::{Workshop, WorkshopError};

/// What a session has of a seat: it holds it while both numbers are the seat's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatClaim {
    pub seat: SeatId,
    /// Of the join link that it came by; another one voids it.
    pub generation: i64,
    /// A later claim, made in another browser, takes the seat over.
    pub claim: i64,
}

/// How a browser comes to a seat that is open in another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeSeat {
    /// The other's pages end.
    Instead,
    /// Both have it, and the other says so.
    Too,
}

/// Of a session that knows the link and was never in.
pub(crate) const NO_CLAIM: i64 = -1;

/// The claim that a seat is held by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CurrentClaim {
    pub(crate) number: i64,
    /// More than one browser came by it.
    pub(crate) is_shared: bool,
}

impl Workshop {
    /// Opens the seat of this join link for a session that has these claims already. While the
    /// seat is open in another browser this gives a claim that holds nothing; its page offers
    /// [`Workshop::take_seat`].
    pub async fn join(
        &self,
        token: &str,
        has: impl IntoIterator<Item = SeatClaim>,
    ) -> Result<SeatClaim, WorkshopError> {
        let seat = self.seat_of_link(token).ok_or(WorkshopError::NotFound)?;
        let current = self.current_claim(seat)?;
        let is_own = has.into_iter().any(|claim| claim == current);
        if !is_own && self.inner.hub.is_in_use(seat) {
            return Ok(SeatClaim { claim: NO_CLAIM, ..current });
        }
        let claim = if is_own { current } else { self.claim_seat(seat, ClaimKind::Sole).await? };
        self.enter(seat, None).await?;
        Ok(claim)
    }

    /// Takes the seat into this browser although another one has it; or, from a browser that
    /// has it already, ends it in the others.
    pub async fn take_seat(
        &self,
        viewer: &Viewer,
        seat: SeatId,
        how: TakeSeat,
    ) -> Result<SeatClaim, WorkshopError> {
        let detail = match (viewer.require_seat(seat), how) {
            (Ok(_), TakeSeat::Too) => return self.current_claim(seat),
            (Ok(_), TakeSeat::Instead) => "ended in other browsers",
            (Err(Denied::InUseElsewhere), TakeSeat::Instead) => "taken over from another browser",
            (Err(Denied::InUseElsewhere), TakeSeat::Too) => "in a second browser",
            // Only who came by the present link is told that it is elsewhere.
            (Err(Denied::NotYours | Denied::SignedOut), _) => return Err(WorkshopError::NotFound),
        };
        let kind = match how {
            TakeSeat::Instead => ClaimKind::Sole,
            TakeSeat::Too => ClaimKind::Shared,
        };
        let claim = self.claim_seat(seat, kind).await?;
        self.enter(seat, Some(detail)).await?;
        Ok(claim)
    }

    /// Whether the seat is open in several browsers that share it.
    pub(crate) fn is_shared(&self, seat: SeatId) -> bool {
        self.seats().claim(seat).is_shared && self.inner.hub.open_portals(seat) > 1
    }

    /// Notes that somebody came to the seat.
    pub(crate) async fn enter(&self, seat: SeatId, how: Option<&str>) -> Result<(), WorkshopError> {
        let now = self.now();
        self.store().touch_seat(seat, now).await?;
        let detail = how.map(str::to_owned);
        let event = Event { seat: Some(seat), detail, ..Event::new(EventKind::SeatJoined, now) };
        self.store().record_event(&event).await?;
        self.inner.hub.changed();
        Ok(())
    }

    /// A sole claim ends whatever other sessions have of the seat; a shared one is the present
    /// one, in one more browser.
    async fn claim_seat(&self, seat: SeatId, kind: ClaimKind) -> Result<SeatClaim, WorkshopError> {
        let number = self.store().claim_seat(seat, kind).await?;
        self.seats_mut().set_claim(seat, CurrentClaim { number, is_shared: kind == ClaimKind::Shared });
        if kind == ClaimKind::Sole {
            self.inner.hub.close_pages(seat);
        }
        Ok(SeatClaim { claim: number, ..self.current_claim(seat)? })
    }

    fn current_claim(&self, seat: SeatId) -> Result<SeatClaim, WorkshopError> {
        self.seats().current_claim(seat).ok_or(WorkshopError::NotFound)
    }
}
