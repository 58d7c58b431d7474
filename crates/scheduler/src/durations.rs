//! How long jobs take, learnt from those that have finished.
//!
//! A shape is known by keys from exact to broad; the first key that any finished job has
//! gives the estimate. Under a broad key jobs differ in size, so their durations are
//! scaled by work. The median of the last samples is not moved by a cold run; a first run
//! that took much longer than those after it is not counted at all.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::Estimate;

/// How many of the latest runs count.
const SAMPLES: usize = 20;
/// How many keys are kept; beyond, the one not seen for longest is dropped.
const KEYS: usize = 4096;
/// A first run this much longer than the median of the later ones loaded the model.
const COLD: f64 = 1.3;
/// What a later run takes of the only one so far.
const SINGLE: f64 = 0.8;

/// What a job is, as far as its duration goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GraphShape {
    /// From exact to broad, each distinct from the keys of other levels.
    pub keys: Vec<String>,
    /// Frames × pixels × steps, or anything that durations grow with; 0 if unknown.
    pub work: u64,
}

/// What is known of durations. Deterministic: the same records in the same order give the
/// same book, so it is rebuilt from stored rows at a start.
#[derive(Debug, Clone, Default)]
pub struct DurationBook {
    keys: BTreeMap<String, Record>,
    /// Key by its latest record.
    by_age: BTreeMap<u64, String>,
    records: u64,
}

#[derive(Debug, Clone, Default)]
struct Record {
    samples: VecDeque<Sample>,
    /// The oldest sample is the first ever.
    has_first: bool,
    recorded_at: u64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    milliseconds: f64,
    work: u64,
}

impl DurationBook {
    /// Learns from a job that succeeded.
    pub fn record(&mut self, shape: &GraphShape, duration: Duration) {
        let sample = Sample { milliseconds: duration.as_secs_f64() * 1000.0, work: shape.work };
        for key in &shape.keys {
            self.records += 1;
            let record = self.keys.entry(key.clone()).or_default();
            record.has_first |= record.samples.is_empty();
            record.samples.push_back(sample);
            if record.samples.len() > SAMPLES {
                record.samples.pop_front();
                record.has_first = false;
            }
            self.by_age.remove(&record.recorded_at);
            record.recorded_at = self.records;
            self.by_age.insert(self.records, key.clone());
        }
        while self.keys.len() > KEYS {
            let Some((_, oldest)) = self.by_age.pop_first() else { break };
            self.keys.remove(&oldest);
        }
    }

    pub fn estimate(&self, shape: &GraphShape) -> Option<Estimate> {
        let known = shape.keys.iter().enumerate();
        let (level, record) = known.filter_map(|(level, key)| Some((level, self.keys.get(key)?))).next()?;
        Some(record.estimate(shape.work, level))
    }

    /// How many runs the exact shape has been seen in, of those that count.
    pub fn samples(&self, shape: &GraphShape) -> usize {
        let exact = shape.keys.first().and_then(|key| self.keys.get(key));
        exact.map_or(0, |record| record.samples.len())
    }
}

impl Record {
    fn estimate(&self, work: u64, level: usize) -> Estimate {
        let mut durations: Vec<f64> = self.samples.iter().map(|sample| sample.scaled_to(work)).collect();
        if self.has_first && durations.len() > 1 {
            let mut later = durations[1..].to_vec();
            later.sort_by(f64::total_cmp);
            if durations[0] > COLD * quantile(&later, 0.5) {
                durations.remove(0);
            }
        }
        durations.sort_by(f64::total_cmp);
        // A single run was the first and likely loaded something.
        let likely = if self.has_first && self.samples.len() == 1 { SINGLE } else { 1.0 };
        let p50 = likely * quantile(&durations, 0.5);
        let p90 = quantile(&durations, 0.9).max(p50 * (1.0 + margin(durations.len(), level)));
        Estimate { p50: duration(p50), p90: duration(p90) }
    }
}

impl Sample {
    fn scaled_to(self, work: u64) -> f64 {
        if work == 0 || self.work == 0 || work == self.work {
            return self.milliseconds;
        }
        // Loading and decoding do not grow with the work, so twice the work takes less than twice.
        self.milliseconds * (work as f64 / self.work as f64).powf(0.8)
    }
}

/// How far the ninth decile is from the median at the least, for what few samples, or
/// samples of other shapes, cannot tell.
fn margin(samples: usize, level: usize) -> f64 {
    let few = match samples {
        0 | 1 => 0.4,
        2 => 0.25,
        3 | 4 => 0.2,
        5..10 => 0.15,
        _ => 0.1,
    };
    few + 0.25 * level.min(3) as f64
}

/// Of sorted, non-empty samples, interpolated.
fn quantile(sorted: &[f64], fraction: f64) -> f64 {
    let at = fraction * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

fn duration(milliseconds: f64) -> Duration {
    // A year is beyond any job; work figures out of nowhere must not overflow.
    Duration::from_secs_f64(milliseconds.clamp(1.0, 3.2e10) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(keys: &str, work: u64) -> GraphShape {
        GraphShape { keys: keys.split(' ').map(str::to_owned).collect(), work }
    }

    fn learnt(seconds: &[u64]) -> DurationBook {
        let mut book = DurationBook::default();
        for &seconds in seconds {
            book.record(&shape("exact model", 10), Duration::from_secs(seconds));
        }
        book
    }

    fn seconds(book: &DurationBook, keys: &str, work: u64) -> Option<(f64, f64)> {
        book.estimate(&shape(keys, work))
            .map(|estimate| (estimate.p50.as_secs_f64(), estimate.p90.as_secs_f64()))
    }

    #[test]
    fn nothing_is_known_at_first_and_something_after_one_run() {
        assert_eq!(seconds(&learnt(&[]), "exact model", 10), None);
        assert_eq!(seconds(&learnt(&[10]), "exact model", 10), Some((8.0, 11.2)));
    }

    #[test]
    fn a_cold_first_run_is_forgotten() {
        assert_eq!(seconds(&learnt(&[60, 10]), "exact", 10), Some((10.0, 14.0)));
        assert_eq!(seconds(&learnt(&[60, 10, 10, 10]), "exact", 10), Some((10.0, 12.0)));
    }

    #[test]
    fn a_cold_run_among_many_moves_nothing() {
        let mut runs = [10; 19];
        runs[7] = 90;
        assert_eq!(seconds(&learnt(&runs), "exact", 10), Some((10.0, 11.0)));
    }

    #[test]
    fn a_broader_key_scales_by_work_and_is_less_sure() {
        let book = learnt(&[10; 12]);
        let (p50, p90) = seconds(&book, "unseen model", 20).unwrap();
        assert!((17.0..18.0).contains(&p50) && (23.0..24.0).contains(&p90), "{p50} {p90}");
        assert_eq!(seconds(&book, "unseen other", 20), None);
        assert_eq!(seconds(&book, "unseen model", 0), Some((10.0, 13.5)));
    }

    #[test]
    fn the_latest_runs_count_alone() {
        let runs: Vec<u64> = std::iter::repeat_n(100, 40).chain(std::iter::repeat_n(10, 20)).collect();
        assert_eq!(seconds(&learnt(&runs), "exact", 10), Some((10.0, 11.0)));
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let mut book = DurationBook::default();
        for number in 0..3 * KEYS {
            book.record(&shape(&format!("exact{number} model"), 1), Duration::from_secs(1));
        }
        assert_eq!((book.keys.len(), book.by_age.len()), (KEYS, KEYS));
        assert!(book.estimate(&shape("model", 1)).is_some());
        assert!(book.estimate(&shape("exact0", 1)).is_none());
    }
}
