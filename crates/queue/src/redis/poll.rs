//! When the consumer asks Redis for work.
//!
//! Invariant: whenever a poll found nothing, another one is due at the latest one
//! fallback period later. So a lost wake-up delays a task by that much and no more.
//! apalis's own interval loses its waker now and then, and then the consumer sleeps
//! until the next heartbeat.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use apalis::prelude::{PollSnapshot, PollStrategy};
use futures::task::AtomicWaker;
use tokio::time::{Instant, Sleep};

/// Polls on a wake-up and after every fallback period.
pub(super) struct WakeOrWait {
    wake: Arc<AtomicWaker>,
    fallback: Duration,
    timer: Pin<Box<Sleep>>,
}

impl WakeOrWait {
    pub(super) fn new(wake: Arc<AtomicWaker>, fallback: Duration) -> Self {
        Self { wake, fallback, timer: Box::pin(tokio::time::sleep(fallback)) }
    }
}

impl PollStrategy for WakeOrWait {
    /// Only arranges the next poll; apalis polls Redis in any case after this.
    fn poll_drive(&mut self, context: &mut Context<'_>, _snapshot: &PollSnapshot) -> Poll<Option<()>> {
        self.wake.register(context.waker());
        while self.timer.as_mut().poll(context).is_ready() {
            let next = Instant::now() + self.fallback;
            self.timer.as_mut().reset(next);
        }
        Poll::Pending
    }
}
