//! Seats: their join links, who holds which, and what the instructor decided about them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use domain::{AccessMode, Admin, SeatId, Timestamp, Viewer};
use store::{Event, EventKind, Seat};

use crate::claims::{CurrentClaim, NO_CLAIM, SeatClaim};
use crate::{Workshop, WorkshopError};

/// The longest name of a seat, in characters.
const MAX_NAME: usize = 40;
/// The longest message to a seat or to all, in characters.
pub(crate) const MAX_MESSAGE: usize = 500;

/// A redirect follows at once; what is on its way for longer has been taken by somebody else.
const LOOK_LIMIT: Duration = Duration::from_secs(60);

/// The seats as kept in memory: every request looks one up.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    by_id: BTreeMap<SeatId, Seat>,
    by_token: HashMap<String, SeatId>,
    /// What the instructor was given to look on with, until when it may be used, and where.
    looks: HashMap<String, (SeatId, Timestamp)>,
    by_take_home: HashMap<String, SeatId>,
    claims: HashMap<SeatId, CurrentClaim>,
}

/// A seat's way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatLink {
    pub seat: SeatId,
    /// Path of the join link: `/join/…`.
    pub join_path: String,
}

impl Seats {
    fn insert(&mut self, seat: Seat) {
        if let Some(before) = self.by_id.get(&seat.id) {
            self.by_token.remove(&before.join_token);
            self.by_take_home.remove(&before.take_home_token);
        }
        self.by_token.insert(seat.join_token.clone(), seat.id);
        self.by_take_home.insert(seat.take_home_token.clone(), seat.id);
        self.by_id.insert(seat.id, seat);
    }

    fn generation(&self, seat: SeatId) -> Option<i64> {
        self.by_id.get(&seat).map(|seat| seat.session_generation)
    }

    pub(crate) fn claim(&self, seat: SeatId) -> CurrentClaim {
        self.claims.get(&seat).copied().unwrap_or_default()
    }

    /// Of two that come at once the later number stays.
    pub(crate) fn set_claim(&mut self, seat: SeatId, claim: CurrentClaim) {
        if claim.number >= self.claim(seat).number {
            self.claims.insert(seat, claim);
        }
    }

    /// What a session must name to hold the seat.
    pub(crate) fn current_claim(&self, seat: SeatId) -> Option<SeatClaim> {
        Some(SeatClaim { seat, generation: self.generation(seat)?, claim: self.claim(seat).number })
    }
}

impl Workshop {
    pub(crate) async fn load_accounts(&self) -> Result<(), WorkshopError> {
        let count = self.settings().seats;
        let mint = std::sync::Arc::clone(&self.inner.parts.mint);
        self.store().ensure_seats(count, self.now(), move || mint.secret()).await?;
        let mut seats = Seats::default();
        for seat in self.store().seats(count).await? {
            let claim = CurrentClaim { number: seat.session_claim, is_shared: seat.is_claim_shared };
            seats.claims.insert(seat.id, claim);
            seats.insert(seat);
        }
        *self.seats_mut() = seats;
        Ok(())
    }

    /// Whose join link this is, without going in.
    pub fn seat_of_link(&self, token: &str) -> Option<SeatId> {
        self.seats().by_token.get(token).copied()
    }

    /// A word that opens the seat once, soon, and only to look: it carries the instructor
    /// from the workshop's host to the seat's own, where their session does not count.
    pub fn mint_look(&self, _admin: Admin, seat: SeatId) -> Result<String, WorkshopError> {
        self.seat(seat)?;
        let (word, now) = (self.inner.parts.mint.secret(), self.now());
        let mut seats = self.seats_mut();
        seats.looks.retain(|_, (_, until)| *until > now);
        seats.looks.insert(word.clone(), (seat, now + LOOK_LIMIT));
        Ok(word)
    }

    /// Uses the word up; the seat that it opens.
    pub fn take_look(&self, word: &str) -> Option<SeatId> {
        let (seat, until) = self.seats_mut().looks.remove(word)?;
        (until > self.now()).then_some(seat)
    }

    /// Chooses a seat by name, where the operator has opened the room.
    pub async fn join_open(&self, seat: SeatId) -> Result<SeatClaim, WorkshopError> {
        let generation = self.seats().generation(seat);
        let generation = generation.filter(|_| self.settings().access_mode == AccessMode::Open);
        let generation = generation.ok_or(WorkshopError::NotFound)?;
        self.enter(seat, None).await?;
        // In an open room nobody holds a seat.
        Ok(SeatClaim { seat, generation, claim: NO_CLAIM })
    }

    /// Notes that the instructor has signed in.
    pub async fn admin_entered(&self) -> Result<(), WorkshopError> {
        Ok(self.store().record_event(&Event::new(EventKind::AdminLoggedIn, self.now())).await?)
    }

    /// The viewer behind a session with these claims. What is no longer valid is left out; in
    /// an open room every seat is anybody's.
    pub fn viewer(&self, claims: impl IntoIterator<Item = SeatClaim>, is_admin: bool) -> Viewer {
        let seats = self.seats();
        match self.settings().access_mode {
            AccessMode::Open => Viewer::new(seats.by_id.keys().copied(), is_admin),
            AccessMode::Link => {
                let is_valid = |claim: &SeatClaim| seats.generation(claim.seat) == Some(claim.generation);
                let (held, elsewhere): (Vec<_>, Vec<_>) = claims
                    .into_iter()
                    .filter(is_valid)
                    .partition(|claim| seats.current_claim(claim.seat) == Some(*claim));
                let seat = |claim: SeatClaim| claim.seat;
                Viewer::new(held.into_iter().map(seat), is_admin)
                    .with_elsewhere(elsewhere.into_iter().map(seat))
            }
        }
    }

