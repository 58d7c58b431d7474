//! What breaks, when, and for how long: all of it follows from the seed.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

/// Where a job is when something breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Its submission was just answered.
    Queued,
    /// Its task goes to Redis.
    Pushed,
    /// A worker claims it.
    Leased,
    /// A worker fetches its inputs.
    Staging,
    /// ComfyUI has it.
    Running,
    /// Its outputs go to the server.
    Uploading,
    /// Its result goes to the server.
    Reporting,
}

pub const PHASES: [Phase; 7] = [
    Phase::Queued,
    Phase::Pushed,
    Phase::Leased,
    Phase::Staging,
    Phase::Running,
    Phase::Uploading,
    Phase::Reporting,
];

/// What breaks. Programs are killed without a word (SIGKILL).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakage {
    KillServer,
    /// It is started again with what it had written.
    KillRedis,
    /// It is started again empty.
    LoseRedis,
    KillWorker(usize),
    KillEngine(usize),
    /// Worker and server, and worker and Redis.
    CutNetwork(usize),
    StallNetwork(usize),
    SlowNetwork(usize),
    /// Server and Redis.
    CutRedis,
    /// The server's: nothing new fits on it.
    FillDisk,
    /// The server's clock jumps by so many milliseconds, and back.
    SkewServer(i64),
    /// The server is killed and starts with its clock off by so many milliseconds, and again
    /// when it is right.
    RestartSkewed(i64),
    SkewWorker(usize, i64),
}

/// One thing that breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Not before so many jobs have ended.
    pub after: u32,
    pub phase: Phase,
    pub breakage: Breakage,
    /// Until it is mended or started again.
    pub pause: Duration,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, breakage, pause, .. } = self;
        write!(formatter, "{breakage:?} at {phase:?} for {} ms", pause.as_millis())
    }
}

/// The faults of a drill, in order, spread over its jobs. Every breakage meets every phase before
/// any pair comes again, as far as the number reaches. `kinds`: how many there are to choose from.
pub fn plan(seed: u64, jobs: u32, faults: u32, workers: usize, kinds: usize) -> Vec<Fault> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut pairs: Vec<(usize, Phase)> = Vec::new();
    (0..faults)
        .map(|number| {
            if pairs.is_empty() {
                pairs = (0..kinds).flat_map(|kind| PHASES.map(|phase| (kind, phase))).collect();
                pairs.shuffle(&mut random);
            }
            let (kind, phase) = pairs.pop().unwrap_or((0, Phase::Queued));
            let worker = random.random_range(0..workers);
            let breakage = breakage(kind, worker, SKEWS_MS[random.random_range(0..SKEWS_MS.len())]);
            let longest_ms = match breakage {
                // Longer than a lease, now and then.
                Breakage::CutNetwork(_) | Breakage::StallNetwork(_) => 14_000,
                Breakage::SlowNetwork(_) | Breakage::FillDisk => 6_000,
                Breakage::SkewServer(_) | Breakage::SkewWorker(..) => 4_000,
                _ => 2_500,
            };
            let pause = Duration::from_millis(random.random_range(50..longest_ms));
            let after = jobs * number / (faults + 1);
            Fault { after, phase, breakage, pause }
        })
        .collect()
}

/// Kinds of breakage.
pub const KINDS: usize = 13;
/// Those that need nothing preloaded.
pub const KINDS_WITHOUT_SHIM: usize = 9;
/// From a drifting clock to a wrong time zone.
const SKEWS_MS: [i64; 6] = [-3 * 3_600_000, -300_000, -12_000, 12_000, 300_000, 3 * 3_600_000];

