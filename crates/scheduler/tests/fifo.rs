//! One-line cases: `A1` is seat A's first job, `^` queued in front, `!` given back by a worker.

use std::collections::HashSet;

use domain::{JobId, SeatId};
use proptest::prelude::*;
use scheduler::{Snapshot, WaitingJob, plan};
use uuid::Uuid;

fn job(text: &str, sequence: i64) -> WaitingJob {
    let bytes = text.as_bytes();
    let seat = SeatId::new(u16::from(bytes[0] - b'A') + 1).unwrap();
    let id = u128::from(bytes[0]) << 8 | u128::from(bytes[1]);
    WaitingJob {
        id: JobId::from_uuid(Uuid::from_u128(id)),
        seat,
        sequence,
        is_front: text.ends_with('^'),
        is_returned: text.ends_with('!'),
    }
}

fn name(id: JobId) -> String {
    let id = id.as_uuid().as_u128();
    format!("{}{}", char::from((id >> 8) as u8), char::from(id as u8))
}

fn queue(text: &str) -> Vec<WaitingJob> {
    text.split_whitespace().zip(1..).map(|(job_text, sequence)| job(job_text, sequence)).collect()
}

fn order(text: &str) -> String {
    let planned = plan(&Snapshot { queued: queue(text), ..Snapshot::default() });
    planned.waiting.into_iter().map(|waiting| name(waiting.job)).collect::<Vec<_>>().join(" ")
}

#[test]
fn first_in_is_first_out() {
    insta::assert_snapshot!(order("A1 A2 B1 C1 A3"), @"A1 A2 B1 C1 A3");
}

#[test]
fn front_moves_only_the_seats_own_jobs() {
    insta::assert_snapshot!(order("A1 B1 A2 B2 A3^"), @"A3 B1 A1 B2 A2");
}

#[test]
fn the_latest_front_job_is_first() {
    insta::assert_snapshot!(order("A1 A2^ A3^"), @"A3 A2 A1");
}

#[test]
fn what_a_worker_gave_back_goes_first() {
    insta::assert_snapshot!(order("A1 B1 A2! C1 B2!"), @"A2 B2 A1 B1 C1");
}

#[test]
fn positions_count_what_executes_and_what_is_staged() {
    let staged = vec![job("Z1", 0).id];
    let planned = plan(&Snapshot { queued: queue("A1 B1"), staged, running: 2, room: 1 });
    let positions: Vec<_> =
        planned.waiting.iter().map(|waiting| (name(waiting.job), waiting.position)).collect();
    assert_eq!(positions, [("Z1".into(), 3), ("A1".into(), 4), ("B1".into(), 5)]);
    assert_eq!(planned.dispatches.into_iter().map(name).collect::<Vec<_>>(), ["A1"]);
}

prop_compose! {
    fn snapshots()(jobs in prop::collection::vec((1_u16..=5, any::<bool>(), any::<bool>()), 0..40), room in 0_u32..8, running in 0_u32..4) -> Snapshot {
        let queued = jobs.into_iter().zip(1_i64..).map(|((seat, is_front, is_returned), sequence)| WaitingJob {
            id: JobId::from_uuid(Uuid::from_u128(sequence as u128)),
            seat: SeatId::new(seat).unwrap(),
            sequence,
            is_front,
            is_returned,
        }).collect();
        Snapshot { queued, staged: Vec::new(), running, room }
    }
}

proptest! {
    #[test]
    fn room_is_never_over_filled_and_nothing_is_handed_out_twice(snapshot in snapshots()) {
        let planned = plan(&snapshot);
        prop_assert!(planned.dispatches.len() <= snapshot.room as usize);
        prop_assert_eq!(planned.dispatches.len(), snapshot.queued.len().min(snapshot.room as usize));
        let distinct: HashSet<_> = planned.dispatches.iter().collect();
        prop_assert_eq!(distinct.len(), planned.dispatches.len());
    }

    #[test]
    fn every_job_has_exactly_one_position_and_they_are_dense(snapshot in snapshots()) {
        let planned = plan(&snapshot);
        let jobs: HashSet<_> = planned.waiting.iter().map(|waiting| waiting.job).collect();
        prop_assert_eq!(jobs.len(), snapshot.queued.len());
        for (waiting, expected) in planned.waiting.iter().zip(snapshot.running + 1..) {
            prop_assert_eq!(waiting.position, expected);
        }
        let first: Vec<_> = planned.waiting.iter().map(|waiting| waiting.job).take(planned.dispatches.len()).collect();
        prop_assert_eq!(first, planned.dispatches);
    }

    #[test]
    fn a_front_job_never_delays_another_seat(snapshot in snapshots()) {
        let without: Vec<_> = snapshot.queued.iter().map(|job| WaitingJob { is_front: false, ..job.clone() }).collect();
        let seats = |queued: &[WaitingJob]| {
            let planned = plan(&Snapshot { queued: queued.to_vec(), ..Snapshot::default() });
            planned.waiting.iter().map(|waiting| queued.iter().find(|job| job.id == waiting.job).unwrap().seat).collect::<Vec<_>>()
        };
        prop_assert_eq!(seats(&snapshot.queued), seats(&without));
    }

    #[test]
    fn the_order_of_the_snapshot_does_not_matter(snapshot in snapshots()) {
        let mut reversed = snapshot.clone();
        reversed.queued.reverse();
        prop_assert_eq!(plan(&snapshot), plan(&reversed));
    }
}
