//! The operator's own Redis, as far as the queue depends on it.

use std::time::Duration;

use queue::{RedisFacts, RedisQueue};

use super::{ANSWER_LIMIT, Finding};
use crate::config::ServerConfig;
use crate::error::chain;

const SUBJECT: &str = "redis";
/// Each job waits for a few answers.
const SLOW: Duration = Duration::from_millis(50);
/// From half the time after which a worker's tasks go to another, by clocks compared.
const FAR_OFF: Duration = Duration::from_secs(30);
const OFF: Duration = Duration::from_secs(3);
/// What the queue's scripts were tried with.
const OLDEST: u32 = 6;

pub async fn redis(config: &ServerConfig, url: &str) -> Vec<Finding> {
    let asking = async { RedisQueue::new(config.queue_producer(url))?.facts().await };
    let fix = "is it running, and is REDIS_URL right?";
    match tokio::time::timeout(ANSWER_LIMIT, asking).await {
        Ok(Ok(facts)) => judge(&facts),
        Ok(Err(error)) => vec![Finding::bad(SUBJECT, chain(&error), fix)],
        Err(_) => vec![Finding::bad(SUBJECT, "REDIS_URL does not answer", fix)],
    }
}

fn judge(facts: &RedisFacts) -> Vec<Finding> {
    let RedisFacts { version, maxmemory_policy, maxmemory_bytes, round_trip, clock_off } = facts;
    let mut findings = vec![match version.split('.').next().and_then(|major| major.parse::<u32>().ok()) {
        Some(major) if major < OLDEST => {
            Finding::bad(SUBJECT, format!("it is version {version}"), "install Redis 6 or newer")
        }
        _ => Finding::good(
            SUBJECT,
            format!("REDIS_URL answers (version {version}, {} ms)", round_trip.as_millis()),
        ),
    }];
    if *maxmemory_bytes > 0 && maxmemory_policy != "noeviction" {
        let text = format!("when its memory is full it forgets tasks ({maxmemory_policy})");
        findings.push(Finding::bad(SUBJECT, text, "redis-cli CONFIG SET maxmemory-policy noeviction"));
    }
    if *round_trip > SLOW {
        let text = format!("an answer takes {} ms", round_trip.as_millis());
        findings.push(Finding::remark(SUBJECT, text, "use a Redis on this machine or next to it"));
    }
    let text = || format!("its clock is {} s away from this machine's", clock_off.as_secs());
    let fix = "let both machines keep time: timedatectl set-ntp true";
    if *clock_off > FAR_OFF {
        findings.push(Finding::bad(SUBJECT, text(), fix));
    } else if *clock_off > OFF {
        findings.push(Finding::remark(SUBJECT, text(), fix));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn well() -> RedisFacts {
        RedisFacts {
            version: "7.2.1".into(),
            maxmemory_policy: "allkeys-lru".into(),
            maxmemory_bytes: 0,
            round_trip: Duration::from_millis(1),
            clock_off: Duration::from_millis(5),
        }
    }

    fn worst(facts: &RedisFacts) -> &'static str {
        let verdicts: Vec<_> = judge(facts).into_iter().map(|finding| finding.verdict).collect();
        match verdicts {
            all if all.iter().any(|verdict| matches!(verdict, Verdict::Bad { .. })) => "bad",
            all if all.iter().any(|verdict| matches!(verdict, Verdict::Remark { .. })) => "remark",
            _ => "good",
        }
    }

    #[test]
    fn each_thing_about_redis_is_judged() {
        assert_eq!(worst(&well()), "good", "without a limit nothing is forgotten");
        assert_eq!(worst(&RedisFacts { maxmemory_bytes: 1 << 20, ..well() }), "bad");
        assert_eq!(worst(&RedisFacts { version: "5.0.14".into(), ..well() }), "bad");
        assert_eq!(worst(&RedisFacts { round_trip: Duration::from_millis(80), ..well() }), "remark");
        assert_eq!(worst(&RedisFacts { clock_off: Duration::from_secs(5), ..well() }), "remark");
        assert_eq!(worst(&RedisFacts { clock_off: Duration::from_secs(90), ..well() }), "bad");
    }
}