fn breakage(kind: usize, worker: usize, skew_ms: i64) -> Breakage {
    match kind {
        0 => Breakage::KillServer,
        1 => Breakage::KillRedis,
        2 => Breakage::LoseRedis,
        3 => Breakage::KillWorker(worker),
        4 => Breakage::KillEngine(worker),
        5 => Breakage::CutNetwork(worker),
        6 => Breakage::StallNetwork(worker),
        7 => Breakage::SlowNetwork(worker),
        8 => Breakage::CutRedis,
        9 => Breakage::FillDisk,
        10 => Breakage::SkewServer(skew_ms),
        11 => Breakage::RestartSkewed(skew_ms),
        _ => Breakage::SkewWorker(worker, skew_ms),
    }
}

/// The phase that bytes from a worker to the server begin, by the first line of a request.
pub fn phase_of_request(bytes: &[u8]) -> Option<Phase> {
    let line = bytes.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let path = line.split(' ').nth(1)?.strip_prefix("/worker/v1/jobs/")?;
    let call = path.split(['/', '?']).nth(1)?;
    match call {
        "claim" => Some(Phase::Leased),
        "inputs" | "models" => Some(Phase::Staging),
        "artifacts" => Some(Phase::Uploading),
        "result" => Some(Phase::Reporting),
        _ => None,
    }
}

/// Whether bytes from the server to Redis carry a task.
pub fn is_push(bytes: &[u8]) -> bool {
    bytes.windows(9).any(|window| window == b"\"attempt\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_it_all() {
        assert_eq!(plan(7, 300, 40, 2, KINDS), plan(7, 300, 40, 2, KINDS));
        assert_ne!(plan(7, 300, 40, 2, KINDS), plan(8, 300, 40, 2, KINDS));
    }

    #[test]
    fn faults_are_spread_over_the_jobs_and_every_breakage_meets_every_phase() {
        let faults = plan(1, 630, 91, 3, KINDS);
        assert!(faults.is_sorted_by_key(|fault| fault.after));
        assert!(faults.iter().all(|fault| fault.after < 630));
        let kinds = |fault: &Fault| (std::mem::discriminant(&fault.breakage), fault.phase);
        let pairs: std::collections::HashSet<_> = faults.iter().map(kinds).collect();
        assert_eq!(pairs.len(), 91);
    }

    #[test]
    fn the_short_drill_of_the_tests_meets_a_full_disk_and_a_clock_that_jumps() {
        // As scripts/test calls it.
        let faults = plan(1, 60, 14, 3, KINDS);
        assert!(faults.iter().any(|fault| fault.breakage == Breakage::FillDisk));
        assert!(
            faults.iter().any(|fault| {
                matches!(fault.breakage, Breakage::SkewServer(_) | Breakage::RestartSkewed(_))
            })
        );
    }

    #[test]
    fn without_the_shim_nothing_is_planned_that_needs_it() {
        let faults = plan(1, 630, 200, 3, KINDS_WITHOUT_SHIM);
        let needs_it = |fault: &Fault| {
            matches!(
                fault.breakage,
                Breakage::FillDisk
                    | Breakage::SkewServer(_)
                    | Breakage::RestartSkewed(_)
                    | Breakage::SkewWorker(..)
            )
        };
        assert!(!faults.iter().any(needs_it));
        assert!(plan(1, 630, 200, 3, KINDS).iter().any(needs_it));
    }

    #[test]
    fn phases_are_told_by_requests() {
        let phase = |line: &str| phase_of_request(format!("{line} HTTP/1.1\r\nhost: x\r\n").as_bytes());
        assert_eq!(phase("POST /worker/v1/jobs/1/claim"), Some(Phase::Leased));
        assert_eq!(phase("GET /worker/v1/jobs/1/inputs/0?token=2"), Some(Phase::Staging));
        assert_eq!(phase("PUT /worker/v1/jobs/1/artifacts?token=2"), Some(Phase::Uploading));
        assert_eq!(phase("POST /worker/v1/jobs/1/result"), Some(Phase::Reporting));
        assert_eq!(phase("GET /worker/v1/config"), None);
        assert_eq!(phase_of_request(b"\xff\0"), None);
    }
}
