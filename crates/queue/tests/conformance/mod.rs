//! What every queue keeps, whatever carries it.
//!
//! Each case takes a queue under test and waits for what must happen; nothing here
//! sleeps to let something happen. What must *not* happen is shown by an event that
//! would have come after it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::{JobId, LeaseToken};
use queue::{JobQueue, QueueError, TaskHandler, TaskMessage, TaskSource};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

#[async_trait]
pub trait QueueUnderTest: Send + Sync {
    fn queue(&self) -> Arc<dyn JobQueue>;
    fn source(&self, concurrency: usize) -> Arc<dyn TaskSource>;
    /// Puts bytes in the queue that are no task.
    async fn push_malformed(&self);
}

pub fn task() -> TaskMessage {
    TaskMessage::new(JobId::from_uuid(Uuid::new_v4()), 1, LeaseToken::from_uuid(Uuid::new_v4()))
}

pub async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// A handler that tells of each start, and ends a task when the test opens its gate.
pub struct Recorder {
    started: mpsc::UnboundedSender<TaskMessage>,
    ended: mpsc::UnboundedSender<TaskMessage>,
    gates_open: watch::Sender<bool>,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    now: usize,
    most: usize,
}

/// The test's view of a [`Recorder`].
pub struct Records {
    pub handler: Arc<Recorder>,
    started: mpsc::UnboundedReceiver<TaskMessage>,
    ended: mpsc::UnboundedReceiver<TaskMessage>,
}

impl Records {
    /// Handlers end at once if `gates_open`, else when [`Self::open_gates`] is called.
    pub fn new(gates_open: bool) -> Self {
        let (started_sender, started) = mpsc::unbounded_channel();
        let (ended_sender, ended) = mpsc::unbounded_channel();
        let handler = Arc::new(Recorder {
            started: started_sender,
            ended: ended_sender,
            gates_open: watch::Sender::new(gates_open),
            running: Mutex::default(),
        });
        Self { handler, started, ended }
    }

    pub fn open_gates(&self) {
        self.handler.gates_open.send_replace(true);
    }

    pub async fn next_start(&mut self) -> TaskMessage {
        soon("a handler starts", self.started.recv()).await.expect("the recorder lives")
    }

    pub async fn next_end(&mut self) -> TaskMessage {
        soon("a handler ends", self.ended.recv()).await.expect("the recorder lives")
    }

    pub fn starts_so_far(&mut self) -> Vec<TaskMessage> {
        std::iter::from_fn(|| self.started.try_recv().ok()).collect()
    }

    pub fn most_at_once(&self) -> usize {
        self.handler.running.lock().unwrap().most
    }
}

#[async_trait]
impl TaskHandler for Recorder {
    async fn handle(&self, task: TaskMessage) {
        struct Leave<'a>(&'a Mutex<Running>);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.lock().unwrap().now -= 1;
            }
        }
        {
            let mut running = self.running.lock().unwrap();
            running.now += 1;
            running.most = running.most.max(running.now);
        }
        let _leave = Leave(&self.running);
        let mut gates_open = self.gates_open.subscribe();
        self.started.send(task.clone()).unwrap();
        gates_open.wait_for(|open| *open).await.unwrap();
        // Give others a chance to run at the same time, if anything let them.
        tokio::task::yield_now().await;
        self.ended.send(task).unwrap();
    }
}

/// A consumer that runs in the background until stopped.
pub struct RunningConsumer {
    task: JoinHandle<Result<(), QueueError>>,
    shutdown: CancellationToken,
}

impl RunningConsumer {
    pub fn start(source: Arc<dyn TaskSource>, handler: Arc<Recorder>) -> Self {
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let task = tokio::spawn(async move { source.consume(handler, token).await });
        Self { task, shutdown }
    }

    pub fn ask_to_stop(&self) {
        self.shutdown.cancel();
    }

    pub async fn stopped(self) {
        soon("the consumer stops", self.task).await.unwrap().unwrap();
    }

    pub async fn stop(self) {
        self.ask_to_stop();
        self.stopped().await;
    }

    /// As if its process had died.
    pub async fn kill(self) {
        self.task.abort();
        let end = soon("the consumer is gone", self.task).await;
        assert!(end.unwrap_err().is_cancelled(), "the consumer must not have ended or panicked by itself");
    }
}

