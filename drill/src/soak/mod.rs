//! A class that works for hours, and what the programs take meanwhile.
//!
//! [`participant`]s and an [`instructor`] use a workshop of real processes, through [`browser`]s
//! and at a [`pace`]; [`sample`] looks at the processes, [`judge`] says whether anything grows
//! that must not, [`report`] shows it.

mod browser;
mod instructor;
mod judge;
mod pace;
mod participant;
mod report;
mod sample;

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::browser::Notebook;
use self::instructor::Instructor;
use self::judge::{Met, Unit, amount, judge, returned};
use self::pace::Pace;
use self::participant::Participant;
use self::report::Report;
use self::sample::{Sample, Sampler};
use crate::records::Records;
use crate::world::{World, WorldOptions};

pub use self::judge::Verdict;

/// The samples, one JSON object a line.
pub const SAMPLES_NAME: &str = "samples.jsonl";
pub const REPORT_NAME: &str = "report.html";
/// Samples in a soak, if they are not closer together or further apart than this.
const SAMPLES: f64 = 200.0;
const CLOSEST_SAMPLES: f64 = 1.0;
const FARTHEST_SAMPLES: f64 = 30.0;
/// How long the last jobs may take.
const SETTLE_LIMIT: Duration = Duration::from_secs(180);
/// The server closes a connection on which nothing is asked after 75 s.
const LET_GO_LIMIT: Duration = Duration::from_secs(90);
/// The programs are quiet where so many looks see the same.
const QUIET_SAMPLES: u32 = 3;
const QUIET_LIMIT: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_secs(1);
/// Where nobody watches, a line now and then is enough.
const SAMPLES_A_LINE: usize = 10;

#[derive(Debug, Clone)]
pub struct SoakOptions {
    /// Its seats are the participants.
    pub world: WorldOptions,
    /// What the soak stands for.
    pub hours: f64,
    /// How many times faster than people the participants are.
    pub compression: f64,
}

impl SoakOptions {
    /// How long it takes.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.hours * 3600.0 / self.compression)
    }

    fn sample_period(&self) -> Duration {
        let period = self.duration().as_secs_f64() / SAMPLES;
        Duration::from_secs_f64(period.clamp(CLOSEST_SAMPLES, FARTHEST_SAMPLES))
    }
}

/// Runs the soak, writes its report, and gives the verdicts.
pub async fn soak(options: &SoakOptions) -> anyhow::Result<Vec<Verdict>> {
    let folder = &options.world.folder;
    let mut log = SampleLog::create(folder, options.duration())?;
    let mut world = World::start(&options.world).await?;
    let mut sampler = Sampler::new(&world).await?;
    let notebook = Notebook::default();
    let before = until_quiet(&mut sampler).await?;
    log.note("before", &before)?;

    let until = Instant::now() + options.duration();
    let mut people = start_people(options, &world, until, &notebook).await?;
    let samples = sample_until(until, options, &mut world, &mut sampler, &notebook, &mut log).await?;
    while let Some(ended) = people.join_next().await {
        ended.context("a participant panicked")?;
    }
    let after = until_left(&mut sampler, &before).await?;
    log.note("after", &after)?;
    world.ensure_all_run()?;
    let jobs_failed = failed_jobs(&world).await?;
    world.stop().await?;

    let met = notebook.note(|notes| Met {
        requests: notes.requests,
        troubles: notes.troubles,
        jobs_failed,
        jobs_left: u64::from(after.jobs - after.jobs_ended),
    });
    let verdicts = judge(&before, &samples, &after, met);
    let report = notebook.note(|notes| {
        Report { options, verdicts: &verdicts, samples: &samples, notes, after: &after }.to_string()
    });
    let path = folder.join(REPORT_NAME);
    std::fs::write(&path, report).with_context(|| path.display().to_string())?;
    notebook.note(|notes| notes.told.iter().for_each(|trouble| eprintln!("went wrong: {trouble}")));
    Ok(verdicts)
}

async fn start_people(
    options: &SoakOptions,
    world: &World,
    until: Instant,
    notebook: &Notebook,
) -> anyhow::Result<JoinSet<()>> {
    let WorldOptions { seats, seed, .. } = options.world;
    let pace = Pace::new(options.compression);
    let random = |number: u32| StdRng::seed_from_u64(seed ^ u64::from(number) << 40);
    let url = world.url();
    let mut people = JoinSet::new();
    for number in 0..seats {
        let participant = Participant::join(number, &url, pace, random(number + 1), notebook.clone()).await?;
        people.spawn(participant.take_part(until));
    }
    let instructor =
        Instructor::enter(&url, world.data_dir(), seats, pace, random(0), notebook.clone()).await?;
    people.spawn(instructor.take_part(until));
    Ok(people)
}

