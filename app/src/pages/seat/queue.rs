//! My jobs: those that wait or run in their order, then the latest that ended.

use domain::{JobId, SeatId};
use leptos::either::Either;
use leptos::form::ActionForm;
use leptos::prelude::*;

use crate::api::job::JobView;
use crate::api::seat::{CancelAllJobs, CancelJob, SeatView};
use crate::components::{Confirm, EmptyState, JobCard, Notice, Tone};
use crate::format;
use crate::live::follow_row;
use crate::notify::NotifyMe;

#[component]
pub(crate) fn QueuePanel(view: Signal<SeatView>, is_observer: bool) -> impl IntoView {
    let seat = view.with_untracked(|view| view.seat);
    let queue_length = Memo::new(move |_| view.with(|view| view.queue_length));
    let jobs: Signal<Vec<JobView>> = Signal::from(Memo::new(move |_| view.with(|view| view.jobs.clone())));
    let cancel_job = ServerAction::<CancelJob>::new();
    let cancel_all = ServerAction::<CancelAllJobs>::new();
    let failure = move || {
        let one = cancel_job.value().get().and_then(Result::err);
        one.or_else(|| cancel_all.value().get().and_then(Result::err))
    };
    let can_cancel_several = Memo::new(move |_| !is_observer && view.with(|view| view.active_count() > 1));
    let line = move || match queue_length.get() {
        0 => "Nobody is in line.".to_owned(),
        length => format!("{} in line over all seats.", format::count(length, "job", "jobs")),
    };
    let is_empty = Memo::new(move |_| jobs.with(|jobs| jobs.is_empty()));
    view! {
        <section class="queue">
            <h2 class="visually-hidden">"My jobs"</h2>
            {move || {
                failure().map(|error| view! { <Notice tone=Tone::Failure>{format!("Not cancelled. {error}")}</Notice> })
            }}
            <p class="queue__line">{line}</p>
            <Show when=move || can_cancel_several.get()>
                <Confirm label="Cancel all mine" question="Cancel all of your jobs, the running one too?">
                    <ActionForm action=cancel_all>
                        <input type="hidden" name="seat" value=seat.to_string()/>
                        <button class="button button--danger" type="submit" disabled=move || cancel_all.pending().get()>
                            {move || if cancel_all.pending().get() { "Cancelling…" } else { "Yes, cancel all" }}
                        </button>
                    </ActionForm>
                </Confirm>
            </Show>
            <Show when=move || !is_observer>
                <NotifyMe/>
            </Show>
            {move || {
                if is_empty.get() {
                    Either::Left(
                        view! {
                            <EmptyState title="No jobs yet">
                                "Press Run in the editor, and your job appears here with its place in line."
                            </EmptyState>
                        },
                    )
                } else {
                    Either::Right(view! { <JobList seat jobs queue_length cancel_job is_observer/> })
                }
            }}
        </section>
    }
    .into_any()
}

#[component]
fn JobList(
    seat: SeatId,
    jobs: Signal<Vec<JobView>>,
    queue_length: Memo<u32>,
    cancel_job: ServerAction<CancelJob>,
    is_observer: bool,
) -> impl IntoView {
    view! {
        <ul class="queue__jobs" role="list">
            <For
                each=move || jobs.get()
                key=|job| job.id
                children=move |job| {
                    let id = job.id;
                    let job = follow_row(jobs, job, |job| job.id);
                    view! {
                        <li>
                            <JobCard
                                job
                                queue_length
                                cancel=move || (!is_observer).then(|| view! { <CancelOwnJob seat job=id cancel_job/> })
                            />
                        </li>
                    }
                }
            />
        </ul>
    }
}

#[component]
fn CancelOwnJob(seat: SeatId, job: JobId, cancel_job: ServerAction<CancelJob>) -> impl IntoView {
    let is_pending = move || {
        cancel_job.pending().get()
            && cancel_job.input().with(|input| input.as_ref().is_some_and(|input| input.job == job))
    };
    view! {
        <Confirm label="Cancel" question="Cancel this job? What it has done so far is lost.">
            <ActionForm action=cancel_job>
                <input type="hidden" name="seat" value=seat.to_string()/>
                <input type="hidden" name="job" value=job.to_string()/>
                <button class="button button--danger" type="submit" disabled=is_pending>
                    {move || if is_pending() { "Cancelling…" } else { "Yes, cancel it" }}
                </button>
            </ActionForm>
        </Confirm>
    }
}
