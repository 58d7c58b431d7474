//! Live news for open pages: frames for a seat's editors, and a nudge for portals.
//!
//! Nothing here is a record. A page that misses news reads the stored state again,
//! so a slow one may skip frames but never sees a wrong end state.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use bytes::Bytes;
use domain::SeatId;
use tokio::sync::{broadcast, watch};

/// Frames that a slow editor may fall behind before it skips to the latest.
const FRAME_BACKLOG: usize = 512;

/// One message for the editors of a seat.
#[derive(Debug, Clone)]
pub struct SeatFrame {
    /// The tab it is for; `None` is for all of the seat's.
    pub client_id: Option<String>,
    pub payload: FramePayload,
}

#[derive(Debug, Clone)]
pub enum FramePayload {
    /// A ComfyUI text message, ready to send.
    Text(String),
    /// A ComfyUI binary frame as the engine sent it (previews with metadata).
    Binary(Bytes),
}

pub(crate) struct Hub {
    seats: Vec<SeatChannel>,
    /// Counts changes that any page may show: positions, engines.
    revision: watch::Sender<u64>,
}

struct SeatChannel {
    /// Made for who listens first: a room for its backlog takes 40 KiB, and most seats stay empty.
    frames: OnceLock<broadcast::Sender<SeatFrame>>,
    /// The sids of the open editors, one entry per socket.
    editors: Mutex<Vec<String>>,
    portals: AtomicU64,
    gallery_revision: AtomicU64,
    files_revision: AtomicU64,
    closing: watch::Sender<u64>,
}

/// What a page is, and whether it makes its seat one that somebody is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PageKind {
    Portal,
    /// By its sid.
    Editor(String),
    /// The instructor's look at a workspace: not counted.
    Observer,
}

/// Keeps an open page counted until it is dropped.
pub struct OpenPage {
    hub: std::sync::Arc<Hub>,
    seat: SeatId,
    kind: PageKind,
    closing: watch::Receiver<u64>,
}

impl OpenPage {
    /// Resolves when the page is to end, because its session is void.
    pub async fn revoked(&mut self) {
        if self.closing.changed().await.is_err() {
            // The hub lives as long as the page.
            std::future::pending().await
        }
    }
}

impl Hub {
    pub(crate) fn new() -> Self {
        let channel = || SeatChannel {
            frames: OnceLock::new(),
            editors: Mutex::default(),
            portals: AtomicU64::new(0),
            gallery_revision: AtomicU64::new(0),
            files_revision: AtomicU64::new(0),
            closing: watch::Sender::new(0),
        };
        Self { seats: (0..=SeatId::MAX).map(|_| channel()).collect(), revision: watch::Sender::new(0) }
    }

    fn seat(&self, seat: SeatId) -> &SeatChannel {
        &self.seats[usize::from(seat.number())]
    }

    /// Sends to the tab that queued the job; where that tab is closed (the participant
    /// went on elsewhere), to all of the seat's. A job queued without a `client_id` has no
    /// editor that waits for it, and another graph's must not be filled with its results.
    pub(crate) fn send(&self, seat: SeatId, client_id: Option<&str>, payload: FramePayload) {
        let Some(client_id) = client_id else { return };
        let is_open = lock(&self.seat(seat).editors).iter().any(|open| open == client_id);
        self.send_frame(seat, SeatFrame { client_id: is_open.then(|| client_id.to_owned()), payload });
    }

    /// Sends to all of the seat's editors.
    pub(crate) fn send_to_all(&self, seat: SeatId, payload: FramePayload) {
        self.send_frame(seat, SeatFrame { client_id: None, payload });
    }

    fn send_frame(&self, seat: SeatId, frame: SeatFrame) {
        // Nobody listening is fine: pages read the state when they open.
        if let Some(frames) = self.seat(seat).frames.get() {
            let _ = frames.send(frame);
        }
    }

    pub(crate) fn subscribe(&self, seat: SeatId) -> broadcast::Receiver<SeatFrame> {
        self.seat(seat).frames.get_or_init(|| broadcast::Sender::new(FRAME_BACKLOG)).subscribe()
    }

    /// Tells every portal page to look again.
    pub(crate) fn changed(&self) {
        self.revision.send_modify(|revision| *revision += 1);
    }

    /// Ends every open page of the seat: its sessions are void.
    pub(crate) fn close_pages(&self, seat: SeatId) {
        self.seat(seat).closing.send_modify(|count| *count += 1);
    }

    pub(crate) fn revision(&self) -> u64 {
        *self.revision.borrow()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    pub(crate) fn gallery_changed(&self, seat: SeatId) {
        self.seat(seat).gallery_revision.fetch_add(1, Ordering::Relaxed);
        self.changed();
    }

    pub(crate) fn gallery_revision(&self, seat: SeatId) -> u64 {
        self.seat(seat).gallery_revision.load(Ordering::Relaxed)
    }

    pub(crate) fn files_changed(&self, seat: SeatId) {
        self.seat(seat).files_revision.fetch_add(1, Ordering::Relaxed);
        self.changed();
    }

    /// Counts changes of what the seat's Files tab lists, models among it.
    pub(crate) fn files_revision(&self, seat: SeatId) -> u64 {
        self.seat(seat).files_revision.load(Ordering::Relaxed)
    }

    /// Open WebSockets of all seats: editors', portals'.
    pub(crate) fn open_sockets(&self) -> (u64, u64) {
        self.seats.iter().fold((0, 0), |(editors, portals), seat| {
            (editors + lock(&seat.editors).len() as u64, portals + seat.portals.load(Ordering::Relaxed))
        })
    }

    /// Open pages of the seat, portal and editor.
    pub(crate) fn open_pages(&self, seat: SeatId) -> u32 {
        let channel = self.seat(seat);
        let editors = lock(&channel.editors).len() as u64;
        u32::try_from(editors.max(channel.portals.load(Ordering::Relaxed))).unwrap_or(u32::MAX)
    }

    /// Whether a participant has the seat's page open.
    pub(crate) fn is_in_use(&self, seat: SeatId) -> bool {
        self.open_portals(seat) > 0
    }

    /// How many of the seat's pages are open.
    pub(crate) fn open_portals(&self, seat: SeatId) -> u64 {
        self.seat(seat).portals.load(Ordering::Relaxed)
    }

    pub(crate) fn open(self: &std::sync::Arc<Self>, seat: SeatId, kind: PageKind) -> OpenPage {
        match &kind {
            PageKind::Editor(sid) => lock(&self.seat(seat).editors).push(sid.clone()),
            PageKind::Portal => {
                self.seat(seat).portals.fetch_add(1, Ordering::Relaxed);
            }
            PageKind::Observer => {}
        }
        self.changed();
        let closing = self.seat(seat).closing.subscribe();
        OpenPage { hub: std::sync::Arc::clone(self), seat, kind, closing }
    }
}

impl Drop for OpenPage {
    fn drop(&mut self) {
        let channel = self.hub.seat(self.seat);
        match &self.kind {
            PageKind::Editor(sid) => {
                let mut editors = lock(&channel.editors);
                if let Some(index) = editors.iter().position(|open| open == sid) {
                    editors.swap_remove(index);
                }
            }
            PageKind::Portal => {
                channel.portals.fetch_sub(1, Ordering::Relaxed);
            }
            PageKind::Observer => {}
        }
        self.hub.changed();
    }
}

/// Locks; a poisoned list of names is still a list of names.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
