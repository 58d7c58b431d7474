//! How fast people are.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

/// A person's time between two things that they do.
pub const THINKING_SECONDS: std::ops::Range<f64> = 20.0..120.0;

/// People who think this many times faster than people do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    compression: f64,
}

impl Pace {
    /// At least 1: nobody is slower than people.
    pub fn new(compression: f64) -> Self {
        Self { compression: compression.max(1.0) }
    }

    pub fn thinking(self, random: &mut StdRng) -> Duration {
        Duration::from_secs_f64(random.random_range(THINKING_SECONDS) / self.compression)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_compressed_thought_is_shorter_by_that_much() {
        let thought = |compression| Pace::new(compression).thinking(&mut StdRng::seed_from_u64(1));
        assert!((20.0..120.0).contains(&thought(1.0).as_secs_f64()));
        let ratio = thought(1.0).as_secs_f64() / thought(48.0).as_secs_f64();
        assert!((ratio - 48.0).abs() < 0.01, "{ratio}");
        assert_eq!(thought(0.1), thought(1.0));
    }
}
