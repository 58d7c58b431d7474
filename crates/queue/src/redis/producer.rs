//! The server's end of the queue on Redis.
//!
//! Every call answers within [`ProducerOptions::timeout`], whether Redis is there or not.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apalis::prelude::TaskBuilder;
use apalis_redis::{Config, queries};
use async_trait::async_trait;
use redis::{Client, RedisError, Script};

use super::connection::PatientConnection;
use super::{QUEUE_NAME, shared_config, wake_channel};
use crate::error::is_refusal;
use crate::{JobQueue, QueueError, TaskMessage};

static SETTLE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("settle.lua")));

/// How many finished tasks one push removes at most. More than one, so that a backlog
/// shrinks; few enough to block Redis for well under a millisecond.
const REMOVED_PER_PUSH: usize = 64;

/// Without `Debug`, because the URL holds a password.
#[derive(Clone)]
pub struct ProducerOptions {
    pub redis_url: String,
    /// The queue's name in Redis.
    pub queue: String,
    /// How long a push or a ping may take, outages included.
    pub timeout: Duration,
}

impl ProducerOptions {
    pub fn new(redis_url: impl Into<String>) -> Self {
        Self { redis_url: redis_url.into(), queue: QUEUE_NAME.to_owned(), timeout: Duration::from_secs(3) }
    }
}

pub struct RedisQueue {
    client: Client,
    config: Config,
    wake_channel: String,
    pub(super) timeout: Duration,
    connection: Mutex<PatientConnection>,
}

impl RedisQueue {
    /// Connects with the first push or ping, so that a server can start before its Redis.
    pub fn new(options: ProducerOptions) -> Result<Self, QueueError> {
        let client = Client::open(options.redis_url).map_err(QueueError::InvalidUrl)?;
        Ok(Self {
            connection: Mutex::new(PatientConnection::open(client.clone())?),
            client,
            config: shared_config(&options.queue),
            wake_channel: wake_channel(&options.queue),
            timeout: options.timeout,
        })
    }

    pub(super) fn connection(&self) -> PatientConnection {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A connection that was refused stays refused, even once the password is right again.
    fn replace_if_refused(&self, error: &RedisError) -> Result<(), QueueError> {
        if is_refusal(error) {
            let fresh = PatientConnection::open(self.client.clone())?;
            *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        Ok(())
    }

    /// See `settle.lua`.
    async fn settle(&self, connection: &mut PatientConnection) -> Result<(), RedisError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        SETTLE
            .key(self.config.scheduled_jobs_set())
            .key(self.config.active_jobs_list())
            .key(self.config.done_jobs_set())
            .key(self.config.dead_jobs_set())
            .key(self.config.job_data_hash())
            .arg(now)
            .arg(REMOVED_PER_PUSH)
            .arg(self.config.job_meta_hash())
            .arg(&self.wake_channel)
            .invoke_async(connection)
            .await
    }

    async fn push_bytes(&self, payload: Vec<u8>) -> Result<(), QueueError> {
        let mut connection = self.connection();
        let task = TaskBuilder::new(payload).build();
        let pushed = async {
            queries::push_tasks(&mut connection, &self.config, &[task]).await?;
            if let Err(error) = self.settle(&mut connection).await {
                // The task is in; a consumer promotes it itself, only later.
                tracing::warn!(%error, "a pushed task could not be made due at once");
            }
            Ok(())
        };
        match tokio::time::timeout(self.timeout, pushed).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(apalis_redis::Error::Database(error))) => {
                self.replace_if_refused(&error)?;
                Err(QueueError::from_redis("take the task", error))
            }
            Ok(Err(error)) => Err(QueueError::Push(error)),
            Err(_elapsed) => Err(self.timed_out()),
        }
    }

    pub(super) fn timed_out(&self) -> QueueError {
        QueueError::TimedOut { after_ms: self.timeout.as_millis(), source: self.connection().latest_error() }
    }
}

#[async_trait]
impl JobQueue for RedisQueue {
    async fn push(&self, task: &TaskMessage) -> Result<(), QueueError> {
        self.push_bytes(serde_json::to_vec(task).map_err(QueueError::Encode)?).await
    }

    async fn ping(&self) -> Result<(), QueueError> {
        let mut connection = self.connection();
        let ping = redis::cmd("PING");
        match tokio::time::timeout(self.timeout, ping.query_async::<()>(&mut connection)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                self.replace_if_refused(&error)?;
                Err(QueueError::from_redis("answer a ping", error))
            }
            Err(_elapsed) => Err(self.timed_out()),
        }
    }
}
