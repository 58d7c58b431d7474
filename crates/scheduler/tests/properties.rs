//! What holds for every snapshot, and over time under any arrivals.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect fails")]

mod support;

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Duration;

use domain::{JobId, Priority, SchedulingMode, SeatId};
use proptest::prelude::*;
use scheduler::{HeldJob, Plan, Service, Snapshot, VirtualTime, WaitingJob, plan};
use support::{MODES, exactly};
use uuid::Uuid;

fn waiting_job(number: usize, seat: u16, seconds: u64) -> WaitingJob {
    WaitingJob {
        id: JobId::from_uuid(Uuid::from_u128(number as u128)),
        seat: SeatId::new(seat).unwrap(),
        sequence: number as i64,
        is_front: false,
        is_returned: false,
        priority: Priority::Normal,
        interrupts: false,
        estimate: exactly(seconds),
    }
}

prop_compose! {
    fn jobs(most: usize)(
        jobs in prop::collection::vec((1_u16..=5, 1_u64..100, 0_u8..8, any::<bool>(), prop::option::of(0_u8..3)), 0..most)
    ) -> Vec<WaitingJob> {
        let jobs = jobs.into_iter().enumerate();
        jobs.map(|(number, (seat, seconds, class, is_front, flag))| WaitingJob {
            priority: match class { 0 => Priority::Demo, 1 => Priority::Raised, _ => Priority::Normal },
            interrupts: class == 0 && is_front,
            is_front,
            is_returned: flag == Some(0),
            estimate: if flag == Some(1) { None } else { exactly(seconds) },
            ..waiting_job(number, seat, seconds)
        }).collect()
    }
}

prop_compose! {
    fn snapshots()(
        mode in prop::sample::select(MODES.to_vec()), mut queued in jobs(40), slots in 0_u32..4, running in 0_usize..4,
        staged in 0_usize..3, cap in prop::option::of(0_u32..4), paused in prop::collection::btree_set(1_u16..=5, 0..3),
        is_paused in prop::bool::weighted(0.1), service in prop::collection::vec((0_u64..20, 0_u64..200), 5),
    ) -> Snapshot {
        let mut take = |count: usize| {
            let rest = queued.len().saturating_sub(count);
            let held = queued.split_off(rest).into_iter();
            held.map(|job| HeldJob { job, elapsed: Duration::ZERO }).collect::<Vec<_>>()
        };
        let mut running = take(running);
        running.iter_mut().enumerate().for_each(|(at, held)| held.elapsed = Duration::from_secs(7 * at as u64));
        let staged = take(staged);
        let room = (2 * slots).saturating_sub((running.len() + staged.len()) as u32);
        let service = (1..).zip(service).map(|(number, (last_served, account))| {
            let account = Duration::from_secs(account);
            (SeatId::new(number).unwrap(), Service { last_served, account, floor: Duration::ZERO })
        }).collect();
        let paused_seats = paused.into_iter().map(|number| SeatId::new(number).unwrap()).collect();
        Snapshot {
            mode, is_paused, paused_seats, max_running_per_seat: cap, queued, staged, running, slots, room, service,
            ..Snapshot::default()
        }
    }
}

fn held_by(snapshot: &Snapshot) -> BTreeMap<SeatId, u32> {
    let mut held = BTreeMap::new();
    for job in snapshot.staged.iter().chain(&snapshot.running) {
        *held.entry(job.job.seat).or_default() += 1;
    }
    held
}

/// Carries the plan out, as the workshop would.
fn apply(snapshot: &mut Snapshot, plan: &Plan) {
    let take = |jobs: &mut Vec<HeldJob>, id: &JobId| {
        let at = jobs.iter().position(|held| held.job.id == *id).expect("it is held");
        jobs.remove(at).job
    };
    for id in &plan.dispatches {
        let at =
            snapshot.queued.iter().position(|job| job.id == *id).expect("handed out once, from the queue");
        let job = snapshot.queued.remove(at);
        snapshot.staged.push(HeldJob { job, elapsed: Duration::ZERO });
        snapshot.room = snapshot.room.checked_sub(1).expect("there is room");
    }
    for id in &plan.recalls {
        let job = take(&mut snapshot.staged, id);
        snapshot.queued.push(job);
        snapshot.room += 1;
    }
    for id in &plan.interrupts {
        let job = take(&mut snapshot.running, id);
        snapshot.queued.push(WaitingJob { is_returned: true, ..job });
        snapshot.room += 1;
    }
}

