//! How much one seat, or one network without a seat, may ask at once.
//!
//! Invariant: what a seat asks in excess costs only that seat: it waits or is refused (429), and
//! the others' requests go on. The instructor and workers are not counted here.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::{SeatId, Viewer};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::Semaphore;

use crate::attempts;
use crate::error::HttpError;
use crate::seat_hosts::seat_in;
use crate::state::AppState;

/// A burst, in seconds' worth of requests: several editors that load all their files at once.
const BURST_SECONDS: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// A network may hold a whole class, and asks here for pages only.
const NETWORK_FACTOR: NonZeroU32 = NonZeroU32::new(4).unwrap();
/// Requests of one seat that are worked on at once; further ones wait.
const MOST_AT_ONCE: usize = 48;
/// For so long, then they are refused.
const WAIT_LIMIT: Duration = Duration::from_secs(20);
/// Open WebSockets of one seat: tabs, and programs with its token.
const MOST_SOCKETS: usize = 64;
/// Networks that are remembered before those at rest are forgotten.
const MOST_NETWORKS: usize = 10_000;

/// Counts requests and sockets.
pub struct Limits {
    seats: DefaultKeyedRateLimiter<SeatId>,
    networks: DefaultKeyedRateLimiter<IpAddr>,
    /// Who was told of in the log within the last minute.
    noted: DefaultKeyedRateLimiter<Option<SeatId>>,
    at_once: Mutex<HashMap<SeatId, Arc<Semaphore>>>,
    sockets: Mutex<HashMap<SeatId, usize>>,
}

/// A seat's socket is counted until this is dropped.
pub struct CountedSocket {
    limits: Arc<Limits>,
    seat: SeatId,
}

/// A seat asked for too much: answered 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooMuch {
    Requests,
    AtOnce,
    Sockets,
}

impl Limits {
    /// `per_second`: requests of one seat, lasting; ten seconds' worth of them may come at once.
    pub fn new(per_second: NonZeroU32) -> Self {
        let quota = |per_second: NonZeroU32| {
            Quota::per_second(per_second).allow_burst(per_second.saturating_mul(BURST_SECONDS))
        };
        Self {
            seats: RateLimiter::keyed(quota(per_second)),
            networks: RateLimiter::keyed(quota(per_second.saturating_mul(NETWORK_FACTOR))),
            noted: RateLimiter::keyed(Quota::per_minute(NonZeroU32::MIN)),
            at_once: Mutex::default(),
            sockets: Mutex::default(),
        }
    }

    /// Counts a socket of the seat.
    pub fn open_socket(self: &Arc<Self>, seat: SeatId) -> Result<CountedSocket, TooMuch> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let count = sockets.entry(seat).or_default();
        if *count >= MOST_SOCKETS {
            self.note(Some(seat), TooMuch::Sockets);
            return Err(TooMuch::Sockets);
        }
        *count += 1;
        Ok(CountedSocket { limits: Arc::clone(self), seat })
    }

    fn count(&self, seat: Option<SeatId>, network: IpAddr) -> Result<(), TooMuch> {
        if self.networks.len() > MOST_NETWORKS {
            self.networks.retain_recent();
        }
        let is_within = match seat {
            Some(seat) => self.seats.check_key(&seat).is_ok(),
            None => self.networks.check_key(&network).is_ok(),
        };
        if is_within {
            return Ok(());
        }
        self.note(seat, TooMuch::Requests);
        Err(TooMuch::Requests)
    }

    fn line_of(&self, seat: SeatId) -> Arc<Semaphore> {
        let mut at_once = self.at_once.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(at_once.entry(seat).or_insert_with(|| Arc::new(Semaphore::new(MOST_AT_ONCE))))
    }

    fn note(&self, seat: Option<SeatId>, what: TooMuch) {
        if self.noted.check_key(&seat).is_ok() {
            let seat = seat.map(tracing::field::display);
            tracing::warn!(seat.id = seat, ?what, "too much was asked at once: refused, for now");
        }
    }
}

