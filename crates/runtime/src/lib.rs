//! What both binaries need around their own work: settings, logging, shutdown,
//! background tasks, the real clock and real randomness, and the embedded Redis.

pub mod clock;
pub mod config;
pub mod embedded_redis;
pub mod logging;
pub mod random;
pub mod secret;
pub mod shutdown;
pub mod task_group;

pub use clock::SystemClock;
pub use embedded_redis::{EmbeddedRedis, EmbeddedRedisOptions, RedisError};
pub use secret::Secret;
pub use shutdown::Shutdown;
pub use task_group::{TaskFailure, TaskGroup};
