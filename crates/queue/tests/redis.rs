//! The queue on Redis keeps what every queue keeps, and outlasts its Redis.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect fails")]

mod conformance;
mod redis_server;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conformance::{QueueUnderTest, Records, RunningConsumer, soon, task};
use queue::{
    ConsumerOptions, JobQueue, ProducerOptions, QUEUE_NAME, QueueError, RedisConsumer, RedisQueue,
    TaskHandler, TaskMessage, TaskSource,
};
use redis_server::RedisServer;
use tokio_util::sync::CancellationToken;

#[async_trait]
impl QueueUnderTest for RedisServer {
    fn queue(&self) -> Arc<dyn JobQueue> {
        Arc::new(RedisQueue::new(ProducerOptions::new(self.url())).unwrap())
    }

    fn source(&self, concurrency: usize) -> Arc<dyn TaskSource> {
        Arc::new(RedisConsumer::new(self.consumer_options(concurrency)))
    }

    async fn push_malformed(&self) {
        let mut connection = self.connect().await;
        let task = apalis::prelude::TaskBuilder::new(b"{ not json".to_vec()).build();
        let config = apalis_redis::Config::default().queue(QUEUE_NAME);
        apalis_redis::queries::push_tasks(&mut connection, &config, &[task]).await.unwrap();
    }
}

impl RedisServer {
    fn consumer_options(&self, concurrency: usize) -> ConsumerOptions {
        ConsumerOptions {
            concurrency,
            first_connect_timeout: Duration::from_secs(5),
            // Soon stale, so that a killed consumer's tasks come back while the test waits.
            heartbeat: Duration::from_secs(1),
            missed_heartbeats: 2,
            ..ConsumerOptions::new(self.url())
        }
    }

    /// The names of all keys of the queue, without the moving parts of any.
    async fn keys(&self) -> Vec<String> {
        let mut connection = self.connect().await;
        let mut keys: Vec<String> =
            redis::cmd("KEYS").arg(format!("{QUEUE_NAME}*")).query_async(&mut connection).await.unwrap();
        keys.sort();
        keys
    }
}