fn start_staged(snapshot: &mut Snapshot) -> Vec<WaitingJob> {
    let free = (snapshot.slots as usize).saturating_sub(snapshot.running.len()).min(snapshot.staged.len());
    let started: Vec<_> = snapshot.staged.drain(..free).collect();
    snapshot.running.extend(started.iter().cloned());
    started.into_iter().map(|held| held.job).collect()
}

fn is_idle(plan: &Plan) -> bool {
    plan.dispatches.is_empty() && plan.recalls.is_empty() && plan.interrupts.is_empty()
}

/// Plans, carries out and starts until nothing changes; the jobs in the order they started.
fn settle(snapshot: &mut Snapshot) -> Vec<WaitingJob> {
    let mut started = start_staged(snapshot);
    for _ in 0..50 {
        let planned = plan(snapshot);
        if is_idle(&planned) {
            return started;
        }
        apply(snapshot, &planned);
        started.extend(start_staged(snapshot));
    }
    panic!("it never settles");
}

/// Ends the executing job with the least left, charging what it was estimated to take.
fn finish_next(snapshot: &mut Snapshot) -> Option<Duration> {
    let left = |held: &HeldJob| held.job.estimate.unwrap().p50.saturating_sub(held.elapsed);
    let at = (0..snapshot.running.len())
        .min_by_key(|&at| (left(&snapshot.running[at]), snapshot.running[at].job.sequence))?;
    let passed = left(&snapshot.running[at]);
    snapshot.running.iter_mut().for_each(|held| held.elapsed += passed);
    let executing = snapshot.running.iter().filter(|held| held.job.priority == Priority::Normal);
    let services = executing.filter_map(|held| snapshot.service.get(&held.job.seat));
    let time = services.fold(snapshot.service.values().collect(), |time: VirtualTime, service| {
        time.with_executing(*service)
    });
    let HeldJob { job, elapsed } = snapshot.running.remove(at);
    snapshot.room += 1;
    let service = snapshot.service.entry(job.seat).or_default();
    *service = service.after_job(time, job.priority, elapsed);
    Some(passed)
}

