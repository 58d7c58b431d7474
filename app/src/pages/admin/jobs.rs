//! Everybody's jobs: those that wait or run in their order, and the latest that ended.

use domain::JobId;
use leptos::form::ActionForm;
use leptos::prelude::*;

use crate::api::admin::{AdminView, CancelJobAsAdmin};
use crate::api::job::JobView;
use crate::components::{Confirm, EmptyState, FailureNote, JobBadge, Moment, Notice, ProgressBar, Tone};
use crate::live::follow_row;

#[component]
pub(crate) fn ActiveJobs(view: Signal<AdminView>) -> impl IntoView {
    let jobs: Signal<Vec<JobView>> = Signal::from(Memo::new(move |_| view.with(|view| view.active.clone())));
    let is_empty = Memo::new(move |_| jobs.with(|jobs| jobs.is_empty()));
    let cancel_job = ServerAction::<CancelJobAsAdmin>::new();
    let failure = move || cancel_job.value().get().and_then(Result::err);
    view! {
        <section class="desk" id="queue" aria-labelledby="queue-heading">
            <h2 id="queue-heading">"Queue"</h2>
            {move || {
                failure().map(|error| view! { <Notice tone=Tone::Failure>{format!("Not cancelled. {error}")}</Notice> })
            }}
            <Show
                when=move || !is_empty.get()
                fallback=|| view! { <EmptyState title="Nobody is in line">"Jobs appear here the moment a participant presses Run."</EmptyState> }
            >
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">"Place"</th>
                            <th scope="col">"Seat"</th>
                            <th scope="col">"Job"</th>
                            <th scope="col">"State"</th>
                            <th scope="col">"Since"</th>
                            <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                        </tr>
                    </thead>
                    <tbody>
                        <For
                            each=move || jobs.get()
                            key=|job| job.id
                            children=move |job| {
                                let job = follow_row(jobs, job, |job| job.id);
                                view! { <ActiveJob job cancel_job/> }
                            }
                        />
                    </tbody>
                </table>
            </Show>
        </section>
    }
    .into_any()
}

#[component]
fn ActiveJob(job: Memo<JobView>, cancel_job: ServerAction<CancelJobAsAdmin>) -> impl IntoView {
    let id = job.with_untracked(|job| job.id);
    let status = Memo::new(move |_| job.with(|job| job.status()));
    let progress = Memo::new(move |_| job.with(|job| job.progress.clone()));
    let can_be_cancelled = Memo::new(move |_| job.with(|job| job.can_be_cancelled()));
    view! {
        <tr>
            <td data-label="Place" class="table__number">
                {move || job.with(|job| job.wait).map_or_else(|| "–".to_owned(), |wait| wait.position.to_string())}
            </td>
            <td data-label="Seat">{move || job.with(|job| job.seat.to_string())}</td>
            <td data-label="Job" class="table__title">{move || job.with(|job| job.title.clone())}</td>
            <td data-label="State">
                <div class="table__state">
                    <JobBadge status/>
                    {move || {
                        progress
                            .get()
                            .map(|progress| {
                                view! {
                                    <ProgressBar percent=progress.percent() label="Progress of the running node"/>
                                    <span class="table__node">{progress.summary()}</span>
                                }
                            })
                    }}
                </div>
            </td>
            <td data-label="Since">
                {move || {
                    let at = job.with(|job| job.started_at.unwrap_or(job.created_at));
                    view! { <Moment at/> }
                }}
            </td>
            <td class="table__actions">
                <Show when=move || can_be_cancelled.get()>
                    <CancelAnyJob job=id cancel_job/>
                </Show>
            </td>
        </tr>
    }
    .into_any()
}

#[component]
fn CancelAnyJob(job: JobId, cancel_job: ServerAction<CancelJobAsAdmin>) -> impl IntoView {
    let is_pending = move || {
        cancel_job.pending().get()
            && cancel_job.input().with(|input| input.as_ref().is_some_and(|input| input.job == job))
    };
    view! {
        <Confirm label="Cancel" question="Cancel this participant's job?">
            <ActionForm action=cancel_job>
                <input type="hidden" name="job" value=job.to_string()/>
                <button class="button button--danger" type="submit" disabled=is_pending>
                    {move || if is_pending() { "Cancelling…" } else { "Yes, cancel it" }}
                </button>
            </ActionForm>
        </Confirm>
    }
}

#[component]
pub(crate) fn EndedJobs(view: Signal<AdminView>) -> impl IntoView {
    let jobs = Memo::new(move |_| view.with(|view| view.ended.clone()));
    let is_empty = Memo::new(move |_| jobs.with(|jobs| jobs.is_empty()));
    view! {
        <section class="desk" id="ended" aria-labelledby="ended-heading">
            <h2 id="ended-heading">"Ended"</h2>
            <Show
                when=move || !is_empty.get()
                fallback=|| view! { <EmptyState title="Nothing has ended yet">"Finished, failed and cancelled jobs are listed here."</EmptyState> }
            >
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">"Seat"</th>
                            <th scope="col">"Job"</th>
                            <th scope="col">"State"</th>
                            <th scope="col">"Took"</th>
                            <th scope="col">"When"</th>
                        </tr>
                    </thead>
                    <tbody>
                        // An ended job does not change any more, so its row needs no signal.
                        <For
                            each=move || jobs.get()
                            key=|job| job.id
                            children=|job| view! { <EndedJob job/> }
                        />
                    </tbody>
                </table>
            </Show>
        </section>
    }
    .into_any()
}

#[component]
fn EndedJob(job: JobView) -> impl IntoView {
    let status = job.status();
    let run_time = job.run_time().unwrap_or_else(|| "–".to_owned());
    let at = job.finished_at.unwrap_or(job.created_at);
    view! {
        <tr>
            <td data-label="Seat">{job.seat.to_string()}</td>
            <td data-label="Job" class="table__title">{job.title}</td>
            <td data-label="State">
                <div class="table__state">
                    <JobBadge status/>
                    {job.failure.map(|failure| view! { <FailureNote failure/> })}
                </div>
            </td>
            <td data-label="Took" class="table__number">{run_time}</td>
            <td data-label="When">
                <Moment at/>
            </td>
        </tr>
    }
    .into_any()
}
