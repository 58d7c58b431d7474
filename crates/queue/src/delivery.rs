//! The two ends of a queue. The server holds a [`JobQueue`], the worker a [`TaskSource`].
//!
//! Delivery is at least once and keeps no order over failures: a task may come
//! twice, late, or (where the queue lost its data) never. The lease in the message
//! makes the first two harmless, the server's next dispatch repairs the third.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{QueueError, TaskMessage};

/// The producing end.
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Hands the task over. Answers within a bounded time, also when the queue is away;
    /// the task may have been taken in spite of an error.
    async fn push(&self, task: &TaskMessage) -> Result<(), QueueError>;

    /// Whether a push would go through now.
    async fn ping(&self) -> Result<(), QueueError>;
}

/// The consuming end.
#[async_trait]
pub trait TaskSource: Send + Sync {
    /// Hands tasks to `handler` until `shutdown`, then waits for the handlers in flight.
    ///
    /// An error is final: the queue cannot be used at all as it is configured.
    /// Everything passing, such as a lost connection, is mended inside.
    async fn consume(
        &self,
        handler: Arc<dyn TaskHandler>,
        shutdown: CancellationToken,
    ) -> Result<(), QueueError>;
}

/// What a consumer does with a task.
#[async_trait]
pub trait TaskHandler: Send + Sync {
    /// Returns when the task needs no further delivery: its run ended and was reported,
    /// or its lease is no longer current.
    ///
    /// The returned future may be dropped at any await: a queue that loses its memory, or
    /// takes this consumer for dead, drops every handler in flight. A run must therefore be
    /// owned by somebody else (the worker's run registry) and only be awaited here. The
    /// same task may then come again, and should join the run in progress.
    async fn handle(&self, task: TaskMessage);
}