proptest! {
    #[test]
    fn no_slot_is_over_filled_and_nothing_is_handed_out_twice(snapshot in snapshots()) {
        let planned = plan(&snapshot);
        prop_assert!(planned.dispatches.len() <= snapshot.room as usize);
        let mut held = held_by(&snapshot);
        let mut seen = HashSet::new();
        for id in &planned.dispatches {
            prop_assert!(seen.insert(*id));
            let job = snapshot.queued.iter().find(|job| job.id == *id);
            let job = job.expect("only queued jobs are handed out");
            let count = held.entry(job.seat).or_default();
            *count += 1;
            prop_assert!(snapshot.max_running_per_seat.is_none_or(|cap| *count <= cap));
            prop_assert!(!snapshot.is_paused && !snapshot.paused_seats.contains(&job.seat));
        }
        for id in &planned.interrupts {
            let held = snapshot.running.iter().find(|held| held.job.id == *id).expect("it executes");
            prop_assert!(held.job.priority < Priority::Demo);
        }
        prop_assert!(planned.recalls.iter().all(|id| snapshot.staged.iter().any(|held| held.job.id == *id)));
    }

    #[test]
    fn every_job_has_exactly_one_position_and_they_are_dense(snapshot in snapshots()) {
        let planned = plan(&snapshot);
        let jobs: HashSet<_> = planned.waiting.iter().map(|waiting| waiting.job).collect();
        prop_assert_eq!(jobs.len(), planned.waiting.len());
        prop_assert_eq!(jobs.len(), snapshot.queued.len() + snapshot.staged.len());
        let first = snapshot.running.len() as u32 + 1;
        prop_assert!(planned.waiting.iter().map(|waiting| waiting.position).eq(first..first + jobs.len() as u32));
        let starts: Vec<_> = planned.waiting.iter().filter_map(|waiting| waiting.start).collect();
        prop_assert!(starts.is_sorted_by_key(|start| start.p50_ms));
    }

    #[test]
    fn the_order_of_the_snapshots_vectors_does_not_matter(snapshot in snapshots()) {
        let mut reversed = snapshot.clone();
        reversed.queued.reverse();
        reversed.running.reverse();
        prop_assert_eq!(plan(&snapshot), plan(&reversed));
        prop_assert_eq!(plan(&snapshot), plan(&snapshot));
    }

    #[test]
    fn a_seats_own_order_is_kept_whatever_the_mode(snapshot in snapshots(), mode in prop::sample::select(MODES.to_vec())) {
        let own = |snapshot: &Snapshot| {
            let mut own: BTreeMap<_, Vec<JobId>> = BTreeMap::new();
            for waiting in plan(snapshot).waiting {
                if let Some(job) = snapshot.queued.iter().find(|job| job.id == waiting.job) {
                    own.entry((job.seat, job.priority)).or_default().push(job.id);
                }
            }
            own
        };
        prop_assert_eq!(own(&snapshot), own(&Snapshot { mode, ..snapshot.clone() }));
    }

    #[test]
    fn a_front_job_never_delays_another_seat(jobs in jobs(40)) {
        let jobs: Vec<_> = jobs.into_iter().map(|job| WaitingJob { priority: Priority::Normal, is_returned: false, interrupts: false, ..job }).collect();
        let seats = |is_front: bool| {
            let queued = jobs.iter().map(|job| WaitingJob { is_front: is_front && job.is_front, ..job.clone() }).collect();
            let planned = plan(&Snapshot { queued, ..Snapshot::default() });
            planned.waiting.iter().map(|waiting| waiting.seat).collect::<Vec<_>>()
        };
        prop_assert_eq!(seats(true), seats(false));
    }

    #[test]
    fn planning_settles_without_ping_pong(mut snapshot in snapshots()) {
        let mut recalled = HashSet::new();
        let mut interrupted = HashSet::new();
        start_staged(&mut snapshot);
        for _ in 0..20 {
            let planned = plan(&snapshot);
            if is_idle(&planned) {
                return Ok(());
            }
            for id in &planned.recalls {
                prop_assert!(recalled.insert(*id), "recalled twice");
            }
            for id in &planned.interrupts {
                prop_assert!(interrupted.insert(*id), "interrupted twice");
            }
            apply(&mut snapshot, &planned);
            start_staged(&mut snapshot);
        }
        prop_assert!(false, "it never settles");
    }

    #[test]
    fn the_forecast_is_what_then_happens(
        mode in prop::sample::select(MODES.to_vec()), jobs in jobs(25), slots in 1_u32..3, cap in prop::option::of(1_u32..3),
    ) {
        // Durations whose sums differ: of two jobs started in the same millisecond, a snapshot
        // does not tell which was first.
        let queued = jobs.into_iter().enumerate().map(|(number, job)| WaitingJob {
            estimate: Some(scheduler::Estimate { p50: Duration::from_millis(1000 + (number as u64 + 2).pow(9) % 9_999_991), p90: Duration::from_secs(99) }),
            is_front: false, is_returned: false, interrupts: false, ..job
        }).collect();
        let mut snapshot = Snapshot { mode, queued, slots, room: 2 * slots, max_running_per_seat: cap, ..Snapshot::default() };
        let foretold: Vec<_> = plan(&snapshot).waiting.iter().map(|waiting| (waiting.job, waiting.start.unwrap().p50_ms)).collect();
        let mut now = Duration::ZERO;
        let mut seen = Vec::new();
        loop {
            seen.extend(settle(&mut snapshot).into_iter().map(|job| (job.id, now.as_millis() as u64)));
            let Some(passed) = finish_next(&mut snapshot) else { break };
            now += passed;
        }
        prop_assert_eq!(seen, foretold);
    }

    /// A seat queues 50 long jobs; others come whenever they like, each with one short job.
    #[test]
    fn a_flooding_seat_delays_a_newcomer_by_one_executing_job_at_most(
        mode in prop::sample::select(vec![SchedulingMode::RoundRobin, SchedulingMode::Fair]),
        mut arrivals in prop::collection::vec(0_u64..6000, 1..12),
    ) {
        arrivals.sort_unstable();
        let mut snapshot = Snapshot { mode, slots: 1, room: 2, ..Snapshot::default() };
        snapshot.queued = (0..50).map(|number| waiting_job(number, 1, 300)).collect();
        let newcomers = arrivals.iter().zip(2..).map(|(&at, seat)| (Duration::from_secs(at), waiting_job(98 + usize::from(seat), seat, 5)));
        let mut newcomers: VecDeque<_> = newcomers.collect();
        let (mut now, mut delayed) = (Duration::ZERO, BTreeMap::<SeatId, u32>::new());
        loop {
            for job in settle(&mut snapshot) {
                if job.seat.number() == 1 {
                    delayed.values_mut().for_each(|floods| *floods += 1);
                } else {
                    prop_assert_eq!(delayed.remove(&job.seat), Some(0), "a flooding job started while it waited");
                }
            }
            let left = snapshot.running.first().map(|held| held.job.estimate.unwrap().p50 - held.elapsed);
            match newcomers.front() {
                Some((at, _)) if left.is_none_or(|left| *at < now + left) => {
                    let passed = at.saturating_sub(now);
                    snapshot.running.iter_mut().for_each(|held| held.elapsed += passed);
                    now += passed;
                    let (_, job) = newcomers.pop_front().unwrap();
                    delayed.insert(job.seat, 0);
                    snapshot.queued.push(job);
                }
                _ => match finish_next(&mut snapshot) {
                    Some(passed) => now += passed,
                    None => break,
                },
            }
        }
        prop_assert!(delayed.is_empty());
    }

    /// Whenever a job ends, adversaries queue more, from the same seats or from others.
    #[test]
    fn nobody_is_starved(
        mode in prop::sample::select(vec![SchedulingMode::RoundRobin, SchedulingMode::Fair]),
        moves in prop::collection::vec((2_u16..=6, 1_u64..=20), 200),
    ) {
        let mut snapshot = Snapshot { mode, slots: 1, room: 2, ..Snapshot::default() };
        snapshot.queued = moves.iter().take(10).zip(0..).map(|(&(seat, seconds), number)| waiting_job(number, seat, seconds)).collect();
        settle(&mut snapshot);
        snapshot.queued.push(waiting_job(1000, 1, 20));
        let mut waited = Duration::ZERO;
        for (number, &(seat, seconds)) in (10..).zip(&moves) {
            if settle(&mut snapshot).iter().any(|job| job.seat.number() == 1) {
                // Five others have one longest job each before it, and what executed.
                prop_assert!(waited <= Duration::from_secs(6 * 20), "{waited:?}");
                return Ok(());
            }
            waited += finish_next(&mut snapshot).expect("there is always work");
            snapshot.queued.push(waiting_job(number, seat, seconds));
        }
        prop_assert!(false, "it never started");
    }
}

#[test]
fn seats_share_the_time_evenly_in_fair_mode() {
    let mut snapshot = Snapshot { mode: SchedulingMode::Fair, slots: 1, room: 2, ..Snapshot::default() };
    snapshot.queued = (0..300).map(|n| waiting_job(n, 1 + (n % 3) as u16, [10, 20, 60][n % 3])).collect();
    for _ in 0..60 {
        settle(&mut snapshot);
        finish_next(&mut snapshot);
    }
    let had: BTreeSet<_> = snapshot.service.values().map(|service| service.account.as_secs()).collect();
    assert!(had.last().unwrap() - had.first().unwrap() <= 60, "{had:?}");
}
