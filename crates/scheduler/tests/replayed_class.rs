//! The forecast holds in a class; `examples/replayed_class.rs` prints the same at length.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect fails")]

#[path = "support/class.rs"]
mod class;

use class::{Settings, replay};
use domain::SchedulingMode;

fn inside(mode: SchedulingMode) -> f64 {
    let (mut inside, mut shown) = (0, 0);
    for seed in 1..=3 {
        let result = replay(Settings { mode, seed, jobs: 200, think_seconds: 400.0 });
        inside += result.shown.iter().filter(|shown| shown.is_inside()).count();
        shown += result.shown.len();
    }
    assert!(shown > 400, "{shown} windows are too few to judge by");
    f64::from(inside as u32) / f64::from(shown as u32)
}

#[test]
fn four_in_five_jobs_start_within_the_window_shown_in_fifo() {
    assert!(inside(SchedulingMode::Fifo) >= 0.8);
}

#[test]
fn four_in_five_jobs_start_within_the_window_shown_in_round_robin() {
    assert!(inside(SchedulingMode::RoundRobin) >= 0.8);
}

#[test]
fn four_in_five_jobs_start_within_the_window_shown_in_fair() {
    assert!(inside(SchedulingMode::Fair) >= 0.8);
}
