//! What became of every job: from the records, the files, and what participants were told.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use crate::faults::Breakage;
use crate::people::Tally;
use crate::picture::{colour_of_file, is_same};
use crate::records::{EventRecord, JobRecord, Records};

/// The end of a job's life in the event log; a failure may be followed by another attempt.
const ENDINGS: [&str; 2] = ["succeeded", "cancelled"];
/// What happens to a job that is not over.
const STEPS: [&str; 8] =
    ["dispatched", "claimed", "started", "succeeded", "failed", "cancelled", "released", "lease_lapsed"];
/// A job fails so often by its engine or worker at most (`domain::MAX_FAILURES`).
const MOST_FAILURES: usize = 3;
/// A lost worker's job is on its way again within this.
pub const RETURN_LIMIT: Duration = Duration::from_secs(30);
/// Something succeeds again within this of any fault, while jobs wait.
pub const SERVICE_LIMIT: Duration = Duration::from_secs(60);

/// A fault that happened.
#[derive(Debug, Clone, Serialize)]
pub struct Suffered {
    /// In Unix milliseconds.
    pub at: i64,
    /// When it was mended.
    pub mended_at: i64,
    #[serde(skip)]
    pub breakage: Breakage,
    pub fault: String,
    /// The phase was reached; else it was time.
    pub was_in_phase: bool,
    /// The jobs that the worker had which was killed.
    pub held: Vec<String>,
    /// Events that the server wrote at a wrong time.
    pub skewed: Option<Skewed>,
}

/// Events whose time is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Skewed {
    /// The last event before.
    pub after: i64,
    /// The last one of them.
    pub until: i64,
    pub ms: i64,
}

/// The account of a drill.
#[derive(Debug, Default, Serialize)]
pub struct Account {
    pub seed: u64,
    pub faults: usize,
    pub submitted: usize,
    /// Submissions whose answer was lost.
    pub unanswered: u32,
    pub succeeded: usize,
    /// Ended with a failure that the participant is told: reason → jobs.
    pub given_up: BTreeMap<String, usize>,
    pub attempts: u32,
    /// The server said it had them, and they are gone or never ended.
    pub lost: Vec<String>,
    /// Ended or seen more than once, or with more results than they make.
    pub doubled: Vec<String>,
    /// Ended well with a result missing or another job's.
    pub wrong: Vec<String>,
    /// Files of no job.
    pub stray_files: Vec<PathBuf>,
    /// From the loss of a worker until its jobs were on their way again.
    pub longest_return_ms: i64,
    /// From any fault until the next job succeeded.
    pub longest_silence_ms: i64,
    /// Writes of the server for which there was no room.
    pub refused_writes: i64,
    /// Submissions that were told so.
    pub refused_jobs: u32,
    /// Faults that met a job in their phase.
    pub met: usize,
    /// Jobs that kill engines, and how often they failed until they were given up.
    pub killers: BTreeMap<String, usize>,
    pub problems: Vec<String>,
}

