//! The one place that reads the system's clock for the domain.
//!
//! Invariant: time as the domain sees it never runs backwards and never jumps, whatever is done
//! to the system's clock while the process runs (set by hand, by NTP, after a suspension). Leases
//! end by this time: a jump ahead would take every job from its worker at once, a jump back would
//! leave those of a dead worker lying for as long.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use domain::{Clock, Timestamp};

/// After a jump of the system's clock time goes by so much faster or slower until it is right
/// again: in a fifth more or less of a lease nobody is taken for dead or alive who is not.
const MOST_SLEW: f64 = 0.2;

/// The system's clock, followed steadily.
#[derive(Debug, Default)]
pub struct SystemClock {
    steady: Mutex<Option<Steady>>,
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let (wall_ms, instant) = (wall_ms(), Instant::now());
        let mut steady = self.steady.lock().unwrap_or_else(PoisonError::into_inner);
        let steady = steady.get_or_insert(Steady { ms: wall_ms, at: instant });
        steady.advance(wall_ms, instant);
        #[expect(clippy::cast_possible_truncation, reason = "rounds; the numbers are far from the limits")]
        let ms = steady.ms as i64;
        Timestamp::from_unix_ms(ms)
    }
}

fn wall_ms() -> f64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_epoch.as_secs_f64() * 1_000.0
}

/// What time it was when it was last asked.
#[derive(Debug, Clone, Copy)]
struct Steady {
    /// Since the Unix epoch. A fraction, so that frequent asking loses nothing.
    ms: f64,
    at: Instant,
}

impl Steady {
    fn advance(&mut self, wall_ms: f64, instant: Instant) {
        let passed = instant.saturating_duration_since(self.at);
        let passed_ms = milliseconds(passed);
        let ahead = self.ms + passed_ms;
        let slew = passed_ms * MOST_SLEW;
        self.ms = ahead + (wall_ms - ahead).clamp(-slew, slew);
        self.at += passed;
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: f64 = 3_600_000.0;

    /// Follows a wall clock that is off by so much after a second, asked every 100 ms for the
    /// given time; gives what it said at each.
    fn follow(jump_ms: f64, seconds: u32) -> Vec<f64> {
        let begun = Instant::now();
        let mut steady = Steady { ms: 1_000_000_000.0, at: begun };
        (1..=seconds * 10)
            .map(|step| {
                let passed = Duration::from_millis(u64::from(step) * 100);
                let jump = if step > 10 { jump_ms } else { 0.0 };
                steady.advance(1_000_000_000.0 + milliseconds(passed) + jump, begun + passed);
                steady.ms - 1_000_000_000.0
            })
            .collect()
    }

    #[test]
    fn a_sound_clock_is_followed_exactly() {
        let said = follow(0.0, 10);
        assert!((said[99] - 10_000.0).abs() < 0.001, "{}", said[99]);
    }

    #[test]
    fn no_jump_of_the_system_is_seen() {
        for jump in [HOUR_MS, -HOUR_MS] {
            let said = follow(jump, 21);
            let passed = said[209] - said[9];
            let expected = 20_000.0 * (1.0 + jump.signum() * MOST_SLEW);
            assert!((passed - expected).abs() < 1.0, "{passed} of {expected}");
            assert!(said.is_sorted());
        }
    }

    #[test]
    fn after_a_small_jump_it_is_right_again() {
        for jump in [500.0, -500.0] {
            let said = follow(jump, 10);
            assert!((said[99] - (10_000.0 + jump)).abs() < 0.001, "{}", said[99]);
        }
    }

    #[test]
    fn it_tells_the_systems_time() {
        let said = SystemClock::default().now().unix_ms();
        #[expect(clippy::cast_possible_truncation, reason = "rounds")]
        let wall = wall_ms() as i64;
        assert!((wall - said).abs() < 1_000);
    }
}
