//! Whose turn it is, in one-line cases; `support` explains the notation.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect fails")]

mod support;

use std::time::Duration;

use domain::SchedulingMode::{Fair, Fifo, RoundRobin};
use insta::assert_snapshot;
use scheduler::{Service, plan};
use support::{MODES, describe, names, order, seat, snapshot, waiting};

#[test]
fn first_in_is_first_out() {
    assert_snapshot!(order(Fifo, "A1 A2 B1 C1 A3"), @"A1 A2 B1 C1 A3");
}

#[test]
fn front_moves_only_the_seats_own_jobs() {
    assert_snapshot!(order(Fifo, "A1 B1 A2 B2 A3^"), @"A3 B1 A1 B2 A2");
    assert_snapshot!(order(RoundRobin, "A1 B1 A2 B2 A3^"), @"A3 B1 A1 B2 A2");
}

#[test]
fn the_latest_front_job_is_first() {
    for mode in MODES {
        assert_eq!(order(mode, "A1 A2^ A3^"), "A3 A2 A1");
    }
}

#[test]
fn what_executed_before_and_was_given_back_goes_first() {
    for mode in MODES {
        assert_eq!(order(mode, "A1 B1 A2! C1 B2!").get(..5), Some("A2 B2"));
    }
    assert_snapshot!(order(Fifo, "A1 B1 A2! C1 B2!"), @"A2 B2 A1 B1 C1");
    assert_snapshot!(order(RoundRobin, "A1 B1 A2! C1 B2!"), @"A2 B2 C1 A1 B1");
}

#[test]
fn seats_take_turns() {
    assert_snapshot!(order(RoundRobin, "A1 A2 B1 C1 C2 A3"), @"A1 B1 C1 A2 C2 A3");
}

#[test]
fn the_least_recently_served_seat_is_next() {
    let mut case = snapshot(RoundRobin, "//A1 A2 B1 C1");
    for (letter, last_served) in [('A', 3), ('B', 2), ('C', 1)] {
        case.service.insert(seat(letter), Service { last_served, ..Service::default() });
    }
    assert_snapshot!(waiting(&plan(&case)), @"C1 B1 A1 A2");
}

#[test]
fn fair_gives_equal_time_not_equal_turns() {
    assert_snapshot!(order(Fair, "A1=60 A2=60 B1=20 B2=20 B3=20 B4=20"), @"A1 B1 B2 B3 A2 B4");
}

#[test]
fn idleness_earns_no_credit() {
    let mut case = snapshot(Fair, "A1=10//A2 A3 B1 B2 B3 B4");
    let service = |account| Service { account: Duration::from_secs(account), ..Service::default() };
    case.service = [(seat('A'), service(1000)), (seat('B'), service(5))].into();
    assert_snapshot!(waiting(&plan(&case)), @"B1 A2 B2 A3 B3 B4");
}

#[test]
fn higher_priorities_go_first_in_every_mode() {
    for mode in MODES {
        assert_eq!(order(mode, "A1 B1 C1+ D1* A2+ B2").get(..8), Some("D1 C1 A2"));
    }
    assert_snapshot!(order(Fifo, "A1 B1 C1+ D1* A2+ B2"), @"D1 C1 A2 A1 B1 B2");
}