impl Account {
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Counts everything once all is over.
pub async fn draw_up(
    seed: u64,
    mut records: Records,
    seats_dir: &Path,
    tallies: &[Tally],
    suffered: &[Suffered],
    refused_writes: i64,
) -> anyhow::Result<Account> {
    let jobs = records.jobs().await?;
    let mut events = records.events().await?;
    set_right(&mut events, suffered);
    let artifacts = records.artifacts().await?;
    let mut account = Account {
        seed,
        faults: suffered.len(),
        submitted: jobs.len(),
        unanswered: tallies.iter().map(|tally| tally.unanswered).sum(),
        attempts: jobs.iter().map(|job| job.attempts).sum(),
        refused_writes,
        refused_jobs: tallies.iter().map(|tally| tally.refused_full).sum(),
        met: suffered.iter().filter(|fault| fault.was_in_phase).count(),
        killers: killers(tallies, &events),
        ..Account::default()
    };
    let known: HashMap<&str, &JobRecord> = jobs.iter().map(|job| (job.id.as_str(), job)).collect();
    for job in &jobs {
        match job.phase.as_str() {
            "succeeded" => account.succeeded += 1,
            "failed" => *account.given_up.entry(reason(job)).or_default() += 1,
            _ if job.is_over() => *account.given_up.entry(job.phase.clone()).or_default() += 1,
            _ => account.lost.push(format!("{} is still {}", job.id, job.phase)),
        }
    }
    account.doubled.extend(went_on(&events));

    let mut results: HashMap<&str, Vec<PathBuf>> = HashMap::new();
    let mut files = HashSet::new();
    for artifact in &artifacts {
        let path = seats_dir.join(&artifact.seat).join(&artifact.path);
        results.entry(&artifact.job).or_default().push(path.clone());
        files.insert(path);
    }
    for tally in tallies {
        for accepted in &tally.accepted {
            let Some(job) = known.get(accepted.id.as_str()) else {
                account.lost.push(format!("{} was accepted and is not recorded", accepted.id));
                continue;
            };
            if job.phase != "succeeded" {
                continue;
            }
            let found = results.get(accepted.id.as_str()).map(Vec::as_slice).unwrap_or_default();
            if found.len() > accepted.pictures {
                account.doubled.push(format!(
                    "{} has {} results of {}",
                    job.id,
                    found.len(),
                    accepted.pictures
                ));
            } else if found.len() < accepted.pictures {
                account.wrong.push(format!(
                    "{} has {} results of {}",
                    job.id,
                    found.len(),
                    accepted.pictures
                ));
            }
            for path in found {
                match colour_of_file(path) {
                    Ok(colour) if is_same(colour, accepted.colour) => {}
                    Ok(colour) => account
                        .wrong
                        .push(format!("{} shows {colour:06x}, not {:06x}", job.id, accepted.colour)),
                    Err(error) => account.wrong.push(format!("{}: {error:#}", job.id)),
                }
            }
        }
        let seen_twice = tally.successes.iter().filter(|(_, count)| **count > 1);
        account
            .doubled
            .extend(seen_twice.map(|(job, count)| format!("{job} was told to have succeeded {count} times")));
    }
    account.stray_files = outputs_below(seats_dir)?;
    account.stray_files.retain(|path| !files.contains(path));
    measure(&mut account, &events, suffered);
    judge(&mut account, suffered);
    Ok(account)
}

/// Gives the events their true times.
fn set_right(events: &mut [EventRecord], suffered: &[Suffered]) {
    for Skewed { after, until, ms } in suffered.iter().filter_map(|fault| fault.skewed) {
        for event in events.iter_mut().filter(|event| event.id > after && event.id <= until) {
            event.at -= ms;
        }
    }
}

fn killers(tallies: &[Tally], events: &[EventRecord]) -> BTreeMap<String, usize> {
    let jobs = tallies.iter().flat_map(|tally| &tally.accepted).filter(|accepted| accepted.is_killer);
    let failures =
        |job: &str| events.iter().filter(|event| event.job == job && event.kind == "failed").count();
    jobs.map(|job| (job.id.clone(), failures(&job.id))).collect()
}

/// Jobs to which something happened after their end.
fn went_on(events: &[EventRecord]) -> Vec<String> {
    let mut ended = HashSet::new();
    let mut found = Vec::new();
    for event in events.iter().filter(|event| STEPS.contains(&event.kind.as_str())) {
        if ended.contains(event.job.as_str()) {
            found.push(format!("{} {} after its end", event.job, event.kind));
        }
        if ENDINGS.contains(&event.kind.as_str()) {
            ended.insert(event.job.as_str());
        }
    }
    found
}

fn reason(job: &JobRecord) -> String {
    let failure: serde_json::Value =
        job.failure.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    failure["kind"].as_str().unwrap_or("unknown").to_owned()
}

fn measure(account: &mut Account, events: &[EventRecord], suffered: &[Suffered]) {
    for fault in suffered {
        for job in &fault.held {
            let moved = events.iter().find(|event| event.job == *job && event.at > fault.at);
            if let Some(moved) = moved {
                account.longest_return_ms = account.longest_return_ms.max(moved.at - fault.at);
            }
        }
        let next = events.iter().find(|event| event.kind == "succeeded" && event.at > fault.at);
        let was_busy = events.iter().any(|event| event.kind == "submitted" && event.at < fault.at);
        if let (Some(next), true) = (next, was_busy) {
            account.longest_silence_ms = account.longest_silence_ms.max(next.at - fault.at);
        }
    }
}

fn judge(account: &mut Account, suffered: &[Suffered]) {
    let mut problems = Vec::new();
    let mut check = |is_bad: bool, problem: String| {
        if is_bad {
            problems.push(problem);
        }
    };
    check(!account.lost.is_empty(), format!("{} jobs lost", account.lost.len()));
    check(!account.doubled.is_empty(), format!("{} jobs doubled", account.doubled.len()));
    check(!account.wrong.is_empty(), format!("{} jobs with wrong results", account.wrong.len()));
    check(!account.stray_files.is_empty(), format!("{} files of no job", account.stray_files.len()));
    let was_full = suffered.iter().any(|fault| fault.breakage == Breakage::FillDisk);
    check(was_full && account.refused_writes == 0, "a full disk refused nothing: it was not full".to_owned());
    let most = account.killers.values().copied().max().unwrap_or_default();
    check(most > MOST_FAILURES, format!("a job that kills engines was run until it had failed {most} times"));
    let over = |measured: i64, limit: Duration| {
        i128::from(measured) > i128::try_from(limit.as_millis()).unwrap_or(i128::MAX)
    };
    check(
        over(account.longest_return_ms, RETURN_LIMIT),
        format!("a lost worker's job returned after {} ms", account.longest_return_ms),
    );
    check(
        over(account.longest_silence_ms, SERVICE_LIMIT),
        format!("nothing succeeded for {} ms after a fault", account.longest_silence_ms),
    );
    account.problems = problems;
}

/// All files in every seat's output folder.
fn outputs_below(seats_dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = Vec::new();
    for seat in std::fs::read_dir(seats_dir).with_context(|| seats_dir.display().to_string())? {
        open.extend(Some(seat?.path().join("output")).filter(|folder| folder.is_dir()));
    }
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    Ok(found)
}

impl fmt::Display for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given_up: usize = self.given_up.values().sum();
        writeln!(
            formatter,
            "seed {}: {} faults, {} of them when a job was in their phase",
            self.seed, self.faults, self.met
        )?;
        writeln!(formatter, "  jobs submitted    {:>6}", self.submitted)?;
        writeln!(
            formatter,
            "  succeeded         {:>6}  in {} attempts of all jobs",
            self.succeeded, self.attempts
        )?;
        writeln!(formatter, "  given up, told    {given_up:>6}  {:?}", self.given_up)?;
        writeln!(formatter, "  lost              {:>6}", self.lost.len())?;
        writeln!(formatter, "  seen twice        {:>6}", self.doubled.len())?;
        writeln!(formatter, "  wrong results     {:>6}", self.wrong.len())?;
        writeln!(formatter, "  stray files       {:>6}", self.stray_files.len())?;
        writeln!(
            formatter,
            "  answers lost      {:>6}  (the job was kept or not, and ended if kept)",
            self.unanswered
        )?;
        writeln!(formatter, "  longest return    {:>6} ms from a worker's death", self.longest_return_ms)?;
        writeln!(
            formatter,
            "  longest silence   {:>6} ms from a fault to the next success",
            self.longest_silence_ms
        )?;
        writeln!(formatter, "  writes refused    {:>6}  while the disk was full", self.refused_writes)?;
        writeln!(formatter, "  jobs refused      {:>6}  meanwhile, and told why (507)", self.refused_jobs)?;
        let (killers, failures) = (self.killers.len(), self.killers.values().sum::<usize>());
        writeln!(formatter, "  killers of engines{killers:>6}  failed {failures} times in all")?;
        for line in self.lost.iter().chain(&self.doubled).chain(&self.wrong).take(20) {
            writeln!(formatter, "  ! {line}")?;
        }
        for file in self.stray_files.iter().take(5) {
            writeln!(formatter, "  ! {}", file.display())?;
        }
        for problem in &self.problems {
            writeln!(formatter, "FAILED: {problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: i64, kind: &str, job: &str) -> EventRecord {
        EventRecord { id: 0, at, kind: kind.into(), job: job.into(), attempt: None }
    }

    #[test]
    fn recovery_is_measured_from_the_fault() {
        let events = [
            event(1, "submitted", "a"),
            event(5, "claimed", "a"),
            event(900, "lease_lapsed", "a"),
            event(1500, "succeeded", "a"),
        ];
        let fault =
            Suffered { at: 10, mended_at: 20, held: vec!["a".into()], ..suffered(Breakage::KillWorker(0)) };
        let mut account = Account::default();
        measure(&mut account, &events, &[fault]);
        assert_eq!((account.longest_return_ms, account.longest_silence_ms), (890, 1490));
    }

    fn suffered(breakage: Breakage) -> Suffered {
        Suffered {
            at: 0,
            mended_at: 0,
            breakage,
            fault: String::new(),
            was_in_phase: true,
            held: Vec::new(),
            skewed: None,
        }
    }

    #[test]
    fn a_disk_that_was_full_must_have_refused_something() {
        let faults = [suffered(Breakage::FillDisk)];
        let mut idle = Account::default();
        judge(&mut idle, &faults);
        assert!(!idle.is_good());
        let mut full = Account { refused_writes: 1, ..Account::default() };
        judge(&mut full, &faults);
        assert!(full.is_good());
    }

    #[test]
    fn what_was_written_at_a_wrong_time_is_set_right() {
        let mut events: Vec<_> =
            (1..=4).map(|id| EventRecord { id, ..event(100 * id, "claimed", "a") }).collect();
        let skewed = Some(Skewed { after: 1, until: 3, ms: 50 });
        set_right(&mut events, &[Suffered { skewed, ..suffered(Breakage::RestartSkewed(50)) }]);
        assert_eq!(events.iter().map(|event| event.at).collect::<Vec<_>>(), [100, 150, 250, 400]);
    }

    #[test]
    fn a_job_ends_once() {
        let log = |kinds: &[&str]| kinds.iter().map(|kind| event(0, kind, "a")).collect::<Vec<_>>();
        assert!(went_on(&log(&["submitted", "dispatched", "failed", "dispatched", "succeeded"])).is_empty());
        assert_eq!(went_on(&log(&["succeeded", "succeeded"])).len(), 1);
        assert_eq!(went_on(&log(&["succeeded", "dispatched"])).len(), 1);
    }

    #[test]
    fn whatever_is_amiss_fails_the_drill() {
        let good = Account::default();
        assert!(good.is_good());
        for bad in [
            Account { lost: vec!["a".into()], ..Account::default() },
            Account { doubled: vec!["a".into()], ..Account::default() },
            Account { wrong: vec!["a".into()], ..Account::default() },
            Account { stray_files: vec!["a".into()], ..Account::default() },
            Account { longest_return_ms: 30_001, ..Account::default() },
            Account { longest_silence_ms: 60_001, ..Account::default() },
            Account { killers: [("a".into(), 4)].into(), ..Account::default() },
        ] {
            let mut bad = bad;
            judge(&mut bad, &[]);
            assert!(!bad.is_good(), "{bad:?}");
        }
    }
}
