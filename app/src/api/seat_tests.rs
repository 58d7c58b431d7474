use domain::job::JobPhase;

use super::*;
use crate::api::job::{ProgressView, job_in};

fn seat_with(jobs: Vec<JobView>) -> SeatView {
    let seat = SeatId::new(1).unwrap();
    SeatView { seat, engine: EngineState::Ready, queue_length: 8, jobs, gallery_revision: 0 }
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
    let view = seat_with(vec![JobView { position: Some(3), ..job_in(JobPhase::Queued) }]);
    let place = Some("3 of 8".to_owned());
    assert_eq!(view.headline(), Headline::Waiting { title: "Portrait".to_owned(), place });
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
    use domain::{Failure, FailureKind, Timestamp};
    use workshop::overview::{ArtifactRef, EngineStatus, JobOverview, JobProgress, SeatOverview};

    let seat = SeatId::new(1).unwrap();
    let failure =
        Failure { kind: FailureKind::Node, message: "It broke.".to_owned(), detail: Some("{}".to_owned()) };
    let job = JobOverview {
        id: job_in(JobPhase::Running).id,
        seat,
        phase: JobPhase::Running,
        title: "Portrait".to_owned(),
        created_at: Timestamp::from_unix_ms(1),
        started_at: Some(Timestamp::from_unix_ms(2)),
        finished_at: Some(Timestamp::from_unix_ms(3)),
        position: Some(4),
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
        jobs: vec![job],
        gallery_revision: 12,
    };

    let view = SeatView::from(overview);

    assert_eq!(
        (view.seat, view.engine, view.queue_length, view.gallery_revision),
        (seat, EngineState::Away, 9, 12)
    );
    let expected = serde_json::json!([{
        "id": "00000000-0000-4000-8000-000000000001",
        "seat": "user001",
        "phase": "running",
        "title": "Portrait",
        "created_at": 1,
        "started_at": 2,
        "finished_at": 3,
        "position": 4,
        "progress": {"node_title": "KSampler", "value": 5.0, "max": 20.0, "nodes_done": 1, "nodes_total": 4},
        "failure": {"message": "It broke.", "detail": "{}"},
        "is_stopping": true,
        "attempt": 2,
        "preview": {"filename": "a.png", "subfolder": "b", "kind": "temp"},
    }]);
    assert_eq!(serde_json::to_value(&view.jobs).unwrap(), expected);
}
