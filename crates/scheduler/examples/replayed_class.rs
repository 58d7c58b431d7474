//! Replays a class in each mode and says how well its forecasts held.
//!
//! `cargo run --release -p scheduler --example replayed_class -- [--seed N] [--seeds N] [--jobs N]`

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect fails")]

use std::env::args;

use domain::SchedulingMode;

#[path = "../tests/support/class.rs"]
mod class;

use class::{Result, Settings, replay};

fn option(name: &str, default: u64) -> u64 {
    let value = args().skip_while(|arg| arg != name).nth(1);
    value.map_or(default, |value| value.parse().expect("a number follows the option"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() {
    let (first, seeds, jobs) = (option("--seed", 1), option("--seeds", 1), option("--jobs", 300) as usize);
    println!(
        "{:<12} {:>5} {:>5} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8} {:>8} {:>6} {:>6} {:>5} {:>5} {:>5} {:>5}",
        "mode",
        "seed",
        "jobs",
        "judged",
        "inside",
        "%",
        "early%",
        "late%",
        "<p50%",
        "error",
        "band/p50",
        "untold",
        "recall",
        "intr",
        "load",
        "queue",
        "Jain"
    );
    for mode in SchedulingMode::ALL {
        let mut rates = Vec::new();
        for seed in first..first + seeds {
            let result = replay(Settings { mode, seed, jobs, think_seconds: option("--think", 400) as f64 });
            rates.push(result.inside());
            print_row(mode, &seed.to_string(), jobs, &result);
        }
        if seeds > 1 {
            let passed = rates.iter().filter(|rate| **rate >= 0.8).count();
            let worst = rates.iter().copied().fold(1.0, f64::min);
            let mean = rates.iter().sum::<f64>() / rates.len() as f64;
            println!(
                "{mode}: {passed} of {seeds} seeds at 80 % or more; worst {:.1} %, mean {:.1} %\n",
                100.0 * worst,
                100.0 * mean
            );
        }
    }
}

fn print_row(mode: SchedulingMode, seed: &str, jobs: usize, result: &Result) {
    let shown = &result.shown;
    let share = |count: usize| 100.0 * count as f64 / shown.len().max(1) as f64;
    let inside = shown.iter().filter(|shown| shown.is_inside()).count();
    let early =
        shown.iter().filter(|shown| (shown.actual_ms as f64) < 0.8 * shown.window.p50_ms as f64).count();
    let errors =
        shown.iter().map(|shown| shown.actual_ms.abs_diff(shown.window.p50_ms) as f64 / 1000.0).collect();
    let wide = shown.iter().filter(|shown| shown.window.p50_ms > 0);
    let bands =
        wide.map(|shown| (shown.window.p90_ms - shown.window.p50_ms) as f64 / shown.window.p50_ms as f64);
    println!(
        "{:<12} {seed:>5} {jobs:>5} {:>7} {inside:>7} {:>7.1} {:>7.1} {:>7.1} {:>7.1} {:>7.1}s {:>8.2} {:>6} {:>6} {:>5} {:>5.2} {:>5.0} {:>5.2}",
        mode.to_string(),
        shown.len(),
        share(inside),
        share(early),
        share(shown.len() - inside - early),
        share(shown.iter().filter(|shown| shown.actual_ms < shown.window.p50_ms).count()),
        median(errors),
        median(bands.collect()),
        result.untold,
        result.recalls,
        result.interrupts,
        result.load,
        result.queue,
        result.jain()
    );
}
