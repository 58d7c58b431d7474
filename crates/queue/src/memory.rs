//! A queue without Redis, for tests of the server and the worker.
//!
//! It keeps the promises of the one on Redis: at least once, concurrency held,
//! a task whose handler was dropped comes again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{JobQueue, QueueError, TaskHandler, TaskMessage, TaskSource};

/// Clones share one queue.
#[derive(Clone, Default)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    payloads: Mutex<VecDeque<Vec<u8>>>,
    arrived: Notify,
    is_away: AtomicBool,
}

impl MemoryQueue {
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every push and ping fails, as when Redis is away; or no longer.
    pub fn set_away(&self, is_away: bool) {
        self.shared.is_away.store(is_away, Ordering::SeqCst);
    }

    /// Takes the oldest task as a worker would, for tests that play the worker themselves.
    pub fn try_take(&self) -> Option<TaskMessage> {
        let payload = self.shared.take()?;
        serde_json::from_slice(&payload).ok()
    }

    /// How many tasks wait.
    pub fn len(&self) -> usize {
        self.shared.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts bytes in the queue as they are, for tests of what does not decode.
    pub fn push_bytes(&self, payload: Vec<u8>) {
        self.shared.lock().push_back(payload);
        self.shared.arrived.notify_one();
    }

    /// Hands tasks to `handler`, at most `concurrency` at a time, until `shutdown`.
    pub async fn consume(
        &self,
        concurrency: usize,
        handler: Arc<dyn TaskHandler>,
        shutdown: CancellationToken,
    ) {
        let slots = Arc::new(Semaphore::new(concurrency));
        // Dropping the set stops its handlers, and dropping those puts their tasks back.
        let mut handlers = JoinSet::new();
        loop {
            let slot = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                slot = Arc::clone(&slots).acquire_owned() => slot.expect("the semaphore is never closed"),
            };
            let delivery = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                delivery = self.shared.next() => delivery,
            };
            while handlers.try_join_next().is_some() {}
            let handler = Arc::clone(&handler);
            handlers.spawn(async move {
                match serde_json::from_slice(delivery.payload()) {
                    Ok(task) => handler.handle(task).await,
                    Err(error) => tracing::warn!(%error, "dropped a task that does not decode"),
                }
                delivery.acknowledge();
                drop(slot);
            });
        }
        while handlers.join_next().await.is_some() {}
    }

    /// This queue as a source that takes `concurrency` tasks at a time.
    pub fn source(&self, concurrency: usize) -> MemorySource {
        MemorySource { queue: self.clone(), concurrency }
    }
}

/// The consuming end of a [`MemoryQueue`].
pub struct MemorySource {
    queue: MemoryQueue,
    concurrency: usize,
}

#[async_trait]
impl TaskSource for MemorySource {
    async fn consume(
        &self,
        handler: Arc<dyn TaskHandler>,
        shutdown: CancellationToken,
    ) -> Result<(), QueueError> {
        self.queue.consume(self.concurrency, handler, shutdown).await;
        Ok(())
    }
}

#[async_trait]
impl JobQueue for MemoryQueue {
    async fn push(&self, task: &TaskMessage) -> Result<(), QueueError> {
        self.ping().await?;
        self.push_bytes(serde_json::to_vec(task).map_err(QueueError::Encode)?);
        Ok(())
    }

    async fn ping(&self) -> Result<(), QueueError> {
        if self.shared.is_away.load(Ordering::SeqCst) { Err(QueueError::SwitchedOff) } else { Ok(()) }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Vec<u8>>> {
        // A push or a take cannot leave the list half changed, so poison says nothing here.
        self.payloads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Vec<u8>> {
        self.lock().pop_front()
    }

    async fn next(self: &Arc<Self>) -> Delivery {
        loop {
            if let Some(payload) = self.take() {
                // The permit of `notify_one` is one at most: pass it on while there is more.
                self.arrived.notify_one();
                return Delivery { payload: Some(payload), shared: Arc::clone(self) };
            }
            self.arrived.notified().await;
        }
    }
}

/// A task on its way through a handler. Goes back to the front if dropped before it was acknowledged.
struct Delivery {
    payload: Option<Vec<u8>>,
    shared: Arc<Shared>,
}

impl Delivery {
    fn payload(&self) -> &[u8] {
        self.payload.as_deref().unwrap_or_default()
    }

    fn acknowledge(mut self) {
        self.payload = None;
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(payload) = self.payload.take()
            && !std::thread::panicking()
        {
            self.shared.lock().push_front(payload);
            self.shared.arrived.notify_one();
        }
    }
}
