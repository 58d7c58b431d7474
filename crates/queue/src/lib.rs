//! Delivery: how a job reaches a worker and how the worker reports on it.
//!
//! Redis only delivers; the record is the server's database. Every message may
//! arrive twice or never, and everything here is built so that either is harmless.

pub mod delivery;
pub mod error;
pub mod memory;
pub mod message;
pub mod redis;
pub mod report;

pub use delivery::{JobQueue, TaskHandler, TaskSource};
pub use error::QueueError;
pub use memory::MemoryQueue;
pub use message::TaskMessage;
pub use redis::{
    ConsumerOptions, ProducerOptions, QUEUE_NAME, RedisConsumer, RedisFacts, RedisQueue, consume,
};
