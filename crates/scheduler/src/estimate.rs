//! How long a job takes, as two quantiles, and what remains of it once it executes.
//!
//! Between the quantiles the duration is taken to be logistic: near enough to a normal
//! distribution, and its conditional quantiles have closed forms.

use std::time::Duration;

/// How long a job likely executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    pub p50: Duration,
    pub p90: Duration,
}

/// The z-value of a normal distribution's ninth decile.
pub(crate) const Z90: f64 = 1.2816;

/// Median and standard deviation of a time in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Spread {
    pub median: u64,
    pub deviation: f64,
}

impl Estimate {
    pub(crate) fn spread(self) -> Spread {
        let (p50, p90) = (milliseconds(self.p50), milliseconds(self.p90));
        Spread { median: p50, deviation: p90.saturating_sub(p50) as f64 / Z90 }
    }

    /// What remains after `elapsed`. Past its ninth decile a job is known to be unlike those
    /// that it was estimated from; the longer it overran, the longer it will go on.
    pub(crate) fn remaining(self, elapsed: Duration) -> Spread {
        let (p50, p90, elapsed) = (as_f64(self.p50), as_f64(self.p90), as_f64(elapsed));
        if elapsed <= 0.0 {
            return self.spread();
        }
        let scale = ((p90 - p50) / 9_f64.ln()).max(0.01 * p50).max(1.0);
        // Beyond 30 scales the tail is exponential to the last bit.
        let z = ((elapsed - p50) / scale).min(30.0);
        let anchor = z * scale;
        let conditional = |survival: f64| scale * ((1.0 / survival - 1.0) + z.exp() / survival).ln() - anchor;
        let overrun = (elapsed - p90).max(0.0);
        let median = conditional(0.5).max(overrun / 4.0).max(0.0);
        let p90 = conditional(0.1).max(overrun).max(median);
        Spread { median: median.round() as u64, deviation: (p90 - median) / Z90 }
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn as_f64(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remaining(elapsed: u64) -> u64 {
        let estimate = Estimate { p50: Duration::from_secs(100), p90: Duration::from_secs(120) };
        estimate.remaining(Duration::from_secs(elapsed)).median / 1000
    }

    #[test]
    fn remaining_time_shrinks_to_the_median_and_grows_past_the_ninth_decile() {
        let seen: Vec<_> = [0, 50, 90, 100, 110, 120, 200, 400, 4000].map(remaining).to_vec();
        assert_eq!(seen, [100, 50, 14, 10, 7, 6, 20, 70, 970]);
    }

    #[test]
    fn an_exact_estimate_that_is_missed_stays_finite() {
        let exact = Estimate { p50: Duration::from_secs(1), p90: Duration::from_secs(1) };
        assert!(exact.remaining(Duration::from_secs(3600)).median < 3_600_000);
    }
}
