//! How long one plan takes. `cargo run --release -p scheduler --example planning_time -- [--jobs N]`

use std::env::args;
use std::hint::black_box;
use std::time::{Duration, Instant};

use domain::{JobId, Priority, SchedulingMode, SeatId};
use scheduler::{Arrivals, Estimate, HeldJob, Snapshot, WaitingJob, plan};
use uuid::Uuid;

const SEATS: usize = 500;

fn job(number: usize) -> WaitingJob {
    let seconds = Duration::from_secs(2 + (number * 7919 % 97) as u64);
    WaitingJob {
        id: JobId::from_uuid(Uuid::from_u128(number as u128)),
        seat: SeatId::new((number * 31 % SEATS + 1) as u16).expect("within the seats"),
        sequence: number as i64,
        is_front: number.is_multiple_of(50),
        is_returned: false,
        priority: if number.is_multiple_of(100) { Priority::Raised } else { Priority::Normal },
        interrupts: false,
        estimate: Some(Estimate { p50: seconds, p90: seconds * 2 }),
    }
}

fn main() {
    let jobs = args().skip_while(|arg| arg != "--jobs").nth(1);
    let jobs = jobs.map_or(10_000, |jobs| jobs.parse().expect("a number follows --jobs"));
    for mode in SchedulingMode::ALL {
        for with_arrivals in [false, true] {
            let mut snapshot = Snapshot { mode, slots: 2, room: 1, ..Snapshot::default() };
            snapshot.queued = (3..jobs + 3).map(job).collect();
            snapshot.running =
                (0..2).map(|n| HeldJob { job: job(n), elapsed: Duration::from_secs(1) }).collect();
            snapshot.staged = vec![HeldJob { job: job(2), elapsed: Duration::ZERO }];
            if with_arrivals {
                snapshot.arrivals = Arrivals {
                    seats: (1..=SEATS as u16).filter_map(|number| SeatId::new(number).ok()).collect(),
                    idle_gap: Some(Duration::from_secs(300)),
                    busy_gap: Some(Duration::from_secs(900)),
                    batches: vec![vec![Duration::from_secs(10); 2]; 50],
                };
            }
            let mut times: Vec<f64> = (0..21)
                .map(|_| {
                    let began = Instant::now();
                    black_box(plan(black_box(&snapshot)));
                    began.elapsed().as_secs_f64() * 1000.0
                })
                .collect();
            times.sort_by(f64::total_cmp);
            let forecast = if with_arrivals { "with arrivals" } else { "alone" };
            println!(
                "{mode:<12} {jobs} jobs, {forecast:<14} median {:>6.2} ms, worst {:>6.2} ms",
                times[10], times[20]
            );
        }
    }
}