#[test]
fn places_reasons_and_starts_come_together() {
    assert_snapshot!(describe(&snapshot(Fifo, "Z1=30@10 / Y1=5 / A1 B1=? C1")), @r"
    2. Y1 Prepared 20-20s
    3. A1 Behind { jobs: 2 } 25-25s
    4. B1 Behind { jobs: 3 } 35-35s
    5. C1 Behind { jobs: 4 } ?
    ");
}

#[test]
fn a_free_machine_takes_one_and_prepares_another() {
    assert_snapshot!(describe(&snapshot(Fifo, "//A1 B1 C1")), @r"
    dispatch A1 B1
    1. A1 Prepared 0-0s
    2. B1 Prepared 10-10s
    3. C1 Behind { jobs: 2 } 20-20s
    ");
}

#[test]
fn a_paused_queue_hands_nothing_out() {
    let mut case = snapshot(Fifo, "Z1 / Y1 / A1 B1*");
    case.is_paused = true;
    assert_snapshot!(describe(&case), @r"
    2. Y1 Prepared 10-10s
    3. B1 QueuePaused ?
    4. A1 QueuePaused ?
    ");
}

#[test]
fn a_paused_seat_comes_after_all_others() {
    let mut case = snapshot(RoundRobin, "Z1//A1 B1 A2 C1 B2");
    case.paused_seats = [seat('A')].into();
    assert_snapshot!(describe(&case), @r"
    dispatch B1
    2. B1 Prepared 10-10s
    3. C1 Behind { jobs: 2 } 20-20s
    4. B2 Behind { jobs: 3 } 30-30s
    5. A1 SeatPaused ?
    6. A2 SeatPaused ?
    ");
}

#[test]
fn a_full_seat_blocks_nobody_else() {
    let mut case = snapshot(Fifo, "A1//A2 A3 B1 C1");
    case.max_running_per_seat = Some(1);
    assert_snapshot!(describe(&case), @r"
    dispatch B1
    2. B1 Prepared 10-10s
    3. A2 Behind { jobs: 2 } 20-20s
    4. C1 Behind { jobs: 3 } 30-30s
    5. A3 Behind { jobs: 4 } 40-40s
    ");
    case.queued.truncate(2);
    assert_snapshot!(describe(&case), @r"
    2. A2 SeatLimit 10-10s
    3. A3 SeatLimit 20-20s
    ");
}

#[test]
fn without_a_worker_there_is_an_order_and_no_time() {
    let mut case = snapshot(RoundRobin, "//A1 A2 B1");
    (case.slots, case.room) = (0, 0);
    assert_snapshot!(describe(&case), @r"
    1. A1 NoWorker ?
    2. B1 NoWorker ?
    3. A2 NoWorker ?
    ");
}

#[test]
fn a_job_of_higher_priority_takes_the_staged_ones_place() {
    for mode in MODES {
        assert_eq!(names(&plan(&snapshot(mode, "Z1 / Y1 / A1 B1+")).recalls), "Y1");
        assert_eq!(waiting(&plan(&snapshot(mode, "Z1 / Y1 / A1 B1+"))).get(..2), Some("B1"));
        assert_eq!(names(&plan(&snapshot(mode, "Z1 / Y1+ / A1 B1+")).recalls), "");
        // The slot is free: the staged job is about to start.
        assert_eq!(names(&plan(&snapshot(mode, " / Y1 X1 / A1 B1+")).recalls), "X1");
    }
}

#[test]
fn a_newcomer_does_not_wait_for_the_staged_job_of_a_flooding_seat() {
    assert_snapshot!(describe(&snapshot(RoundRobin, "A1=300@100 / A2=300 / A3=300 B1=5")), @r"
    recall A2
    2. B1 Behind { jobs: 1 } 200-206s
    3. A2 Behind { jobs: 2 } 205-211s
    4. A3 Behind { jobs: 3 } 505-511s
    ");
    assert_eq!(names(&plan(&snapshot(Fair, "A1=300@100 / A2=300 / A3=300 B1=5")).recalls), "A2");
    assert_eq!(names(&plan(&snapshot(Fifo, "A1=300@100 / A2=300 / A3=300 B1=5")).recalls), "");
    // Once recalled, the newcomer's job stays.
    for mode in [RoundRobin, Fair] {
        assert_eq!(names(&plan(&snapshot(mode, "A1=300@100 / B1=5 / A2=300 A3=300")).recalls), "");
        assert_eq!(names(&plan(&snapshot(mode, "A1=300@100 / B1=5 / A2=300 C1=1")).recalls), "");
    }
}

#[test]
fn a_demo_interrupts_what_executes_and_passes_what_is_staged() {
    assert_snapshot!(describe(&snapshot(Fifo, "Z1=300@100 / Y1 / A1 B1#")), @r"
    recall Y1
    interrupt Z1
    2. B1 Behind { jobs: 1 } 0-0s
    3. Y1 Behind { jobs: 2 } 310-310s
    4. A1 Behind { jobs: 3 } 320-320s
    ");
}

#[test]
fn interrupting_settles_in_whatever_order_its_effects_arrive() {
    for mode in MODES {
        let plans = [
            // The staged job came back first: the word to interrupt is said again.
            ("Z1@100 // Y1 A1 B1#", "B1", "", "Z1"),
            ("Z1@101 / B1# / Y1 A1", "", "", "Z1"),
            // The executing job came back first.
            ("/ B1# / Z1! Y1 A1", "Z1", "", ""),
            // It executes: the interrupted one is prepared and stays so.
            ("B1# // Z1! Y1 A1", "Z1", "", ""),
            ("B1# / Z1! / Y1 A1", "", "", ""),
            // A second one waits for the first: demos never interrupt each other.
            ("B1# / Z1! / Y1 C1#", "", "Z1", ""),
            ("B1# / C1# / Z1! Y1", "", "", ""),
        ];
        for (text, dispatches, recalls, interrupts) in plans {
            let plan = plan(&snapshot(mode, text));
            let seen = (names(&plan.dispatches), names(&plan.recalls), names(&plan.interrupts));
            assert_eq!(seen, (dispatches.into(), recalls.into(), interrupts.into()), "{mode} {text}");
        }
    }
}

#[test]
fn the_lowest_priority_and_then_the_youngest_is_interrupted() {
    let mut case = snapshot(Fifo, "X1@50 Y1+@5 Z1@20 // A1#");
    (case.slots, case.room) = (3, 1);
    assert_eq!(names(&plan(&case).interrupts), "Z1");
    case.queued.push(support::job("B1#", 9));
    case.queued.push(support::job("C1#", 10));
    case.queued.push(support::job("D1#", 11));
    assert_eq!(names(&plan(&case).interrupts), "Z1 X1 Y1");
    case.slots = 4;
    case.queued.truncate(1);
    assert_eq!(names(&plan(&case).interrupts), "");
}
