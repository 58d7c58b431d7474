//! Whether what the programs take grows with what they have done.
//!
//! Invariant: growth is measured against jobs ended, not against the clock, since a compressed
//! soak has the jobs of hours and not their hours; and by the median of all slopes between two
//! samples (Theil and Sen), which a peak or a late start does not move.

use super::sample::{Process, Sample};

/// Caches and pools fill in this part of the samples, which is not judged.
pub const WARM_UP_SHARE: f64 = 0.25;
/// Fewer samples say nothing.
const LEAST_SAMPLES: usize = 12;
/// SQLite writes its log back every 4 MiB; a long read holds that up for a while.
const MOST_WAL_BYTES: u64 = 32 * MIB;
/// A database's bytes per job in the later half, compared with the earlier one's.
const MOST_DATABASE_RATIO: f64 = 1.5;
/// The pools open connections to the database as they are needed and keep them: some ten, of
/// three files each. More than that is something that people left behind.
const FILES_LEFT: u64 = 32;
const SOCKETS_LEFT: u64 = 4;

const MIB: u64 = 1024 * 1024;

/// What one number was over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub chart: &'static str,
    /// Among those of its chart; empty where it is the only one.
    pub name: String,
    pub unit: Unit,
    /// One for each sample.
    pub values: Vec<f64>,
    /// It must not grow by more.
    pub allowed: Option<Allowed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Count,
}

/// The larger of a share of its level and a least amount: what noise may look like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowed {
    share: f64,
    least: f64,
}

/// One question and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub what: String,
    pub measured: String,
    pub limit: String,
    pub is_good: bool,
}

/// How a number goes with the jobs that have ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    pub per_job: f64,
    /// From the first to the last judged sample, along the trend.
    pub growth: f64,
    /// The median.
    pub level: f64,
    /// The number of jobs at which the trend is at its level.
    pub at_jobs: f64,
}

/// What people met while the programs were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Met {
    pub requests: u64,
    /// Refused or not answered, and not meant to be.
    pub troubles: u64,
    pub jobs_failed: u64,
    pub jobs_left: u64,
}

/// The verdicts on everything, the samples being those while people worked.
pub fn judge(before: &Sample, samples: &[Sample], after: &Sample, met: Met) -> Vec<Verdict> {
    let judged = judged(samples);
    let jobs = jobs(judged);
    let mut verdicts = vec![enough(judged), work_done(met)];
    if !verdicts[0].is_good {
        return verdicts;
    }
    let grows = |series: Series| {
        let values = &series.values[samples.len() - judged.len()..];
        let allowed = series.allowed?;
        Some(growth(&series, allowed, trend(&jobs, values)))
    };
    verdicts.extend(all_series(samples).into_iter().filter_map(grows));
    verdicts.push(database(judged));
    verdicts.push(write_ahead_log(samples));
    verdicts.extend(returned(before, after));
    verdicts
}

/// The samples after the warm-up.
pub fn judged(samples: &[Sample]) -> &[Sample] {
    let end = samples.last().map_or(0.0, |sample| sample.at_seconds);
    let first = samples.partition_point(|sample| sample.at_seconds < end * WARM_UP_SHARE);
    &samples[first..]
}

pub fn jobs(samples: &[Sample]) -> Vec<f64> {
    samples.iter().map(|sample| f64::from(sample.jobs_ended)).collect()
}

/// Everything that was sampled, in the order in which it is shown.
pub fn all_series(samples: &[Sample]) -> Vec<Series> {
    const MEMORY: Allowed = Allowed { share: 0.1, least: (8 * MIB) as f64 };
    const HANDLES: Allowed = Allowed { share: 0.1, least: 6.0 };
    // Threads that block are made in bursts, where the disk is slow, and are kept while there is
    // work; at most 512 of them. Those that never come back are more than a burst.
    const THREADS: Allowed = Allowed { share: 0.1, least: 100.0 };
    const REDIS: Allowed = Allowed { share: 0.1, least: (2 * MIB) as f64 };
    let names: Vec<&String> =
        samples.first().map(|sample| sample.processes.keys().collect()).unwrap_or_default();
    let of_processes = |chart, unit, allowed, value: fn(&Process) -> u64| {
        let series = |name: &&String| {
            let values = samples.iter().map(|sample| sample.processes.get(*name).map_or(0, value) as f64);
            Series { chart, name: name.to_string(), unit, values: values.collect(), allowed: Some(allowed) }
        };
        names.iter().map(series).collect::<Vec<_>>()
    };
    let single = |chart, name: &str, unit, allowed, value: fn(&Sample) -> u64| {
        let values = samples.iter().map(|sample| value(sample) as f64).collect();
        Series { chart, name: name.to_owned(), unit, values, allowed }
    };
    let mut all = of_processes("Memory", Unit::Bytes, MEMORY, |process| process.memory_bytes);
    all.extend(of_processes("Sockets", Unit::Count, HANDLES, |process| process.sockets));
    all.extend(of_processes("Open files", Unit::Count, HANDLES, |process| process.files));
    all.extend(of_processes("Threads", Unit::Count, THREADS, |process| process.threads));
    all.extend([
        single("Memory of Redis", "", Unit::Bytes, Some(REDIS), |sample| sample.redis_bytes),
        single("Keys in Redis", "", Unit::Count, Some(HANDLES), |sample| sample.redis_keys),
        single("Database", "tables", Unit::Bytes, None, |sample| sample.database_bytes),
        single("Database", "write-ahead log", Unit::Bytes, None, |sample| sample.wal_bytes),
        single("Jobs", "ended", Unit::Count, None, |sample| sample.jobs_ended.into()),
        single("Jobs", "not ended", Unit::Count, None, |sample| (sample.jobs - sample.jobs_ended).into()),
        single("Files in seats' folders", "", Unit::Count, None, |sample| sample.seat_files),
    ]);
    all
}

