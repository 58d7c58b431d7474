//! The worker's end of the queue on Redis: an apalis worker, rebuilt for ever.
//!
//! Invariants: apalis ends its worker at any error, so one end is never the end of
//! consuming; each rebuilt worker has a name never used before, because a name seen
//! lately is refused; and what a worker left unacknowledged goes back to the queue.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use apalis::layers::WorkerBuilderExt;
use apalis::layers::retry::RetryPolicy;
use apalis::prelude::{BackendExt, Monitor, MonitorError, WorkerBuilder, WorkerContext};
use apalis_redis::{Config, RedisStorage};
use async_trait::async_trait;
use futures::task::AtomicWaker;
use redis::{Client, RedisError, Script};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::connection::{Backoff, PatientConnection, is_outage};
use super::payload::RawBytes;
use super::poll::WakeOrWait;
use super::wake::WakeListener;
use super::{QUEUE_NAME, shared_config, wake_channel};
use crate::error::is_refusal;
use crate::{QueueError, TaskHandler, TaskMessage, TaskSource};

static DEREGISTER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("deregister.lua")));

/// A worker that ran this long was sound: the next one need not be held back.
const SOUND_AFTER: Duration = Duration::from_secs(10);
/// What is left to say to Redis once the last handler ended must be said within this.
const FAREWELL: Duration = Duration::from_secs(5);
/// apalis keeps a note on each worker name for ever. Names are never used again, so notes expire.
const METADATA_SECONDS: i64 = 24 * 60 * 60;

/// Without `Debug`, because the URL holds a password.
#[derive(Clone)]
pub struct ConsumerOptions {
    pub redis_url: String,
    /// The queue's name in Redis.
    pub queue: String,
    /// How many tasks are handled at once.
    pub concurrency: usize,
    /// What the consumer's names in Redis begin with.
    pub name_prefix: String,
    /// How long to wait for Redis at the start before giving up. Later there is no limit.
    pub first_connect_timeout: Duration,
    /// How often Redis is asked for tasks without having announced any.
    pub poll_fallback: Duration,
    pub heartbeat: Duration,
    /// After how many missed heartbeats another consumer takes this one's tasks.
    ///
    /// apalis compares clocks of different machines here, so with `heartbeat` this should
    /// add up to more than any clock is wrong by. Nothing waits for it: the server
    /// dispatches again much sooner.
    pub missed_heartbeats: usize,
}

impl ConsumerOptions {
    pub fn new(redis_url: impl Into<String>) -> Self {
        Self {
            redis_url: redis_url.into(),
            queue: QUEUE_NAME.to_owned(),
            concurrency: 1,
            name_prefix: "worker".to_owned(),
            first_connect_timeout: Duration::from_secs(30),
            poll_fallback: Duration::from_millis(200),
            heartbeat: Duration::from_secs(10),
            missed_heartbeats: 6,
        }
    }
}

/// The consuming end of the queue on Redis.
pub struct RedisConsumer {
    options: ConsumerOptions,
}

impl RedisConsumer {
    pub fn new(options: ConsumerOptions) -> Self {
        Self { options }
    }
}

#[async_trait]
impl TaskSource for RedisConsumer {
    async fn consume(
        &self,
        handler: Arc<dyn TaskHandler>,
        shutdown: CancellationToken,
    ) -> Result<(), QueueError> {
        consume(self.options.clone(), handler, shutdown).await
    }
}

/// Hands tasks to `handler` until `shutdown`, then waits for the handlers in flight.
///
/// Fails only at the start: for a URL that cannot be used, a refused password, or a Redis
/// that is not there within [`ConsumerOptions::first_connect_timeout`]. Afterwards it
/// outlasts everything, saying in the log what it is waiting for. See
/// [`TaskHandler::handle`] for what happens to handlers meanwhile.
pub async fn consume(
    options: ConsumerOptions,
    handler: Arc<dyn TaskHandler>,
    shutdown: CancellationToken,
) -> Result<(), QueueError> {
    let client = Client::open(options.redis_url.as_str()).map_err(QueueError::InvalidUrl)?;
    tokio::select! {
        connected = connect_within(&client, options.first_connect_timeout) => connected?,
        () = shutdown.cancelled() => return Ok(()),
    }
    let wake = Arc::new(AtomicWaker::new());
    let channel = wake_channel(&options.queue);
    let _listener = WakeListener::start(client.clone(), channel, Arc::clone(&wake));
    let consumer = Consumer {
        config: shared_config(&options.queue)
            .heartbeat_interval(options.heartbeat)
            .missed_heartbeats(options.missed_heartbeats),
        client,
        options,
        handler,
        wake,
        in_flight: watch::Sender::new(0),
    };
    consumer.run(shutdown).await
}

