//! Whose turn it is on the engines.
//!
//! Runs get their turn in the order in which they came. One that is not prepared yet (its
//! inputs are still on the way) holds the others back for a short while only: order matters to
//! people, but an idle GPU matters more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The line of runs in front of the engines.
#[derive(Debug)]
pub struct Turns {
    /// How long an unprepared run may hold back prepared ones behind it.
    grace: Duration,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    next_place: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// The slots that nobody uses.
    free: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    since: Instant,
    prepared: bool,
}

impl Turns {
    pub fn new(slots: usize, grace: Duration) -> Arc<Self> {
        let state = State { next_place: 0, waiting: BTreeMap::new(), free: (0..slots).rev().collect() };
        Arc::new(Self { grace, state: Mutex::new(state), changed: Notify::new() })
    }

    /// Takes the last place in the line.
    pub fn enter(self: &Arc<Self>) -> Place {
        let mut state = self.lock();
        let number = state.next_place;
        state.next_place += 1;
        state.waiting.insert(number, Waiting { since: Instant::now(), prepared: false });
        Place { turns: self.clone(), number }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A slot for this place, or how long until it is worth asking again without any change.
    fn admit(&mut self, number: u64, grace: Duration) -> Result<usize, Option<Duration>> {
        let mut left = Duration::ZERO;
        for (_, ahead) in self.waiting.range(..number) {
            if ahead.prepared {
                return Err(None);
            }
            left = left.max(grace.saturating_sub(ahead.since.elapsed()));
        }
        if !left.is_zero() {
            return Err(Some(left));
        }
        let slot = self.free.pop().ok_or(None)?;
        self.waiting.remove(&number);
        Ok(slot)
    }
}

/// A place in the line; left when dropped.
#[derive(Debug)]
pub struct Place {
    turns: Arc<Turns>,
    number: u64,
}

impl Place {
    /// Waits, prepared now, for the turn.
    pub async fn turn(self) -> Turn {
        if let Some(waiting) = self.turns.lock().waiting.get_mut(&self.number) {
            waiting.prepared = true;
        }
        loop {
            let changed = self.turns.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let admitted = self.turns.lock().admit(self.number, self.turns.grace);
            match admitted {
                Ok(slot) => {
                    // The next in line may have been waiting for this one only.
                    self.turns.changed.notify_waiters();
                    return Turn { turns: self.turns.clone(), slot };
                }
                Err(None) => changed.await,
                Err(Some(left)) => {
                    // Either way it is time to look again.
                    let _ = tokio::time::timeout(left, changed).await;
                }
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turns.lock().waiting.remove(&self.number);
        self.turns.changed.notify_waiters();
    }
}

/// The use of one slot, until dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Arc<Turns>,
    slot: usize,
}

impl Turn {
    pub fn slot(&self) -> usize {
        self.slot
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.lock().free.push(self.slot);
        self.turns.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn turns_come_in_the_order_of_arrival() {
        let turns = Turns::new(1, LONG);
        let (first, second) = (turns.enter(), turns.enter());
        let mut second = Box::pin(second.turn());
        assert!(second.as_mut().now_or_never().is_none(), "the first is still being prepared");
        let first = first.turn().await;
        assert!(second.as_mut().now_or_never().is_none(), "the slot is taken");
        drop(first);
        assert_eq!(second.await.slot(), 0, "the same one again");
    }

    #[tokio::test]
    async fn an_unprepared_run_holds_others_back_for_a_short_while_only() {
        let grace = Duration::from_millis(30);
        let turns = Turns::new(1, grace);
        let before = Instant::now();
        let slow = turns.enter();
        let quick = turns.enter().turn().await;
        assert!(before.elapsed() >= grace);
        drop(quick);
        slow.turn().await;
    }

    #[tokio::test]
    async fn a_run_that_gives_up_its_place_holds_nobody_back() {
        let turns = Turns::new(1, LONG);
        let (first, second) = (turns.enter(), turns.enter());
        let mut second = Box::pin(second.turn());
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert!(second.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn three_slots_serve_three_runs_at_once() {
        let turns = Turns::new(3, LONG);
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(turns.enter().turn().await);
        }
        let mut slots: Vec<_> = taken.iter().map(Turn::slot).collect();
        slots.sort_unstable();
        assert_eq!(slots, [0, 1, 2]);
        assert!(turns.enter().turn().now_or_never().is_none());
    }
}