impl Drop for CountedSocket {
    fn drop(&mut self) {
        let mut sockets = self.limits.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = sockets.get_mut(&self.seat) {
            *count -= 1;
        }
    }
}

/// Holds each seat to its share.
pub async fn keep_share(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let viewer = request.extensions().get::<Viewer>();
    if viewer.is_some_and(Viewer::is_admin) {
        return next.run(request).await;
    }
    let seat = viewer.and_then(|viewer| seat_of(viewer, request.uri().path()));
    let network = attempts::network_of(request.extensions(), request.headers());
    if let Err(too_much) = state.limits.count(seat, network) {
        return too_much.into_response();
    }
    let Some(seat) = seat else { return next.run(request).await };
    match tokio::time::timeout(WAIT_LIMIT, state.limits.line_of(seat).acquire_owned()).await {
        Ok(_place) => next.run(request).await,
        Err(_) => {
            state.limits.note(Some(seat), TooMuch::AtOnce);
            TooMuch::AtOnce.into_response()
        }
    }
}

/// The seat that the path names, if it is the viewer's; elsewhere the viewer's only one.
fn seat_of(viewer: &Viewer, path: &str) -> Option<SeatId> {
    if let Some(seat) = seat_in(path) {
        return viewer.require_seat(seat).ok();
    }
    let mut seats = viewer.seats();
    seats.next().filter(|_| seats.next().is_none())
}

impl IntoResponse for TooMuch {
    fn into_response(self) -> Response {
        let message = match self {
            Self::Requests => {
                "Your browser or program asks for more than its share. Wait a few seconds, then go on more slowly."
            }
            Self::AtOnce => {
                "Too many of your requests are under way at once. Wait until some have ended, then try again."
            }
            Self::Sockets => {
                "Your seat has too many pages open. Close the tabs and programs that you do not need, then reload this page."
            }
        };
        let refusal = HttpError::refused(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message);
        let mut response = refusal.into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 5));

    fn seat(number: u16) -> SeatId {
        SeatId::new(number).unwrap()
    }

    fn limits() -> Arc<Limits> {
        Arc::new(Limits::new(NonZeroU32::new(5).unwrap()))
    }

    #[test]
    fn who_asks_for_more_than_a_share_stops_nobody_else() {
        let limits = limits();
        let served = (0..1000).take_while(|_| limits.count(Some(seat(1)), HERE).is_ok()).count();
        assert!((50..60).contains(&served), "{served} of a burst of 50");
        assert_eq!(limits.count(Some(seat(2)), HERE), Ok(()));
        assert_eq!(limits.count(None, HERE), Ok(()));
    }

    #[test]
    fn a_network_has_room_for_a_class() {
        let limits = limits();
        let served = (0..1000).take_while(|_| limits.count(None, HERE).is_ok()).count();
        assert!((200..230).contains(&served), "{served} of a burst of 200");
    }

    #[test]
    fn sockets_are_counted_while_they_are_open() {
        let limits = limits();
        let mut open: Vec<_> = (0..MOST_SOCKETS).map(|_| limits.open_socket(seat(1)).unwrap()).collect();
        assert_eq!(limits.open_socket(seat(1)).err(), Some(TooMuch::Sockets));
        assert!(limits.open_socket(seat(2)).is_ok());
        open.pop();
        assert!(limits.open_socket(seat(1)).is_ok());
    }

    #[test]
    fn requests_count_for_the_seat_that_they_are_about() {
        let viewer = Viewer::new([seat(1), seat(2)], false);
        assert_eq!(seat_of(&viewer, "/user/user002/comfy/prompt"), Some(seat(2)));
        assert_eq!(seat_of(&viewer, "/user/user003/comfy/prompt"), None, "not theirs");
        assert_eq!(seat_of(&viewer, "/api/read-seat-page"), None, "whose is not known");
        assert_eq!(seat_of(&Viewer::new([seat(1)], false), "/api/read-seat-page"), Some(seat(1)));
    }
}
