//! Commands that outlast a lost connection.
//!
//! apalis drops every handler in flight at the first error of Redis. So an outage must
//! not look like an error: a command that meets one waits and is sent again. Errors that
//! Redis itself answers, a refused password among them, pass through.
//!
//! A command may therefore run twice. Every script that apalis sends either does not
//! mind or answers with an error, which makes the consumer start anew.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, Pipeline, RedisError, RedisFuture, RetryMethod, Value};

use crate::QueueError;

const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// The client's own 500 ms takes every hiccup of a long line for an outage.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Delays that double from 200 ms to 5 s.
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn new() -> Self {
        Self(FIRST_DELAY)
    }

    pub(super) fn next_delay(&mut self) -> Duration {
        let delay = self.0;
        self.0 = (delay * 2).min(LONGEST_DELAY);
        delay
    }
}

/// A connection that sends a command again, for as long as it takes, when Redis is away.
/// Clones share it.
#[derive(Clone)]
pub(super) struct PatientConnection {
    manager: ConnectionManager,
    outage: Arc<Mutex<Option<Outage>>>,
}

struct Outage {
    since: Instant,
    error: RedisError,
}

impl PatientConnection {
    /// Connects with the first command.
    pub(super) fn open(client: Client) -> Result<Self, QueueError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(ANSWER_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT))
            // Retries are ours, so that each failure is seen: the manager's own would
            // hide a wrong password for ever.
            .set_number_of_retries(0);
        let manager =
            ConnectionManager::new_lazy_with_config(client, config).map_err(QueueError::InvalidUrl)?;
        Ok(Self { manager, outage: Arc::default() })
    }

    /// Asks once, without patience.
    pub(super) async fn ping_once(&self) -> Result<(), RedisError> {
        redis::cmd("PING").query_async::<()>(&mut self.manager.clone()).await
    }

    /// What the outage that lasts just now met with latest.
    pub(super) fn latest_error(&self) -> Option<RedisError> {
        self.lock().as_ref().map(|outage| outage.error.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Outage>> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logged at its beginning and end only: it may last for hours.
    fn note_failure(&self, error: RedisError) {
        let mut outage = self.lock();
        match outage.as_mut() {
            Some(outage) => outage.error = error,
            None => {
                tracing::warn!(%error, "redis is away; waiting for it");
                *outage = Some(Outage { since: Instant::now(), error });
            }
        }
    }

    fn note_answer(&self) {
        if let Some(outage) = self.lock().take() {
            tracing::info!(after_ms = outage.since.elapsed().as_millis(), "redis is back");
        }
    }
}

/// Runs `$send` until it ends in anything but an outage.
macro_rules! patiently {
    ($self:ident, $send:expr) => {
        Box::pin(async move {
            let mut backoff = Backoff::new();
            loop {
                match $send.await {
                    Err(error) if is_outage(&error) => $self.note_failure(error),
                    ended => {
                        $self.note_answer();
                        return ended;
                    }
                }
                tokio::time::sleep(backoff.next_delay()).await;
            }
        })
    };
}

impl ConnectionLike for PatientConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        patiently!(self, self.manager.req_packed_command(command))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        patiently!(self, self.manager.req_packed_commands(pipeline, offset, count))
    }

    fn get_db(&self) -> i64 {
        self.manager.get_db()
    }
}

/// Whether the same command may well succeed later, with nobody changing anything.
pub(super) fn is_outage(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_connection_dropped()
        // Redis is reading its data back after a start.
        || matches!(error.retry_method(), RetryMethod::WaitAndRetry)
}
