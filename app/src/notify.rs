//! Tells a participant who looks elsewhere that a job of theirs has ended: by the
//! page's title always, by a notification of the browser if they asked for it.

use std::collections::HashSet;

use domain::JobId;
use domain::job::JobPhase;
use leptos::prelude::*;

use crate::api::job::JobView;

/// Jobs that ended between two views, also those so short that neither saw them active.
/// What somebody cancelled needs no telling.
pub(crate) fn ended_since(before: &[JobView], now: &[JobView]) -> Vec<JobView> {
    let had_ended: HashSet<JobId> =
        before.iter().filter(|job| !job.phase.is_active()).map(|job| job.id).collect();
    // An older one comes into the list when the participant removes a newer one from it.
    let latest = before.iter().filter_map(|job| job.finished_at).max();
    let has_ended = |job: &&JobView| matches!(job.phase, JobPhase::Succeeded | JobPhase::Failed);
    let is_new = |job: &&JobView| !had_ended.contains(&job.id) && job.finished_at >= latest;
    now.iter().filter(has_ended).filter(is_new).cloned().collect()
}

/// The title's beginning: what ended while nobody looked, else how the first job is.
pub(crate) fn title_prefix(unseen: usize, jobs: &[JobView], queue_length: u32) -> String {
    if unseen > 0 {
        return format!("✓ {} · ", crate::format::count(unseen as u64, "job done", "jobs done"));
    }
    let running = jobs.iter().find(|job| job.phase == JobPhase::Running);
    if let Some(percent) = running.and_then(|job| job.progress.as_ref()?.percent()) {
        return format!("{percent} % · ");
    }
    let waiting = jobs.iter().filter_map(|job| job.wait).map(|wait| wait.position).min();
    match (running, waiting) {
        (None, Some(position)) => format!("{} · ", crate::format::place(position, queue_length)),
        _ => String::new(),
    }
}

/// Follows the jobs; counts those that ended while the page was out of sight.
pub(crate) fn use_unseen_endings(jobs: Signal<Vec<JobView>>) -> ReadSignal<usize> {
    let (unseen, set_unseen) = signal(0);
    Effect::new(move |before: Option<Vec<JobView>>| {
        let now = jobs.get();
        let ended = before.map(|before| ended_since(&before, &now)).unwrap_or_default();
        if !ended.is_empty() && document().hidden() {
            set_unseen.update(|unseen| *unseen += ended.len());
            ended.iter().for_each(show_notification);
        }
        now
    });
    Effect::new(move |_| {
        let seen = window_event_listener(leptos::ev::visibilitychange, move |_| {
            if !document().hidden() {
                set_unseen.set(0);
            }
        });
        on_cleanup(move || seen.remove());
    });
    unseen
}

/// Asks, once, whether the browser may tell. Gone after any answer.
#[component]
pub(crate) fn NotifyMe() -> impl IntoView {
    let can_ask = RwSignal::new(false);
    Effect::new(move |_| can_ask.set(permission() == Some(web_sys::NotificationPermission::Default)));
    let ask = move |_| {
        can_ask.set(false);
        // The answer is read when there is something to tell.
        if web_sys::Notification::request_permission().is_err() {
            leptos::logging::warn!("the browser has no notifications");
        }
    };
    view! {
        <Show when=move || can_ask.get()>
            <button class="button button--quiet" type="button" on:click=ask>
                "Tell me when a job is done"
            </button>
        </Show>
    }
}

fn show_notification(job: &JobView) {
    if permission() != Some(web_sys::NotificationPermission::Granted) {
        return;
    }
    let text = match job.phase {
        JobPhase::Succeeded => format!("{} is done", job.title),
        _ => format!("{} failed", job.title),
    };
    // Phones allow it only to installed apps; the title tells there.
    if web_sys::Notification::new(&text).is_err() {
        leptos::logging::log!("no notification on this device");
    }
}

/// `None` where the browser has no notifications, as on pages without TLS.
fn permission() -> Option<web_sys::NotificationPermission> {
    let exists = js_sys::Reflect::has(&window(), &"Notification".into()).unwrap_or(false);
    exists.then(web_sys::Notification::permission)
}

#[cfg(test)]
mod tests {
    use domain::{Timestamp, WaitReason};

    use super::*;
    use crate::api::job::{WaitView, job_in};

    #[test]
    fn a_job_is_told_when_it_ends_and_not_again() {
        let ended_at =
            |ms| JobView { finished_at: Some(Timestamp::from_unix_ms(ms)), ..job_in(JobPhase::Succeeded) };
        let (running, done) = ([job_in(JobPhase::Running)], [ended_at(2_000)]);
        assert_eq!(ended_since(&running, &done).len(), 1);
        assert!(ended_since(&done, &done).is_empty());
        assert_eq!(ended_since(&[], &done).len(), 1, "too short to be seen running");
        assert!(ended_since(&running, &[job_in(JobPhase::Cancelled)]).is_empty());
        let newer =
            JobView { id: "00000000-0000-4000-8000-000000000002".parse().unwrap(), ..ended_at(3_000) };
        assert!(ended_since(&[newer], &done).is_empty(), "it was further down the list before");
    }

    #[test]
    fn the_title_tells_what_matters_most() {
        let wait = WaitView { position: 3, reason: WaitReason::Prepared, start: None, returned: None };
        let waiting = JobView { wait: Some(wait), ..job_in(JobPhase::Queued) };
        assert_eq!(title_prefix(0, &[], 0), "");
        assert_eq!(title_prefix(0, std::slice::from_ref(&waiting), 8), "3 of 8 · ");
        assert_eq!(title_prefix(2, &[waiting], 8), "✓ 2 jobs done · ");
    }
}
