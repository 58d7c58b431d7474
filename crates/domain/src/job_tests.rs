use uuid::Uuid;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn token(number: u128) -> LeaseToken {
    LeaseToken::from_uuid(Uuid::from_u128(number))
}

fn worker(number: u128) -> WorkerId {
    WorkerId::from_uuid(Uuid::from_u128(number))
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn queued() -> Job {
    Job {
        id: JobId::from_uuid(Uuid::from_u128(1)),
        seat: SeatId::new(1).unwrap(),
        sequence: 1,
        is_front: false,
        priority: Priority::Normal,
        interrupts: false,
        created_at: at(0),
        attempt: 0,
        failures: 0,
        engine_deaths: 0,
        cancel_requested_at: None,
        returned: None,
        state: JobState::Queued,
    }
}

fn running() -> Job {
    let mut job = queued();
    job.dispatch(token(1), at(0), SECOND).unwrap();
    job.claim(token(1), worker(1), at(0), SECOND).unwrap();
    job.start(token(1), at(10)).unwrap();
    job
}

fn failure(kind: FailureKind) -> Failure {
    Failure { kind, message: String::new(), advice: String::new(), detail: None }
}

#[test]
fn a_run_goes_from_queue_to_result() {
    let mut job = running();
    job.succeed(token(1), at(20)).unwrap();
    assert_eq!(job.state, JobState::Succeeded { started_at: at(10), finished_at: at(20) });
}

#[test]
fn a_stale_token_changes_nothing() {
    let before = running();
    let mut job = before.clone();
    assert_eq!(job.claim(token(2), worker(1), at(1), SECOND), Err(TransitionError::StaleLease));
    assert_eq!(job.renew(token(2), at(1), SECOND), Err(TransitionError::StaleLease));
    assert_eq!(job.start(token(2), at(1)), Err(TransitionError::StaleLease));
    assert_eq!(job.succeed(token(2), at(1)), Err(TransitionError::StaleLease));
    assert_eq!(job.fail(token(2), failure(FailureKind::Node), at(1)), Err(TransitionError::StaleLease));
    assert_eq!(job.interrupted(token(2), at(1)), Err(TransitionError::StaleLease));
    assert_eq!(job.release(token(2), ReturnReason::Demo, at(1)), Err(TransitionError::StaleLease));
    assert_eq!(job, before);
}

#[test]
fn a_result_is_accepted_once() {
    let mut job = running();
    job.succeed(token(1), at(20)).unwrap();
    assert_eq!(job.succeed(token(1), at(30)), Err(TransitionError::StaleLease));
    assert_eq!(job.finished_at(), Some(at(20)));
}

#[test]
fn a_second_worker_cannot_claim_a_held_lease() {
    let mut job = running();
    assert_eq!(job.claim(token(1), worker(2), at(1), SECOND), Err(TransitionError::StaleLease));
    assert!(job.claim(token(1), worker(1), at(1), SECOND).is_ok());
}

#[test]
fn an_undelivered_task_is_not_the_jobs_failure() {
    let mut job = queued();
    job.dispatch(token(1), at(0), SECOND).unwrap();
    assert!(!job.expire(at(999)));
    assert!(job.expire(at(1000)));
    assert_eq!((job.failures, job.phase()), (0, JobPhase::Queued));
    assert_eq!(job.returned, Some(ReturnReason::WorkerStopped));
}

#[test]
fn a_lost_worker_counts_and_the_third_time_is_the_last() {
    let mut job = queued();
    for attempt in 1..=3 {
        job.dispatch(token(attempt), at(0), SECOND).unwrap();
        job.claim(token(attempt), worker(1), at(0), SECOND).unwrap();
        assert!(job.expire(at(1000)));
    }
    assert_eq!((job.attempt, job.phase()), (3, JobPhase::Failed));
}

#[test]
fn a_job_that_kills_its_engine_twice_is_quarantined() {
    let mut job = running();
    job.fail(token(1), failure(FailureKind::EngineDied), at(20)).unwrap();
    assert_eq!(job.phase(), JobPhase::Queued);
    job.dispatch(token(2), at(30), SECOND).unwrap();
    job.fail(token(2), failure(FailureKind::EngineDied), at(40)).unwrap();
    assert_eq!(job.phase(), JobPhase::Failed);
}

#[test]
fn a_nodes_own_exception_is_final() {
    let mut job = running();
    job.fail(token(1), failure(FailureKind::Node), at(20)).unwrap();
    assert_eq!((job.phase(), job.failures), (JobPhase::Failed, 0));
}

#[test]
fn a_recalled_job_has_its_turn_still_and_one_that_came_back_stays_first() {
    let mut job = queued();
    job.dispatch(token(1), at(0), SECOND).unwrap();
    job.release(token(1), ReturnReason::Recalled, at(1)).unwrap();
    assert_eq!(job.returned, None);
    let mut job = running();
    job.release(token(1), ReturnReason::Demo, at(20)).unwrap();
    job.dispatch(token(2), at(30), SECOND).unwrap();
    job.release(token(2), ReturnReason::Recalled, at(40)).unwrap();
    assert_eq!(job.returned, Some(ReturnReason::Demo));
    job.dispatch(token(3), at(50), SECOND).unwrap();
    job.start(token(3), at(60)).unwrap();
    assert_eq!(job.returned, None, "it executes again");
}

#[test]
fn only_a_demonstration_interrupts_and_only_what_is_active_moves() {
    let mut job = queued();
    assert!(job.prioritise(Priority::Raised, true));
    assert_eq!((job.priority, job.interrupts), (Priority::Raised, false));
    assert!(job.prioritise(Priority::Demo, true) && job.interrupts);
    assert!(!job.prioritise(Priority::Demo, true), "nothing changes");
    job.cancel(at(1));
    assert!(!job.prioritise(Priority::Normal, false), "it has ended");
}

#[test]
fn a_release_spends_nothing() {
    let mut job = running();
    job.release(token(1), ReturnReason::Demo, at(20)).unwrap();
    assert_eq!((job.failures, job.phase()), (0, JobPhase::Queued));
    assert_eq!(job.returned, Some(ReturnReason::Demo));
}

#[test]
fn cancelling_asks_the_worker_only_if_there_is_one() {
    assert_eq!(queued().cancel(at(1)), CancelOutcome::Cancelled);
    let mut job = running();
    assert_eq!(job.cancel(at(20)), CancelOutcome::Requested(token(1)));
    assert_eq!(job.phase(), JobPhase::Running);
    job.interrupted(token(1), at(30)).unwrap();
    assert_eq!(job.cancel(at(40)), CancelOutcome::AlreadyEnded);
}

#[test]
fn a_cancelled_job_whose_worker_is_lost_does_not_run_again() {
    let mut job = running();
    job.cancel(at(20));
    assert!(job.expire(at(1000)));
    assert_eq!(job.phase(), JobPhase::Cancelled);
}

#[test]
fn completion_that_outruns_a_cancel_stays_a_success() {
    let mut job = running();
    job.cancel(at(20));
    job.succeed(token(1), at(30)).unwrap();
    assert_eq!(job.phase(), JobPhase::Succeeded);
}
