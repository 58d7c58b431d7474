//! Events on their way out, in order, thinned where the way is slow.
//!
//! Nothing that changes an editor's state is ever thinned. Progress and previews are
//! replaced by newer ones of the same kind while they wait, but never moved across another
//! event of their run, so that what arrives is always a history that could have happened.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use queue::report::LeaseRef;
use serde_json::Value;
use tokio::sync::{Notify, oneshot};

/// One thing to send.
#[derive(Debug)]
pub enum Outgoing {
    /// A text message of ComfyUI: `{"type","data"}`.
    Event { lease: LeaseRef, event: Value },
    /// A binary message of ComfyUI.
    Preview { lease: LeaseRef, frame: Bytes },
    /// Answered once the server has read everything before it.
    Barrier { lease: LeaseRef, passed: oneshot::Sender<()> },
}

impl Outgoing {
    fn lease(&self) -> LeaseRef {
        match self {
            Self::Event { lease, .. } | Self::Preview { lease, .. } | Self::Barrier { lease, .. } => *lease,
        }
    }

    /// What a newer message must have in common with this one to make it worthless.
    fn replaced_by(&self, newer: &Self) -> bool {
        match (self, newer) {
            (Self::Event { event: old, .. }, Self::Event { event: new, .. }) => {
                old["type"] == new["type"]
                    && match old["type"].as_str() {
                        Some("progress_state" | "notification") => true,
                        Some("progress") => old["data"]["node"] == new["data"]["node"],
                        _ => false,
                    }
            }
            // The first four bytes say which kind of binary message it is.
            (Self::Preview { frame: old, .. }, Self::Preview { frame: new, .. }) => {
                old.get(..4) == new.get(..4)
            }
            _ => false,
        }
    }

    /// Whether it only tells how far a node is.
    fn is_passing(&self) -> bool {
        match self {
            Self::Event { event, .. } => {
                matches!(event["type"].as_str(), Some("progress_state" | "progress" | "notification"))
            }
            Self::Preview { .. } => true,
            Self::Barrier { .. } => false,
        }
    }
}

/// A queue of messages with one reader.
#[derive(Debug, Default)]
pub struct Outbox {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Outgoing>,
    closed: bool,
}

impl Outbox {
    pub fn push(&self, message: Outgoing) {
        {
            let mut state = self.lock();
            if state.closed {
                return;
            }
            let lease = message.lease();
            // Only as far back as this run's newest message that has to stay where it is.
            let own = state.messages.iter().enumerate().rev().filter(|(_, waiting)| waiting.lease() == lease);
            let mut passing = own.take_while(|(_, waiting)| waiting.is_passing());
            let replaced = passing.find(|(_, waiting)| waiting.replaced_by(&message)).map(|(place, _)| place);
            if let Some(place) = replaced {
                state.messages.remove(place);
            }
            state.messages.push_back(message);
        }
        self.changed.notify_one();
    }

    /// Puts back what could not be sent.
    pub fn put_back(&self, message: Outgoing) {
        self.lock().messages.push_front(message);
        self.changed.notify_one();
    }

    /// The next message; `None` once the outbox is closed and empty. Loses nothing when dropped.
    pub async fn next(&self) -> Option<Outgoing> {
        loop {
            {
                let mut state = self.lock();
                if let Some(message) = state.messages.pop_front() {
                    return Some(message);
                }
                if state.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// Takes no more messages; those within are still given out.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Throws away what waits for this run: its lease is over, so nobody would listen.
    pub fn forget(&self, lease: LeaseRef) {
        self.lock().messages.retain(|message| message.lease() != lease);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use domain::{JobId, LeaseToken};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn lease(number: u128) -> LeaseRef {
        let uuid = Uuid::from_u128(number);
        LeaseRef { job: JobId::from_uuid(uuid), token: LeaseToken::from_uuid(uuid) }
    }

    fn event(run: u128, kind: &str, node: &str, value: u32) -> Outgoing {
        let event = json!({"type": kind, "data": {"node": node, "value": value}});
        Outgoing::Event { lease: lease(run), event }
    }

    fn preview(run: u128, kind: u8, content: u8) -> Outgoing {
        Outgoing::Preview { lease: lease(run), frame: Bytes::from(vec![0, 0, 0, kind, content]) }
    }

    async fn drain(outbox: &Outbox) -> Vec<String> {
        outbox.close();
        let mut lines = Vec::new();
        while let Some(message) = outbox.next().await {
            let run = message.lease().job.as_uuid().as_u128();
            lines.push(match message {
                Outgoing::Event { event, .. } => {
                    let (kind, data) = (event["type"].as_str().unwrap(), &event["data"]);
                    format!("{run} {kind} {} {}", data["node"].as_str().unwrap(), data["value"])
                }
                Outgoing::Preview { frame, .. } => format!("{run} preview {}", frame[4]),
                Outgoing::Barrier { .. } => format!("{run} barrier"),
            });
        }
        lines
    }

    #[tokio::test]
    async fn progress_that_waits_is_replaced_by_newer_progress_of_the_same_node() {
        let outbox = Outbox::default();
        outbox.push(event(1, "progress", "a", 1));
        outbox.push(event(1, "progress_state", "", 1));
        outbox.push(event(1, "progress", "b", 1));
        outbox.push(preview(1, 4, 1));
        outbox.push(event(1, "progress", "a", 2));
        outbox.push(event(1, "progress_state", "", 2));
        outbox.push(preview(1, 4, 2));
        outbox.push(preview(1, 3, 3));
        let expected =
            ["1 progress b 1", "1 progress a 2", "1 progress_state  2", "1 preview 2", "1 preview 3"];
        assert_eq!(drain(&outbox).await, expected);
    }

    #[tokio::test]
    async fn progress_never_moves_across_another_event_of_its_run() {
        let outbox = Outbox::default();
        outbox.push(event(1, "progress", "a", 1));
        outbox.push(event(1, "executed", "a", 0));
        outbox.push(event(1, "progress", "a", 2));
        outbox.push(event(1, "executing", "a", 0));
        outbox.push(event(1, "executing", "a", 0));
        let expected =
            ["1 progress a 1", "1 executed a 0", "1 progress a 2", "1 executing a 0", "1 executing a 0"];
        assert_eq!(drain(&outbox).await, expected);
    }

    #[tokio::test]
    async fn runs_do_not_touch_each_other() {
        let outbox = Outbox::default();
        outbox.push(event(1, "progress", "a", 1));
        outbox.push(event(2, "progress", "a", 1));
        outbox.push(event(2, "executed", "a", 0));
        outbox.push(event(1, "progress", "a", 2));
        assert_eq!(drain(&outbox).await, ["2 progress a 1", "2 executed a 0", "1 progress a 2"]);
    }

    #[tokio::test]
    async fn a_forgotten_run_leaves_the_others_waiting() {
        let outbox = Outbox::default();
        outbox.push(event(1, "executed", "a", 0));
        outbox.push(event(2, "executed", "a", 0));
        outbox.forget(lease(1));
        assert_eq!(drain(&outbox).await, ["2 executed a 0"]);
    }

    #[tokio::test]
    async fn what_is_put_back_comes_first_again() {
        let outbox = Outbox::default();
        outbox.push(event(1, "executed", "a", 0));
        outbox.push(event(1, "executed", "b", 0));
        let first = outbox.next().await.unwrap();
        outbox.put_back(first);
        assert_eq!(drain(&outbox).await, ["1 executed a 0", "1 executed b 0"]);
    }
}