/// By the median of the slopes between every two samples; flat where no job ended.
pub fn trend(jobs: &[f64], values: &[f64]) -> Trend {
    let points: Vec<(f64, f64)> = jobs.iter().copied().zip(values.iter().copied()).collect();
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (index, (x, y)) in points.iter().enumerate() {
        let later = points[index + 1..].iter().filter(|(later_x, _)| later_x > x);
        slopes.extend(later.map(|(later_x, later_y)| (later_y - y) / (later_x - x)));
    }
    let per_job = median(slopes);
    let range = jobs.last().copied().unwrap_or(0.0) - jobs.first().copied().unwrap_or(0.0);
    let at_jobs = median(jobs.to_vec());
    // Where the line lies so that half of the samples are above it.
    let level = median(points.iter().map(|(x, y)| y - per_job * (x - at_jobs)).collect());
    Trend { per_job, growth: per_job * range, level, at_jobs }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length.is_multiple_of(2) => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

fn enough(judged: &[Sample]) -> Verdict {
    let jobs = jobs(judged);
    let range = jobs.last().unwrap_or(&0.0) - jobs.first().unwrap_or(&0.0);
    Verdict {
        what: "Enough to judge by".to_owned(),
        measured: format!("{} samples, {range} jobs ended", judged.len()),
        limit: format!("at least {LEAST_SAMPLES} of each"),
        is_good: judged.len() >= LEAST_SAMPLES && range >= LEAST_SAMPLES as f64,
    }
}

fn work_done(met: Met) -> Verdict {
    let Met { requests, troubles, jobs_failed, jobs_left } = met;
    Verdict {
        what: "What people asked for was done".to_owned(),
        measured: format!(
            "{requests} requests: {troubles} went wrong; {jobs_failed} jobs failed, {jobs_left} never ended"
        ),
        limit: "nothing".to_owned(),
        is_good: requests > 0 && troubles == 0 && jobs_failed == 0 && jobs_left == 0,
    }
}

fn growth(series: &Series, allowed: Allowed, trend: Trend) -> Verdict {
    let most = (allowed.share * trend.level).max(allowed.least);
    Verdict {
        what: match series.name.as_str() {
            "" => series.chart.to_owned(),
            name => format!("{} of {name}", series.chart),
        },
        measured: format!(
            "{} at {}, {}",
            signed(trend.growth, series.unit),
            amount(trend.level, series.unit),
            match series.unit {
                Unit::Bytes => format!("{:+.0} B a job", trend.per_job),
                Unit::Count => format!("{:+.1} in 1000 jobs", trend.per_job * 1000.0),
            },
        ),
        limit: format!("growth up to {}", amount(most, series.unit)),
        is_good: trend.growth <= most,
    }
}

/// Every job is kept, so the database grows; by as much for a late job as for an early one.
fn database(judged: &[Sample]) -> Verdict {
    let per_job = |samples: &[Sample]| {
        let bytes: Vec<_> = samples.iter().map(|sample| sample.database_bytes as f64).collect();
        trend(&jobs(samples), &bytes).per_job
    };
    let (early, late) = judged.split_at(judged.len() / 2);
    let (early, late) = (per_job(early), per_job(late));
    Verdict {
        what: "Database grows by the job".to_owned(),
        measured: format!("{early:.0} B a job, later {late:.0} B"),
        limit: format!("later up to {MOST_DATABASE_RATIO} times as much"),
        // Pages are 4 KiB: less than a page in ten jobs is no growth that one could measure.
        is_good: late <= (early * MOST_DATABASE_RATIO).max(400.0),
    }
}

fn write_ahead_log(samples: &[Sample]) -> Verdict {
    let most = samples.iter().map(|sample| sample.wal_bytes).max().unwrap_or(0);
    Verdict {
        what: "Write-ahead log stays small".to_owned(),
        measured: format!("at most {}", amount(most as f64, Unit::Bytes)),
        limit: format!("up to {}", amount(MOST_WAL_BYTES as f64, Unit::Bytes)),
        is_good: most <= MOST_WAL_BYTES,
    }
}

/// Everybody has left: nothing of theirs is still open.
pub fn returned(before: &Sample, after: &Sample) -> Vec<Verdict> {
    let verdict = |(name, before): (&String, &Process)| {
        let after = after.processes.get(name)?;
        Some(Verdict {
            what: format!("{name} lets go when all have left"),
            measured: format!(
                "sockets {} → {}, files {} → {}",
                before.sockets, after.sockets, before.files, after.files
            ),
            limit: format!("{SOCKETS_LEFT} sockets, {FILES_LEFT} files more"),
            is_good: after.sockets <= before.sockets + SOCKETS_LEFT
                && after.files <= before.files + FILES_LEFT,
        })
    };
    before.processes.iter().filter_map(verdict).collect()
}

/// An amount in words.
pub fn amount(value: f64, unit: Unit) -> String {
    let mib = MIB as f64;
    match unit {
        Unit::Count => format!("{:.0}", value + 0.0),
        Unit::Bytes if value.abs() >= 100.0 * mib => format!("{:.0} MiB", value / mib),
        Unit::Bytes if value.abs() >= mib => format!("{:.1} MiB", value / mib),
        Unit::Bytes => format!("{:.0} KiB", value / 1024.0 + 0.0),
    }
}

fn signed(value: f64, unit: Unit) -> String {
    let sign = if value < 0.0 { "−" } else { "+" };
    match unit {
        Unit::Count => format!("{sign}{:.1}", value.abs()),
        Unit::Bytes => format!("{sign}{}", amount(value.abs(), unit)),
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