    /// All join links, for the operator at the console.
    pub fn join_links(&self) -> Vec<SeatLink> {
        let link = |seat: &Seat| SeatLink { seat: seat.id, join_path: join_path(seat) };
        self.seats().by_id.values().map(link).collect()
    }

    /// Calls the seat by a person's name; an empty one takes the name away.
    pub async fn rename_seat(&self, _admin: Admin, seat: SeatId, name: &str) -> Result<(), WorkshopError> {
        let name = single_line(name, MAX_NAME)?;
        self.change_seat(seat, EventKind::SeatRenamed, Some(name.clone()), |seat| seat.name = name).await
    }

    /// Makes new links, to join and to take home. The old ones end now, and with them every
    /// session begun with them and every API token of the seat.
    pub async fn rotate_link(&self, _admin: Admin, seat: SeatId) -> Result<(), WorkshopError> {
        let (token, take_home) = (self.inner.parts.mint.secret(), self.inner.parts.mint.secret());
        self.change_seat(seat, EventKind::LinkRotated, None, |seat| {
            seat.join_token = token;
            seat.take_home_token = take_home;
            seat.session_generation += 1;
        })
        .await?;
        self.end_tokens(seat).await?;
        self.inner.hub.close_pages(seat);
        Ok(())
    }

    /// Holds the seat's waiting jobs back, or no longer. What is on a worker runs on.
    pub async fn pause_seat(
        &self,
        _admin: Admin,
        seat: SeatId,
        is_paused: bool,
    ) -> Result<(), WorkshopError> {
        let kind = if is_paused { EventKind::SeatPaused } else { EventKind::SeatResumed };
        self.change_seat(seat, kind, None, |seat| seat.is_paused = is_paused).await
    }

    /// Makes the seat the one that demonstrates: what it queues from now on starts at once.
    pub async fn demo_seat(&self, _admin: Admin, seat: SeatId, is_demo: bool) -> Result<(), WorkshopError> {
        let detail = if is_demo { "on" } else { "off" };
        self.change_seat(seat, EventKind::SeatDemo, Some(detail.to_owned()), |seat| seat.is_demo = is_demo)
            .await
    }

    /// Shows a message on the seat's page until it is taken away by an empty one.
    pub async fn message_seat(&self, _admin: Admin, seat: SeatId, text: &str) -> Result<(), WorkshopError> {
        let text = single_line(text, MAX_MESSAGE)?;
        let message = Some(text.clone()).filter(|text| !text.is_empty());
        self.change_seat(seat, EventKind::SeatMessaged, Some(text), |seat| seat.message = message).await
    }

    /// Takes the instructor's message off the seat's page.
    pub async fn dismiss_message(&self, seat: SeatId) -> Result<(), WorkshopError> {
        let changed = self.changed_seat(seat, |seat| seat.message = None)?;
        self.store().save_seat(&changed).await?;
        self.seats_mut().insert(changed);
        self.inner.hub.changed();
        Ok(())
    }

    pub fn has_seat(&self, seat: SeatId) -> bool {
        self.seats().by_id.contains_key(&seat)
    }

    /// Of the seat's join link as it is now; none if there is no such seat.
    pub(crate) fn generation(&self, seat: SeatId) -> Option<i64> {
        self.seats().generation(seat)
    }

    /// The seat as it is now.
    pub(crate) fn seat(&self, seat: SeatId) -> Result<Seat, WorkshopError> {
        self.seats().by_id.get(&seat).cloned().ok_or(WorkshopError::NotFound)
    }

    pub(crate) fn seat_of_take_home(&self, token: &str) -> Option<SeatId> {
        self.seats().by_take_home.get(token).copied()
    }

    pub(crate) fn all_seats(&self) -> Vec<Seat> {
        self.seats().by_id.values().cloned().collect()
    }

    /// Keeps in memory what the record has of a seat's service.
    pub(crate) fn set_service(&self, seat: SeatId, service: store::SeatService) {
        if let Some(seat) = self.seats_mut().by_id.get_mut(&seat) {
            seat.service = service;
        }
    }

    async fn change_seat(
        &self,
        id: SeatId,
        kind: EventKind,
        detail: Option<String>,
        change: impl FnOnce(&mut Seat),
    ) -> Result<(), WorkshopError> {
        let changed = self.changed_seat(id, change)?;
        self.store().save_seat(&changed).await?;
        self.seats_mut().insert(changed);
        let event = Event { seat: Some(id), detail, ..Event::new(kind, self.now()) };
        self.store().record_event(&event).await?;
        self.inner.dispatcher.notify_one();
        self.inner.hub.changed();
        Ok(())
    }

    fn changed_seat(&self, id: SeatId, change: impl FnOnce(&mut Seat)) -> Result<Seat, WorkshopError> {
        let mut seat = self.seat(id)?;
        change(&mut seat);
        Ok(seat)
    }

    pub(crate) fn seats(&self) -> std::sync::RwLockReadGuard<'_, Seats> {
        self.inner.seats.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn seats_mut(&self) -> std::sync::RwLockWriteGuard<'_, Seats> {
        self.inner.seats.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

pub(crate) fn join_path(seat: &Seat) -> String {
    format!("/join/{}", seat.join_token)
}

/// What a person typed, as one line of at most so many characters.
pub(crate) fn single_line(text: &str, limit: usize) -> Result<String, WorkshopError> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > limit {
        return Err(WorkshopError::BadRequest(format!("this is longer than {limit} characters")));
    }
    Ok(line)
}
