//! Soaks that went well, and soaks with one thing wrong, which must be found.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

const SAMPLES: u32 = 200;
const JOBS_A_SAMPLE: u32 = 20;
const FINE: Met = Met { requests: 10_000, troubles: 0, jobs_failed: 0, jobs_left: 0 };

fn quiet() -> Sample {
    let process = |memory_bytes| Process { memory_bytes, files: 30, sockets: 12, threads: 6 };
    Sample {
        at_seconds: 0.0,
        jobs: 0,
        jobs_ended: 0,
        processes: BTreeMap::from([
            ("server".to_owned(), process(40 * MIB)),
            ("worker-0".to_owned(), process(20 * MIB)),
        ]),
        database_bytes: 200_000,
        wal_bytes: 4 * MIB,
        redis_bytes: 2 * MIB,
        redis_keys: 10,
        seat_files: 40,
    }
}

/// A class at work: caches fill in the beginning, sockets come and go.
fn sound() -> Vec<Sample> {
    let mut random = StdRng::seed_from_u64(7);
    let mut sample = |number: u32| {
        let mut sample = quiet();
        sample.at_seconds = f64::from(number) * 3.0;
        sample.jobs_ended = number * JOBS_A_SAMPLE;
        sample.jobs = sample.jobs_ended + random.random_range(0..30);
        sample.database_bytes += u64::from(sample.jobs_ended) * 3_000 / 4096 * 4096;
        let filled = u64::from(number.min(SAMPLES / 5)) * MIB;
        for process in sample.processes.values_mut() {
            process.memory_bytes += filled + random.random_range(0..12 * MIB);
            process.sockets += random.random_range(60..100);
            process.files += random.random_range(0..20);
            process.threads += random.random_range(0..6);
        }
        sample.redis_bytes += random.random_range(0..MIB);
        sample
    };
    (0..SAMPLES).map(&mut sample).collect()
}

fn with(change: impl Fn(&mut Sample)) -> Vec<Sample> {
    let mut samples = sound();
    samples.iter_mut().for_each(change);
    samples
}

fn server(sample: &mut Sample) -> &mut Process {
    sample.processes.get_mut("server").expect("every sample has the server")
}

/// What is found wrong.
fn wrong(samples: &[Sample]) -> Vec<String> {
    let verdicts = judge(&quiet(), samples, &quiet(), FINE);
    verdicts.into_iter().filter(|verdict| !verdict.is_good).map(|verdict| verdict.what).collect()
}

#[test]
fn a_sound_soak_passes() {
    assert_eq!(wrong(&sound()), [""; 0]);
}

#[test]
fn memory_that_leaks_with_every_job_is_found() {
    let leak = |sample: &mut Sample| {
        let leaked = u64::from(sample.jobs_ended) * 6 * 1024;
        server(sample).memory_bytes += leaked;
    };
    assert_eq!(wrong(&with(leak)), ["Memory of server"]);
}

#[test]
fn handles_that_leak_are_found() {
    let leak = |sample: &mut Sample| {
        let leaked = u64::from(sample.jobs_ended) / 100;
        server(sample).files += leaked;
        server(sample).sockets += leaked;
        sample.redis_keys += leaked;
    };
    assert_eq!(wrong(&with(leak)), ["Sockets of server", "Open files of server", "Keys in Redis"]);
}

#[test]
fn peaks_are_no_leak() {
    let peak = |sample: &mut Sample| {
        if (2_400..2_700).contains(&sample.jobs_ended) || sample.jobs_ended.is_multiple_of(700) {
            server(sample).memory_bytes += 200 * MIB;
            server(sample).sockets += 200;
        }
    };
    assert_eq!(wrong(&with(peak)), [""; 0]);
}

#[test]
fn what_fills_while_it_warms_up_is_no_leak() {
    let fill = |sample: &mut Sample| {
        let filled = u64::from(sample.jobs_ended.min(900)) * 100 * 1024;
        server(sample).memory_bytes += filled;
    };
    assert_eq!(wrong(&with(fill)), [""; 0]);
}

#[test]
fn a_database_that_grows_ever_faster_is_found() {
    let grow = |sample: &mut Sample| sample.database_bytes += u64::from(sample.jobs_ended).pow(2) * 4;
    assert_eq!(wrong(&with(grow)), ["Database grows by the job"]);
}

#[test]
fn a_log_that_is_never_written_back_is_found() {
    let grow = |sample: &mut Sample| sample.wal_bytes += u64::from(sample.jobs_ended) * 20_000;
    assert_eq!(wrong(&with(grow)), ["Write-ahead log stays small"]);
}

#[test]
fn what_stays_open_after_all_have_left_is_found() {
    let mut after = quiet();
    server(&mut after).sockets += 20;
    let verdicts = returned(&quiet(), &after);
    assert_eq!(verdicts.iter().map(|verdict| verdict.is_good).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_soak_in_which_little_happened_is_not_sound() {
    assert_eq!(wrong(&sound()[..8]), ["Enough to judge by"]);
    assert_eq!(wrong(&with(|sample| sample.jobs_ended = 5)), ["Enough to judge by"]);
    assert!(!work_done(Met { troubles: 1, ..FINE }).is_good);
    assert!(!work_done(Met { jobs_failed: 1, ..FINE }).is_good);
    assert!(!work_done(Met::default()).is_good);
}

#[test]
fn a_trend_is_that_of_most_samples() {
    let jobs: Vec<_> = (0..100).map(f64::from).collect();
    let mut values: Vec<_> = jobs.iter().map(|jobs| 10.0 + 2.0 * jobs).collect();
    for value in values.iter_mut().step_by(7) {
        *value += 5_000.0;
    }
    let found = trend(&jobs, &values);
    assert!((found.per_job - 2.0).abs() < 0.1, "{found:?}");
    assert!((found.growth - 198.0).abs() < 10.0, "{found:?}");
    assert_eq!(trend(&[3.0, 3.0], &[1.0, 9.0]).growth, 0.0);
}
