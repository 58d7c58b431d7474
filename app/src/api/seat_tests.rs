use domain::job::JobPhase;

use super::*;
use crate::api::job::{ProgressView, WaitView, job_in};
use domain::{StartWindow, WaitReason};

fn seat_with(jobs: Vec<JobView>) -> SeatView {
    let seat = SeatId::new(1).unwrap();
    SeatView {
        seat,
        engine: EngineState::Ready,
        queue_length: 8,
        queue: QueuePolicyView::default(),
        name: String::new(),
        is_paused: false,
        message: None,
        jobs,
        gallery_revision: 0,
        files_revision: 0,
        is_shared: false,
    }
}

#[test]
fn a_seat_without_active_jobs_is_idle() {
    let view = seat_with(vec![job_in(JobPhase::Succeeded), job_in(JobPhase::Failed)]);
    assert_eq!(view.headline(), Headline::Idle);
    assert_eq!(view.headline().announcement(), "");
    assert_eq!(view.active_count(), 0);
}

#[test]
fn a_waiting_job_tells_its_place_over_all_seats() {
    let start = Some(StartWindow { p50_ms: 240_000, p90_ms: 350_000 });
    let wait = WaitView { position: 3, reason: WaitReason::Behind { jobs: 2 }, start, returned: None };
    let view = seat_with(vec![JobView { wait: Some(wait), ..job_in(JobPhase::Queued) }]);
    let place = Some("3 of 8".to_owned());
    assert_eq!(
        view.headline(),
        Headline::Waiting { title: "Portrait".to_owned(), place, eta: Some("about 4-6 min".to_owned()) }
    );
    assert_eq!(view.headline().announcement(), "Your job is number 3 of 8 in line.");
}

#[test]
fn the_running_job_goes_before_those_in_front_of_it() {
    let progress = ProgressView {
        node_title: "KSampler".to_owned(),
        value: 5.0,
        max: 20.0,
        nodes_done: 1,
        nodes_total: 4,
    };
    let running = JobView { progress: Some(progress), ..job_in(JobPhase::Running) };
    let view = seat_with(vec![job_in(JobPhase::Queued), running]);
    let summary = Some("KSampler · 25 %".to_owned());
    assert_eq!(
        view.headline(),
        Headline::Running { title: "Portrait".to_owned(), summary, percent: Some(25) }
    );
    assert_eq!(view.active_count(), 2);
}

#[test]
fn steps_are_not_announced() {
    let running = |percent| Headline::Running { title: String::new(), summary: None, percent };
    assert_eq!(running(Some(1)).announcement(), running(Some(99)).announcement());
}

#[test]
fn the_view_reads_back_what_the_socket_sends() {
    let view = seat_with(vec![job_in(JobPhase::Running)]);
    let text = serde_json::to_string(&view).unwrap();
    assert_eq!(serde_json::from_str::<SeatView>(&text).unwrap(), view);
}

#[cfg(feature = "ssr")]
#[test]
fn the_overview_becomes_the_view_field_by_field() {
    use domain::{Failure, FailureKind, Priority, ReturnReason, Timestamp};
    use workshop::overview::{
        ArtifactRef, EngineStatus, JobOverview, JobProgress, QueuePolicy, SeatOverview, Wait,
    };

    let seat = SeatId::new(1).unwrap();
    let failure = Failure {
        kind: FailureKind::Node,
        message: "It broke.".to_owned(),
        advice: "Mend it.".to_owned(),
        detail: Some("{}".to_owned()),
    };
    let job = JobOverview {
        id: job_in(JobPhase::Running).id,
        seat,
        phase: JobPhase::Running,
        title: "Portrait".to_owned(),
        created_at: Timestamp::from_unix_ms(1),
        started_at: Some(Timestamp::from_unix_ms(2)),
        finished_at: Some(Timestamp::from_unix_ms(3)),
        priority: Priority::Raised,
        wait: Some(Wait {
            position: 4,
            reason: WaitReason::NoWorker,
            start: Some(StartWindow { p50_ms: 1, p90_ms: 1001 }),
            returned: Some(ReturnReason::Demo),
        }),
        progress: Some(JobProgress {
            node_id: "7".to_owned(),
            node_title: "KSampler".to_owned(),
            value: 5.0,
            max: 20.0,
            nodes_done: 1,
            nodes_total: 4,
        }),
        failure: Some(failure),
        is_stopping: true,
        attempt: 2,
        preview: Some(ArtifactRef {
            filename: "a.png".to_owned(),
            subfolder: "b".to_owned(),
            kind: "temp".to_owned(),
        }),
    };
    let overview = SeatOverview {
        seat,
        engine: EngineStatus::Away,
        queue_length: 9,
        queue: QueuePolicy { is_paused: true, ..QueuePolicy::default() },
        name: "Anna".to_owned(),
        is_paused: true,
        message: Some("Look".to_owned()),
        jobs: vec![job],
        gallery_revision: 12,
        files_revision: 3,
        is_shared: false,
    };

    let view = SeatView::from(overview);

    assert_eq!(
        (view.seat, view.engine, view.queue_length, view.gallery_revision),
        (seat, EngineState::Away, 9, 12)
    );
    assert!(view.queue.is_paused && view.is_paused);
    assert_eq!((view.name.as_str(), view.message.as_deref()), ("Anna", Some("Look")));
    let expected = serde_json::json!([{
        "id": "00000000-0000-4000-8000-000000000001",
        "seat": "user001",
        "phase": "running",
        "title": "Portrait",
        "created_at": 1,
        "started_at": 2,
        "finished_at": 3,
        "priority": "raised",
        "wait": {"position": 4, "reason": "no_worker", "start": {"p50_ms": 1000, "p90_ms": 2000}, "returned": "demo"},
        "progress": {"node_title": "KSampler", "value": 5.0, "max": 20.0, "nodes_done": 1, "nodes_total": 4},
        "failure": {"message": "It broke.", "advice": "Mend it.", "detail": "{}"},
        "is_stopping": true,
        "attempt": 2,
        "preview": {"filename": "a.png", "subfolder": "b", "kind": "temp"},
    }]);
    assert_eq!(serde_json::to_value(&view.jobs).unwrap(), expected);
}
