//! The queue in memory keeps what every queue keeps.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect fails")]

mod conformance;

use std::sync::Arc;

use async_trait::async_trait;
use conformance::QueueUnderTest;
use queue::{JobQueue, MemoryQueue, QueueError, TaskSource};

#[async_trait]
impl QueueUnderTest for MemoryQueue {
    fn queue(&self) -> Arc<dyn JobQueue> {
        Arc::new(self.clone())
    }

    fn source(&self, concurrency: usize) -> Arc<dyn TaskSource> {
        Arc::new(MemoryQueue::source(self, concurrency))
    }

    async fn push_malformed(&self) {
        self.push_bytes(b"{ not json".to_vec());
    }
}

macro_rules! conformance_tests {
    ($($case:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                conformance::$case(&MemoryQueue::new()).await;
            }
        )*
    };
}

conformance_tests! {
    delivers_each_task_once,
    keeps_the_order_of_pushes,
    holds_the_concurrency,
    keeps_a_push_until_a_consumer_comes,
    outlives_a_malformed_payload,
    redelivers_what_a_killed_consumer_held,
    drains_on_shutdown,
}

#[tokio::test]
async fn a_queue_that_is_away_refuses_until_it_is_back() {
    let queue = MemoryQueue::new();
    let task = conformance::task();
    queue.set_away(true);
    assert!(matches!(queue.ping().await, Err(QueueError::SwitchedOff)));
    assert!(matches!(queue.push(&task).await, Err(QueueError::SwitchedOff)));
    queue.set_away(false);
    queue.push(&task).await.unwrap();
    assert_eq!(queue.try_take(), Some(task));
    assert!(queue.is_empty());
}
