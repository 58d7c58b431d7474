//! The queue on Redis, carried by apalis-redis.
//!
//! What stock apalis-redis does not do is added around it, never inside: commands
//! outlast a lost connection ([`connection`]), a push wakes the consumer ([`wake`]),
//! a consumer is rebuilt under a new name after every error ([`consumer`]), and what
//! is finished is removed ([`producer`]). Why so: `docs/decisions`.

mod connection;
mod consumer;
mod facts;
mod payload;
mod poll;
mod producer;
mod wake;

pub use consumer::{ConsumerOptions, RedisConsumer, consume};
pub use facts::RedisFacts;
pub use producer::{ProducerOptions, RedisQueue};

/// The name under which the server's tasks lie in Redis: every key starts with it.
pub const QUEUE_NAME: &str = "comfy-multi:tasks";

/// apalis's settings that both ends must agree on.
fn shared_config(queue: &str) -> apalis_redis::Config {
    apalis_redis::Config::default()
        .queue(queue)
        // More than one is prefetching, and while a prefetched task waits, neither
        // heartbeats nor acknowledgements are sent.
        .batch_size(1)
        // The lock only marks what a fetch has already taken; its own failures, though,
        // would end the consumer.
        .lock_tasks(false)
        .emit_events(false)
        // This is what acknowledges.
        .persist_results(true)
}

/// The channel on which a push says that there is work.
fn wake_channel(queue: &str) -> String {
    format!("{queue}:wake")
}
