//! One drill, from the first program's start to the account.

use std::io::Write;
use std::path::Path;
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::account::{Account, Skewed, Suffered, draw_up};
use crate::faults::{Breakage, Fault, KINDS, KINDS_WITHOUT_SHIM, Phase, plan};
use crate::people::{Person, Tally};
use crate::records::Records;
use crate::world::{World, WorldOptions};

/// What the drill did, in its folder.
pub const LOG_NAME: &str = "drill.jsonl";
/// How long a fault waits for a job in its phase.
const PHASE_LIMIT: Duration = Duration::from_secs(5);
/// How long the last jobs may take after the last fault.
const SETTLE_LIMIT: Duration = Duration::from_secs(180);
/// The drill as a whole stands still for no longer.
const STANDSTILL_LIMIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
pub struct DrillOptions {
    pub world: WorldOptions,
    pub jobs: u32,
    pub faults: u32,
}

/// Runs the drill; the account says what came of it.
pub async fn drill(options: &DrillOptions) -> anyhow::Result<Account> {
    let DrillOptions { world: world_options, jobs, faults } = options;
    let mut log = DrillLog::create(&world_options.folder)?;
    let mut world = World::start(world_options).await?;
    log.note("everything runs", json!({}))?;
    let mut records = Records::open(&world.database()).await?;

    let seats = world_options.seats;
    let (turn, turns) = watch::channel(allowed(0, *jobs, *faults));
    let mut people = JoinSet::new();
    let mut tallies = Vec::new();
    for number in 0..seats {
        let share = jobs / seats + u32::from(number < jobs % seats);
        let person = Person::new(number, &world.url(), world_options.seed, world.phases.clone())?;
        tallies.push(person.tally());
        people.spawn(person.take_part(share, seats, turns.clone()));
    }

    let workers = world_options.workers + usize::from(world_options.programs.comfyui.is_some());
    let mut suffered = Vec::new();
    let kinds = if world_options.programs.shim.is_some() { KINDS } else { KINDS_WITHOUT_SHIM };
    for fault in plan(world_options.seed, *jobs, *faults, workers, kinds) {
        turn.send_replace(allowed(fault.after, *jobs, *faults));
        until_ended(&mut records, fault.after).await?;
        suffered.push(suffer(&mut world, &mut records, &fault, &mut log).await?);
    }
    turn.send_replace(u32::MAX);
    log.note("no more faults", json!({}))?;
    while let Some(ended) = people.join_next().await {
        ended.context("a participant panicked")?.context("a participant gave up")?;
    }
    world.ensure_all_run()?;
    world.until_ready().await?;
    let settled = until_all_ended(&mut records).await?;
    log.note("settled", json!({ "all": settled }))?;
    let refused_writes = world.refused_writes()?;
    world.stop().await?;
    let tallies: Vec<Tally> = tallies
        .iter()
        .map(|tally| std::mem::take(&mut *tally.lock().unwrap_or_else(PoisonError::into_inner)))
        .collect();
    let account =
        draw_up(world_options.seed, records, &world.seats_dir(), &tallies, &suffered, refused_writes).await?;
    log.note("account", serde_json::to_value(&account)?)?;
    Ok(account)
}

/// How many jobs participants may have submitted when a fault is due after so many have ended:
/// enough that there are some for it, and few enough that there are some for the next ones.
fn allowed(after: u32, jobs: u32, faults: u32) -> u32 {
    const AHEAD: u32 = 2;
    after + jobs / (faults + 1) + AHEAD
}

async fn suffer(
    world: &mut World,
    records: &mut Records,
    fault: &Fault,
    log: &mut DrillLog,
) -> anyhow::Result<Suffered> {
    let was_in_phase = timeout(PHASE_LIMIT, phase(world, fault.phase)).await.is_ok();
    let held = match fault.breakage {
        Breakage::KillWorker(worker) => match world.worker_id(worker) {
            Some(id) => records.held_by(&id).await?,
            None => Vec::new(),
        },
        _ => Vec::new(),
    };
    let at = now_ms();
    let last_event = records.last_event().await?;
    eprintln!("{fault}");
    log.note("fault", json!({"fault": fault.to_string(), "was_in_phase": was_in_phase, "held": held}))?;
    world.suffer(fault).await.with_context(|| fault.to_string())?;
    let mended_at = now_ms();
    log.note("mended", json!({}))?;
    // What the server wrote meanwhile bears its wrong time.
    let skewed = match fault.breakage {
        Breakage::RestartSkewed(ms) => {
            Some(Skewed { after: last_event, until: records.last_event().await?, ms })
        }
        _ => None,
    };
    Ok(Suffered {
        at,
        mended_at,
        breakage: fault.breakage,
        fault: fault.to_string(),
        was_in_phase,
        held,
        skewed,
    })
}

/// Waits for a job to come into the phase.
async fn phase(world: &World, wanted: Phase) {
    let mut phases = world.phases.subscribe();
    loop {
        match phases.recv().await {
            Ok(phase) if phase == wanted => return,
            // Some were missed where many came at once; another will come.
            Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

async fn until_ended(records: &mut Records, wanted: u32) -> anyhow::Result<()> {
    let (mut best, mut since) = (0, Instant::now());
    loop {
        let (_, ended) = records.counts().await?;
        if ended >= wanted {
            return Ok(());
        }
        if ended > best {
            (best, since) = (ended, Instant::now());
        }
        ensure!(
            since.elapsed() < STANDSTILL_LIMIT,
            "no job ended for {} s; {ended} have",
            STANDSTILL_LIMIT.as_secs()
        );
        sleep(LOOK).await;
    }
}

/// Whether every job has ended within the limit.
async fn until_all_ended(records: &mut Records) -> anyhow::Result<bool> {
    let begun = Instant::now();
    loop {
        let (all, ended) = records.counts().await?;
        if all == ended || begun.elapsed() > SETTLE_LIMIT {
            return Ok(all == ended);
        }
        sleep(LOOK).await;
    }
}

/// What the drill did, one JSON object a line.
struct DrillLog {
    file: std::fs::File,
}

impl DrillLog {
    fn create(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(LOG_NAME);
        Ok(Self { file: std::fs::File::create(&path).with_context(|| path.display().to_string())? })
    }

    fn note(&mut self, what: &str, data: serde_json::Value) -> anyhow::Result<()> {
        writeln!(self.file, "{}", json!({"at": now_ms(), "what": what, "data": data}))?;
        Ok(())
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
