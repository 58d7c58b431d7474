//! A snapshot in one line: `running / staged / queued`, each a list of jobs.
//!
//! `A1` is seat A's first job. After it: `^` queued in front, `!` executed before and given
//! back, `+` raised, `*` a demo, `#` a demo that interrupts, `=30` takes 30 s (10 by
//! default, `=?` unknown), `@5` has executed for 5 s. One slot and one staged ahead.

#![allow(dead_code, reason = "each test file uses its part")]

use std::time::Duration;

use domain::{JobId, Priority, SchedulingMode, SeatId};
use scheduler::{Estimate, HeldJob, Plan, Snapshot, WaitingJob, plan};
use uuid::Uuid;

pub const MODES: [SchedulingMode; 3] = SchedulingMode::ALL;

pub fn exactly(seconds: u64) -> Option<Estimate> {
    let seconds = Duration::from_secs(seconds);
    Some(Estimate { p50: seconds, p90: seconds })
}

pub fn seat(letter: char) -> SeatId {
    SeatId::new(u16::from(letter as u8 - b'A') + 1).unwrap()
}

fn number_after(text: &str, mark: char) -> Option<u64> {
    let (_, rest) = text.split_once(mark)?;
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

pub fn job(text: &str, sequence: i64) -> WaitingJob {
    let bytes = text.as_bytes();
    let id = u128::from(bytes[0]) << 8 | u128::from(bytes[1]);
    let priority = match text {
        _ if text.contains(['*', '#']) => Priority::Demo,
        _ if text.contains('+') => Priority::Raised,
        _ => Priority::Normal,
    };
    WaitingJob {
        id: JobId::from_uuid(Uuid::from_u128(id)),
        seat: seat(char::from(bytes[0])),
        sequence,
        is_front: text.contains('^'),
        is_returned: text.contains('!'),
        priority,
        interrupts: text.contains('#'),
        estimate: if text.contains("=?") { None } else { exactly(number_after(text, '=').unwrap_or(10)) },
    }
}

pub fn name(id: JobId) -> String {
    let id = id.as_uuid().as_u128();
    format!("{}{}", char::from((id >> 8) as u8), char::from(id as u8))
}

pub fn names(ids: &[JobId]) -> String {
    ids.iter().copied().map(name).collect::<Vec<_>>().join(" ")
}

/// Sequences follow the text, so what is on workers came first.
pub fn snapshot(mode: SchedulingMode, text: &str) -> Snapshot {
    let mut sequence = 0;
    let mut parts = text.split('/').map(|part| {
        let jobs = part.split_whitespace().map(|text| {
            sequence += 1;
            (job(text, sequence), Duration::from_secs(number_after(text, '@').unwrap_or(0)))
        });
        jobs.collect::<Vec<_>>()
    });
    let mut held = || {
        let jobs = parts.next().unwrap_or_default().into_iter();
        jobs.map(|(job, elapsed)| HeldJob { job, elapsed }).collect::<Vec<_>>()
    };
    let (running, staged) = (held(), held());
    let queued = held().into_iter().map(|held| held.job).collect();
    let room = 2_u32.saturating_sub(u32::try_from(running.len() + staged.len()).unwrap());
    Snapshot { mode, queued, staged, running, slots: 1, room, ..Snapshot::default() }
}

/// Jobs in the order in which they will start, on an empty machine.
pub fn order(mode: SchedulingMode, text: &str) -> String {
    waiting(&plan(&snapshot(mode, &format!("//{text}"))))
}

pub fn waiting(plan: &Plan) -> String {
    plan.waiting.iter().map(|waiting| name(waiting.job)).collect::<Vec<_>>().join(" ")
}

/// What is to be done now, and each waiting job with its place, its reason and its start.
pub fn describe(snapshot: &Snapshot) -> String {
    let plan = plan(snapshot);
    let mut lines = Vec::new();
    for (verb, jobs) in
        [("dispatch", &plan.dispatches), ("recall", &plan.recalls), ("interrupt", &plan.interrupts)]
    {
        if !jobs.is_empty() {
            lines.push(format!("{verb} {}", names(jobs)));
        }
    }
    lines.extend(plan.waiting.iter().map(|waiting| {
        let start = waiting
            .start
            .map_or("?".to_owned(), |start| format!("{}-{}s", start.p50_ms / 1000, start.p90_ms / 1000));
        format!("{}. {} {:?} {start}", waiting.position, name(waiting.job), waiting.reason)
    }));
    lines.join("\n")
}
