//! What a Redis says of itself, for `doctor`.

use std::time::{Duration, Instant, SystemTime};

use super::RedisQueue;
use crate::QueueError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisFacts {
    pub version: String,
    /// What it does when its memory is full: with another than `noeviction` it forgets.
    pub maxmemory_policy: String,
    /// 0 is no limit.
    pub maxmemory_bytes: u64,
    pub round_trip: Duration,
    /// How far its clock is from this machine's.
    pub clock_off: Duration,
}

impl RedisQueue {
    /// Asks; a Redis that is away is waited for no longer than for a push.
    pub async fn facts(&self) -> Result<RedisFacts, QueueError> {
        let refused = |source| QueueError::from_redis("tell of itself", source);
        let asking = async {
            let mut connection = self.connection();
            let info: String = redis::cmd("INFO").query_async(&mut connection).await.map_err(refused)?;
            let asked_at = Instant::now();
            let (seconds, micros): (u64, u64) =
                redis::cmd("TIME").query_async(&mut connection).await.map_err(refused)?;
            let round_trip = asked_at.elapsed();
            let theirs = SystemTime::UNIX_EPOCH + Duration::new(seconds, 0) + Duration::from_micros(micros);
            let ours = SystemTime::now();
            let clock_off = ours.duration_since(theirs).unwrap_or_else(|error| error.duration());
            let value = |name: &str| {
                let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                line.unwrap_or_default().trim().to_owned()
            };
            Ok(RedisFacts {
                version: value("redis_version"),
                maxmemory_policy: value("maxmemory_policy"),
                maxmemory_bytes: value("maxmemory").parse().unwrap_or(0),
                round_trip,
                clock_off,
            })
        };
        tokio::time::timeout(self.timeout, asking).await.unwrap_or_else(|_elapsed| Err(self.timed_out()))
    }
}