async fn sample_until(
    until: Instant,
    options: &SoakOptions,
    world: &mut World,
    sampler: &mut Sampler,
    notebook: &Notebook,
    log: &mut SampleLog,
) -> anyhow::Result<Vec<Sample>> {
    let mut samples = Vec::new();
    let mut ticks = interval(options.sample_period());
    // A machine that is busy gets no burst of samples.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if Instant::now() >= until {
            break;
        }
        world.ensure_all_run()?;
        let sample = sampler.look().await?;
        log.note("sample", &sample)?;
        log.tell(&sample, notebook.note(|notes| notes.troubles));
        samples.push(sample);
    }
    log.end_line();
    Ok(samples)
}

/// Waits until the programs have opened what they open at their start.
async fn until_quiet(sampler: &mut Sampler) -> anyhow::Result<Sample> {
    let handles = |sample: &Sample| -> Vec<_> {
        sample.processes.values().map(|process| (process.files, process.sockets)).collect()
    };
    let begun = Instant::now();
    let (mut sample, mut same) = (sampler.look().await?, 0);
    while same < QUIET_SAMPLES && begun.elapsed() < QUIET_LIMIT {
        sleep(LOOK).await;
        let next = sampler.look().await?;
        same = if handles(&next) == handles(&sample) { same + 1 } else { 0 };
        sample = next;
    }
    Ok(sample)
}

/// Waits until the jobs have ended and what people had open is closed, or for as long as that
/// may take.
async fn until_left(sampler: &mut Sampler, before: &Sample) -> anyhow::Result<Sample> {
    let begun = Instant::now();
    let mut sample = sampler.look().await?;
    while sample.jobs > sample.jobs_ended && begun.elapsed() < SETTLE_LIMIT {
        sleep(LOOK).await;
        sample = sampler.look().await?;
    }
    let settled = Instant::now();
    let is_open = |sample: &Sample| returned(before, sample).iter().any(|verdict| !verdict.is_good);
    while is_open(&sample) && settled.elapsed() < LET_GO_LIMIT {
        sleep(LOOK).await;
        sample = sampler.look().await?;
    }
    Ok(sample)
}

async fn failed_jobs(world: &World) -> anyhow::Result<u64> {
    let jobs = Records::open(&world.database()).await?.jobs().await?;
    Ok(jobs.iter().filter(|job| job.phase == "failed").count() as u64)
}

/// The file of samples, and the line that says how things are.
struct SampleLog {
    file: File,
    duration: Duration,
    told: usize,
    is_watched: bool,
}

impl SampleLog {
    fn create(folder: &Path, duration: Duration) -> anyhow::Result<Self> {
        let path = folder.join(SAMPLES_NAME);
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        Ok(Self { file, duration, told: 0, is_watched: std::io::stderr().is_terminal() })
    }

    fn note(&mut self, what: &str, sample: &Sample) -> anyhow::Result<()> {
        writeln!(self.file, "{}", serde_json::json!({"what": what, "sample": sample}))?;
        Ok(())
    }

    fn tell(&mut self, sample: &Sample, troubles: u64) {
        let server = sample.processes.get("server");
        let line = format!(
            "{:4.0} of {:.0} s: {} jobs ended, {} to go; server {}, {} sockets, {} files; {troubles} went wrong",
            sample.at_seconds,
            self.duration.as_secs_f64(),
            sample.jobs_ended,
            sample.jobs - sample.jobs_ended,
            amount(server.map_or(0, |server| server.memory_bytes) as f64, Unit::Bytes),
            server.map_or(0, |server| server.sockets),
            server.map_or(0, |server| server.files),
        );
        if self.is_watched {
            eprint!("\r\x1b[K{line}");
        } else if self.told.is_multiple_of(SAMPLES_A_LINE) {
            eprintln!("{line}");
        }
        self.told += 1;
    }

    fn end_line(&self) {
        if self.is_watched {
            eprintln!();
        }
    }
}

/// The verdicts as a table.
pub fn table(verdicts: &[Verdict]) -> String {
    let width =
        |of: fn(&Verdict) -> &str| verdicts.iter().map(|it| of(it).chars().count()).max().unwrap_or(0);
    let what = width(|verdict| &verdict.what);
    let measured = width(|verdict| &verdict.measured);
    let line = |verdict: &Verdict| {
        let Verdict { what: question, measured: found, limit, is_good } = verdict;
        let word = if *is_good { "good" } else { "BAD " };
        format!("{word}  {question:what$}  {found:measured$}  {limit}\n")
    };
    verdicts.iter().map(line).collect()
}

/// A soak says nothing where it is over before anything was done.
pub fn ensure_sensible(options: &SoakOptions) -> anyhow::Result<()> {
    ensure!(options.compression >= 1.0, "COMPRESS must be at least 1");
    ensure!(options.duration() >= Duration::from_secs(20), "this soak would take less than 20 seconds");
    Ok(())
}
