//! Seats, their join links, and who holds which.

use std::collections::HashMap;

use domain::{AccessMode, Admin, SeatId, Viewer};
use store::{Event, EventKind};

use crate::{Workshop, WorkshopError};

/// The join links as kept in memory: every request looks one up.
#[derive(Debug, Default)]
pub(crate) struct Links {
    seats_by_token: HashMap<String, SeatId>,
    tokens: HashMap<SeatId, String>,
    generations: HashMap<SeatId, i64>,
}

/// A seat's way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatLink {
    pub seat: SeatId,
    /// Path of the join link: `/join/…`.
    pub join_path: String,
}

impl Workshop {
    pub(crate) async fn load_accounts(&self) -> Result<(), WorkshopError> {
        let count = self.settings().seats;
        let mint = std::sync::Arc::clone(&self.inner.parts.mint);
        self.store().ensure_seats(count, self.now(), move || mint.secret()).await?;
        let mut links = Links::default();
        for seat in self.store().seats(count).await? {
            links.seats_by_token.insert(seat.join_token.clone(), seat.id);
            links.tokens.insert(seat.id, seat.join_token);
            links.generations.insert(seat.id, seat.session_generation);
        }
        *self.links_mut() = links;
        Ok(())
    }

    /// The seat that this join link opens, and the generation that its session must name.
    pub async fn join(&self, token: &str) -> Result<(SeatId, i64), WorkshopError> {
        let joined = {
            let links = self.links();
            let seat = links.seats_by_token.get(token).copied();
            seat.and_then(|seat| Some((seat, *links.generations.get(&seat)?)))
        };
        let (seat, generation) = joined.ok_or(WorkshopError::NotFound)?;
        self.enter(seat).await?;
        Ok((seat, generation))
    }

    /// Chooses a seat by name, where the operator has opened the room.
    pub async fn join_open(&self, seat: SeatId) -> Result<(SeatId, i64), WorkshopError> {
        let generation = self.links().generations.get(&seat).copied();
        let generation = generation.filter(|_| self.settings().access_mode == AccessMode::Open);
        let generation = generation.ok_or(WorkshopError::NotFound)?;
        self.enter(seat).await?;
        Ok((seat, generation))
    }

    /// Notes that the instructor has signed in.
    pub async fn admin_entered(&self) -> Result<(), WorkshopError> {
        Ok(self.store().record_event(&Event::new(EventKind::AdminLoggedIn, self.now())).await?)
    }

    /// The viewer behind a session that claims these seats and generations. What is no
    /// longer valid is left out; in an open room every seat is anybody's.
    pub fn viewer(&self, claims: impl IntoIterator<Item = (SeatId, i64)>, is_admin: bool) -> Viewer {
        let links = self.links();
        match self.settings().access_mode {
            AccessMode::Open => Viewer::new(links.generations.keys().copied(), is_admin),
            AccessMode::Link => {
                let is_valid =
                    |(seat, generation): &(SeatId, i64)| links.generations.get(seat) == Some(generation);
                Viewer::new(claims.into_iter().filter(is_valid).map(|(seat, _)| seat), is_admin)
            }
        }
    }

    /// All join links, for the instructor.
    pub fn links_for(&self, _admin: Admin) -> Vec<SeatLink> {
        self.join_links()
    }

    /// All join links, for the operator at the console.
    pub fn join_links(&self) -> Vec<SeatLink> {
        let links = self.links();
        let link =
            |(seat, token): (&SeatId, &String)| SeatLink { seat: *seat, join_path: format!("/join/{token}") };
        let mut list: Vec<_> = links.tokens.iter().map(link).collect();
        list.sort_by_key(|link| link.seat);
        list
    }

    async fn enter(&self, seat: SeatId) -> Result<(), WorkshopError> {
        let now = self.now();
        self.store().touch_seat(seat, now).await?;
        let event = Event { seat: Some(seat), ..Event::new(EventKind::SeatJoined, now) };
        self.store().record_event(&event).await?;
        self.inner.hub.changed();
        Ok(())
    }

    fn links(&self) -> std::sync::RwLockReadGuard<'_, Links> {
        self.inner.links.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn links_mut(&self) -> std::sync::RwLockWriteGuard<'_, Links> {
        self.inner.links.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