macro_rules! conformance_tests {
    ($($case:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                conformance::$case(&RedisServer::start().await).await;
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

/// Pushes until Redis takes it, as the dispatcher does.
async fn push_until_taken(queue: &dyn JobQueue, task: &TaskMessage) {
    soon("redis takes the task", async {
        while let Err(error) = queue.push(task).await {
            assert!(!matches!(error, QueueError::Refused(_)), "{error}");
        }
    })
    .await;
}

/// Waits for one task to start. Duplicates of others may come before.
async fn start_of(task: &TaskMessage, records: &mut Records) {
    while records.next_start().await != *task {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_redis_with_its_data_drops_no_handler() {
    let mut server = RedisServer::start().await;
    let queue = server.queue();
    let mut records = Records::new(false);
    let consumer = RunningConsumer::start(server.source(1), Arc::clone(&records.handler));
    let running = task();
    queue.push(&running).await.unwrap();
    assert_eq!(records.next_start().await, running);
    let waiting = task();
    queue.push(&waiting).await.unwrap();

    server.restart().await;
    let later = task();
    push_until_taken(queue.as_ref(), &later).await;
    records.open_gates();

    let mut ended = Vec::new();
    while !ended.contains(&later) {
        ended.push(records.next_end().await);
    }
    consumer.stop().await;
    assert_eq!(ended, [running, waiting.clone(), later.clone()]);
    assert_eq!(
        records.starts_so_far(),
        [waiting, later],
        "the handler in flight was dropped and started anew"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_redis_without_its_data_is_outlasted() {
    let mut server = RedisServer::start().await;
    let queue = server.queue();
    let mut records = Records::new(true);
    let consumer = RunningConsumer::start(server.source(1), Arc::clone(&records.handler));
    let before = task();
    queue.push(&before).await.unwrap();
    start_of(&before, &mut records).await;

    for _ in 0..2 {
        server.restart_empty().await;
        let after = task();
        push_until_taken(queue.as_ref(), &after).await;
        start_of(&after, &mut records).await;
    }
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_dropped_with_the_data_do_not_hold_up_later_tasks() {
    let mut server = RedisServer::start().await;
    let queue = server.queue();
    let mut records = Records::new(false);
    let consumer = RunningConsumer::start(server.source(1), Arc::clone(&records.handler));
    let lost = task();
    queue.push(&lost).await.unwrap();
    start_of(&lost, &mut records).await;

    server.restart_empty().await;
    let after = task();
    push_until_taken(queue.as_ref(), &after).await;
    start_of(&after, &mut records).await;
    records.open_gates();
    assert_eq!(records.next_end().await, after);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panicking_handler_takes_nothing_with_it() {
    struct Panics;
    #[async_trait]
    impl TaskHandler for Panics {
        async fn handle(&self, _task: TaskMessage) {
            panic!("a handler of this test panics");
        }
    }
    let server = RedisServer::start().await;
    let queue = server.queue();
    let shutdown = CancellationToken::new();
    let source = server.source(1);
    let token = shutdown.clone();
    let consumer = tokio::spawn(async move { source.consume(Arc::new(Panics), token).await });
    queue.push(&task()).await.unwrap();
    // Dead means: acknowledged, and not to be tried again.
    soon("the task is dead", server.until_key(&format!("{QUEUE_NAME}:dead"))).await;
    assert!(!consumer.is_finished());
    shutdown.cancel();
    soon("the consumer stops", consumer).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finished_tasks_leave_nothing_behind() {
    let server = RedisServer::start().await;
    let queue = server.queue();
    let mut records = Records::new(true);
    for _ in 0..3 {
        let consumer = RunningConsumer::start(server.source(2), Arc::clone(&records.handler));
        for _ in 0..10 {
            queue.push(&task()).await.unwrap();
        }
        for _ in 0..10 {
            records.next_end().await;
        }
        consumer.stop().await;
    }
    // A push removes what is finished; this last task itself is all that may remain.
    queue.push(&task()).await.unwrap();
    let keys = server.keys().await;
    let of_tasks: Vec<_> =
        keys.iter().filter(|key| key.starts_with(&format!("{QUEUE_NAME}:meta:"))).collect();
    assert_eq!(of_tasks.len(), 1, "{keys:?}");
    for gone in ["done", "dead", "workers", "inflight"] {
        let prefix = format!("{QUEUE_NAME}:{gone}");
        assert!(!keys.iter().any(|key| key.starts_with(&prefix)), "{keys:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_consumer_leaves_only_what_expires() {
    let server = RedisServer::start().await;
    let mut records = Records::new(true);
    let consumer = RunningConsumer::start(server.source(1), Arc::clone(&records.handler));
    server.queue().push(&task()).await.unwrap();
    records.next_end().await;
    consumer.kill().await;
    let notes: Vec<_> =
        server.keys().await.into_iter().filter(|key| key.contains(":workers:metadata:")).collect();
    assert_eq!(notes.len(), 1);
    let seconds: i64 =
        redis::cmd("TTL").arg(&notes[0]).query_async(&mut server.connect().await).await.unwrap();
    assert!(seconds > 0, "{seconds}");
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once() {
    let server = RedisServer::start().await;
    let wrong = server.url().replace(redis_server::PASSWORD, "wrong");
    for url in [wrong, format!("redis://127.0.0.1:{}/", server.port())] {
        let options = ConsumerOptions { redis_url: url.clone(), ..server.consumer_options(1) };
        let handler = Records::new(true).handler;
        let error =
            soon("the consumer gives up", queue::consume(options, handler, CancellationToken::new())).await;
        assert!(matches!(error, Err(QueueError::Refused(_))), "{error:?}");

        let producer = RedisQueue::new(ProducerOptions::new(url)).unwrap();
        for result in [producer.ping().await, producer.push(&task()).await] {
            assert!(matches!(result, Err(QueueError::Refused(_))), "{result:?}");
        }
    }
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_told_in_bounded_time() {
    let port = redis_server::free_port();
    let url = format!("redis://127.0.0.1:{port}/");
    let options =
        ConsumerOptions { first_connect_timeout: Duration::from_millis(300), ..ConsumerOptions::new(&url) };
    let handler = Records::new(true).handler;
    let error =
        soon("the consumer gives up", queue::consume(options, handler, CancellationToken::new())).await;
    assert!(matches!(error, Err(QueueError::Unreachable { .. })), "{error:?}");

    let options = ProducerOptions { timeout: Duration::from_millis(300), ..ProducerOptions::new(&url) };
    let producer = RedisQueue::new(options).unwrap();
    for result in [producer.ping().await, producer.push(&task()).await] {
        assert!(matches!(result, Err(QueueError::TimedOut { source: Some(_), .. })), "{result:?}");
    }
}

#[tokio::test]
async fn a_malformed_url_is_refused() {
    let options = ProducerOptions::new("http://127.0.0.1/");
    assert!(matches!(RedisQueue::new(options), Err(QueueError::InvalidUrl(_))));
    let options = ConsumerOptions::new("not a url");
    let handler = Records::new(true).handler;
    let error = queue::consume(options, handler, CancellationToken::new()).await;
    assert!(matches!(error, Err(QueueError::InvalidUrl(_))), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_stops_while_redis_is_away() {
    let mut server = RedisServer::start().await;
    let mut records = Records::new(true);
    let consumer = RunningConsumer::start(server.source(1), Arc::clone(&records.handler));
    let known = task();
    server.queue().push(&known).await.unwrap();
    assert_eq!(records.next_end().await, known);
    server.kill();
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_wakes_an_idle_consumer() {
    let server = RedisServer::start().await;
    let mut records = Records::new(true);
    // With no regular poll within the test's patience, only the wake-up can deliver.
    let options = ConsumerOptions {
        poll_fallback: Duration::from_secs(600),
        heartbeat: Duration::from_secs(600),
        ..server.consumer_options(1)
    };
    let source = Arc::new(RedisConsumer::new(options));
    let consumer = RunningConsumer::start(source, Arc::clone(&records.handler));
    soon("the consumer listens", server.until_subscribed(&format!("{QUEUE_NAME}:wake"))).await;
    for _ in 0..5 {
        let woken = task();
        server.queue().push(&woken).await.unwrap();
        assert_eq!(records.next_end().await, woken);
    }
    consumer.stop().await;
}