/// Waits until Redis answers, so that a wrong password or address is told at once.
async fn connect_within(client: &Client, limit: Duration) -> Result<(), QueueError> {
    let started = Instant::now();
    let mut backoff = Backoff::new();
    loop {
        // A fresh connection each time: one that failed to open stays failed.
        let error = match PatientConnection::open(client.clone())?.ping_once().await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if !is_outage(&error) {
            return Err(QueueError::from_redis("answer the first ping", error));
        }
        let delay = backoff.next_delay();
        if started.elapsed() + delay > limit {
            return Err(QueueError::Unreachable { seconds: limit.as_secs(), source: error });
        }
        tracing::warn!(%error, "redis is not there yet; trying again");
        tokio::time::sleep(delay).await;
    }
}

struct Consumer {
    client: Client,
    config: Config,
    options: ConsumerOptions,
    handler: Arc<dyn TaskHandler>,
    wake: Arc<AtomicWaker>,
    /// How many handlers run.
    in_flight: watch::Sender<usize>,
}

/// How one apalis worker ended.
enum Ended {
    /// It was asked to.
    Drained,
    /// Redis would not have it.
    Unregistered(RedisError),
    Failed(MonitorError),
}

impl Consumer {
    async fn run(&self, shutdown: CancellationToken) -> Result<(), QueueError> {
        let mut backoff = Backoff::new();
        loop {
            let started = Instant::now();
            let connection = PatientConnection::open(self.client.clone())?;
            let name = format!("{}-{}", self.options.name_prefix, Uuid::new_v4().simple());
            let ended = self.run_one(&name, connection.clone(), &shutdown).await;
            self.deregister(&name, connection).await;
            let error = match ended {
                Ended::Drained => return Ok(()),
                _ if shutdown.is_cancelled() => return Ok(()),
                Ended::Unregistered(error) => error.to_string(),
                Ended::Failed(error) => error.to_string(),
            };
            if started.elapsed() >= SOUND_AFTER {
                backoff = Backoff::new();
            }
            let delay = backoff.next_delay();
            self.explain(&error, delay).await;
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = shutdown.cancelled() => return Ok(()),
            }
        }
    }

    /// Runs one apalis worker until it fails or, after `shutdown`, has drained.
    async fn run_one(
        &self,
        name: &str,
        connection: PatientConnection,
        shutdown: &CancellationToken,
    ) -> Ended {
        tokio::select! {
            noted = self.note_start(name, connection.clone()) => {
                if let Err(error) = noted {
                    return Ended::Unregistered(error);
                }
            }
            () = shutdown.cancelled() => return Ended::Drained,
        }
        let monitor = self.build(name, connection);
        let control = monitor.context();
        let mut run = Box::pin(monitor.run());
        tokio::select! {
            ended = &mut run => return Ended::from(ended),
            () = shutdown.cancelled() => {}
        }
        if let Err(error) = control.shutdown() {
            return Ended::Failed(error);
        }
        // With Redis away the last words would be tried for ever; the handlers, though, have
        // all the time that they need.
        let mut in_flight = self.in_flight.subscribe();
        let farewell = async {
            // Fails only if the sender is gone, and `self` holds it.
            in_flight.wait_for(|count| *count == 0).await.is_ok().then_some(())?;
            tokio::time::sleep(FAREWELL).await;
            Some(())
        };
        tokio::select! {
            ended = &mut run => Ended::from(ended),
            _ = farewell => {
                tracing::warn!("redis took no leave of the consumer; the last task may come again");
                Ended::Drained
            }
        }
    }

    /// Makes the note that apalis will fill in, so that it has a time to live from the start.
    async fn note_start(&self, name: &str, mut connection: PatientConnection) -> Result<(), RedisError> {
        let key = self.config.worker_metadata_key(&WorkerContext::new(name));
        redis::pipe()
            .atomic()
            .hset(&key, "prefix", &self.options.name_prefix)
            .ignore()
            .expire(&key, METADATA_SECONDS)
            .ignore()
            .query_async(&mut connection)
            .await
    }

    fn build(&self, name: &str, connection: PatientConnection) -> Monitor {
        let name = name.to_owned();
        let config = self.config.clone();
        let concurrency = self.options.concurrency;
        let fallback = self.options.poll_fallback;
        let wake = Arc::clone(&self.wake);
        let handler = Arc::clone(&self.handler);
        let in_flight = self.in_flight.clone();
        // `Monitor`, because a worker with `catch_panic` cannot be run by itself across threads.
        Monitor::new().register(move |_restarts| {
            let backend = RedisStorage::<Vec<u8>, _>::new(connection.clone())
                .with_config(config.clone())
                .with_codec(RawBytes)
                .poll_with_strategy(WakeOrWait::new(Arc::clone(&wake), fallback));
            let handler = Arc::clone(&handler);
            let in_flight = in_flight.clone();
            WorkerBuilder::new(name.as_str())
                .backend(backend)
                // Outermost, so that no task is fetched that could not start.
                .concurrency(concurrency)
                .retry(RetryPolicy::retries(0))
                .catch_panic()
                .enable_tracing()
                .build(move |payload: Vec<u8>| {
                    let counted = InFlight::enter(&in_flight);
                    let handler = Arc::clone(&handler);
                    async move {
                        handle(handler.as_ref(), &payload).await;
                        drop(counted);
                    }
                })
        })
    }

    /// Returns what the worker left behind. Not essential: otherwise other consumers find it
    /// once its heartbeat is stale, so it is neither waited for long nor repeated.
    async fn deregister(&self, name: &str, mut connection: PatientConnection) {
        if connection.latest_error().is_some() {
            tracing::debug!("redis is away; taking no leave of it");
            return;
        }
        let worker = WorkerContext::new(name);
        let channel = wake_channel(&self.options.queue);
        let mut script = DEREGISTER.prepare_invoke();
        script
            .key(self.config.workers_set())
            .key(self.config.inflight_set_for(&worker))
            .key(self.config.active_jobs_list())
            .key(self.config.worker_metadata_key(&worker))
            .arg(name)
            .arg(channel);
        match tokio::time::timeout(FAREWELL, script.invoke_async::<u64>(&mut connection)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(tasks)) => tracing::info!(tasks, "returned unfinished tasks to the queue"),
            Ok(Err(error)) => tracing::debug!(%error, "could not take leave of redis"),
            Err(_elapsed) => tracing::debug!("could not take leave of redis in time"),
        }
    }

    /// Says why the worker ended. apalis keeps the cause as text only, so Redis is asked anew
    /// whether the password is to blame.
    async fn explain(&self, error: &str, delay: Duration) {
        let retry_ms = delay.as_millis();
        let ping = match PatientConnection::open(self.client.clone()) {
            Ok(connection) => connection.ping_once().await,
            Err(error) => {
                tracing::error!(%error, "the redis url can no longer be used");
                return;
            }
        };
        match ping {
            Err(refusal) if is_refusal(&refusal) => {
                tracing::error!(%refusal, retry_ms, "redis refuses the user name or password");
            }
            _ => tracing::warn!(error, retry_ms, "the consumer ended; starting a new one"),
        }
    }
}

impl From<Result<(), MonitorError>> for Ended {
    fn from(result: Result<(), MonitorError>) -> Self {
        match result {
            Ok(()) => Self::Drained,
            Err(error) => Self::Failed(error),
        }
    }
}

/// Counts a handler for as long as it lives, also when it is dropped half way.
struct InFlight(watch::Sender<usize>);

impl InFlight {
    fn enter(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

async fn handle(handler: &dyn TaskHandler, payload: &[u8]) {
    match serde_json::from_slice::<TaskMessage>(payload) {
        Ok(task) => handler.handle(task).await,
        // Ends as handled: it would not decode the next time either.
        Err(error) => tracing::warn!(%error, bytes = payload.len(), "dropped a task that does not decode"),
    }
}