pub async fn delivers_each_task_once(under_test: &dyn QueueUnderTest) {
    let mut records = Records::new(true);
    let consumer = RunningConsumer::start(under_test.source(3), Arc::clone(&records.handler));
    let tasks: Vec<_> = (0..20).map(|_| task()).collect();
    for task in &tasks {
        under_test.queue().push(task).await.unwrap();
    }
    let mut counts = HashMap::new();
    for _ in &tasks {
        let ended = records.next_end().await;
        *counts.entry(ended.job).or_insert(0) += 1;
    }
    consumer.stop().await;
    // The draining consumer has acknowledged; another one would get what was not.
    let second = RunningConsumer::start(under_test.source(1), Arc::clone(&records.handler));
    let last = task();
    under_test.queue().push(&last).await.unwrap();
    assert_eq!(records.next_end().await, last);
    second.stop().await;
    assert_eq!(counts.len(), tasks.len());
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    assert_eq!(records.starts_so_far().len(), tasks.len() + 1);
}

pub async fn keeps_the_order_of_pushes(under_test: &dyn QueueUnderTest) {
    let tasks: Vec<_> = (0..10).map(|_| task()).collect();
    for task in &tasks {
        under_test.queue().push(task).await.unwrap();
    }
    let mut records = Records::new(true);
    let consumer = RunningConsumer::start(under_test.source(1), Arc::clone(&records.handler));
    for task in &tasks {
        assert_eq!(&records.next_start().await, task);
    }
    consumer.stop().await;
}

pub async fn holds_the_concurrency(under_test: &dyn QueueUnderTest) {
    let mut records = Records::new(false);
    let consumer = RunningConsumer::start(under_test.source(2), Arc::clone(&records.handler));
    for _ in 0..8 {
        under_test.queue().push(&task()).await.unwrap();
    }
    records.next_start().await;
    records.next_start().await;
    records.open_gates();
    for _ in 0..8 {
        records.next_end().await;
    }
    consumer.stop().await;
    assert_eq!(records.most_at_once(), 2);
}

pub async fn keeps_a_push_until_a_consumer_comes(under_test: &dyn QueueUnderTest) {
    let early = task();
    under_test.queue().push(&early).await.unwrap();
    let mut records = Records::new(true);
    let consumer = RunningConsumer::start(under_test.source(1), Arc::clone(&records.handler));
    assert_eq!(records.next_end().await, early);
    consumer.stop().await;
}

pub async fn outlives_a_malformed_payload(under_test: &dyn QueueUnderTest) {
    let mut records = Records::new(true);
    let consumer = RunningConsumer::start(under_test.source(1), Arc::clone(&records.handler));
    under_test.push_malformed().await;
    let good = task();
    under_test.queue().push(&good).await.unwrap();
    assert_eq!(records.next_end().await, good);
    consumer.stop().await;
}

pub async fn redelivers_what_a_killed_consumer_held(under_test: &dyn QueueUnderTest) {
    let mut records = Records::new(false);
    let first = RunningConsumer::start(under_test.source(1), Arc::clone(&records.handler));
    let held = task();
    under_test.queue().push(&held).await.unwrap();
    assert_eq!(records.next_start().await, held);
    first.kill().await;

    records.open_gates();
    let second = RunningConsumer::start(under_test.source(1), Arc::clone(&records.handler));
    let later = task();
    under_test.queue().push(&later).await.unwrap();
    let mut missing = vec![held, later];
    while !missing.is_empty() {
        let ended = records.next_end().await;
        missing.retain(|task| *task != ended);
    }
    second.stop().await;
}

pub async fn drains_on_shutdown(under_test: &dyn QueueUnderTest) {
    let mut records = Records::new(false);
    let consumer = RunningConsumer::start(under_test.source(1), Arc::clone(&records.handler));
    let running = task();
    under_test.queue().push(&running).await.unwrap();
    assert_eq!(records.next_start().await, running);
    consumer.ask_to_stop();
    let waiting = task();
    under_test.queue().push(&waiting).await.unwrap();
    assert!(!consumer.task.is_finished(), "the consumer left its handler alone");
    records.open_gates();
    assert_eq!(records.next_end().await, running);
    consumer.stopped().await;
    assert_eq!(records.starts_so_far(), [], "a stopping consumer took another task");

    let next = RunningConsumer::start(under_test.source(1), Arc::clone(&records.handler));
    assert_eq!(records.next_end().await, waiting);
    next.stop().await;
}
