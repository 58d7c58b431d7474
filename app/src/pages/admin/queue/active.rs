//! The line: what runs and what waits, in order, and why it waits.

use leptos::prelude::*;

use crate::api::admin::{AdminView, wait_sentence};
use crate::api::job::{JobView, WaitView};
use crate::components::{EmptyState, Flag, FlagBadge, JobBadge, Moment, ProgressBar, Thumbnail};
use crate::live::follow_row;
use crate::pages::admin::queue::Who;
use crate::pages::admin::queue::actions::JobActions;

#[component]
pub(crate) fn ActiveJobs(view: Signal<AdminView>) -> impl IntoView {
    let jobs: Signal<Vec<JobView>> = Signal::from(Memo::new(move |_| view.with(|view| view.active.clone())));
    let is_empty = Memo::new(move |_| jobs.with(|jobs| jobs.is_empty()));
    view! {
        <section class="desk" id="queue" aria-labelledby="queue-heading">
            <h2 id="queue-heading">"Queue"</h2>
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
                            <th scope="col">"Starts"</th>
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
                                view! { <ActiveJob view job/> }
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
fn ActiveJob(view: Signal<AdminView>, job: Memo<JobView>) -> impl IntoView {
    let seat = job.with_untracked(|job| job.seat);
    let wait = Memo::new(move |_| job.with(|job| job.wait));
    let place = move || wait.get().map_or_else(|| "–".to_owned(), |wait| wait.position.to_string());
    let eta = move || wait.get().map_or_else(|| "–".to_owned(), |wait| wait.eta());
    let since = Memo::new(move |_| job.with(|job| job.started_at.unwrap_or(job.created_at)));
    let preview =
        Memo::new(move |_| job.with(|job| job.preview.as_ref().map(|file| file.preview_href(job.seat))));
    let flag = Memo::new(move |_| job.with(|job| Flag::of_priority(job.priority)));
    view! {
        <tr class="job-row">
            <td data-label="Place" class="table__number">{place}</td>
            <td data-label="Seat"><Who view seat/></td>
            <td data-label="Job">
                <div class="table__job">
                    <Thumbnail href=preview/>
                    <span class="table__title">{move || job.with(|job| job.title.clone())}</span>
                    {move || flag.get().map(|flag| view! { <FlagBadge flag/> })}
                </div>
            </td>
            <td data-label="State"><JobState job wait/></td>
            <td data-label="Starts">{eta}</td>
            <td data-label="Since">{move || view! { <Moment at=since.get()/> }}</td>
            <td class="table__actions"><JobActions view job/></td>
        </tr>
    }
    .into_any()
}

#[component]
fn JobState(job: Memo<JobView>, wait: Memo<Option<WaitView>>) -> impl IntoView {
    let status = Memo::new(move |_| job.with(|job| job.status()));
    let progress = Memo::new(move |_| job.with(|job| job.progress.clone()));
    view! {
        <div class="table__state">
            <JobBadge status/>
            {move || {
                progress
                    .get()
                    .map(|progress| {
                        view! {
                            <ProgressBar percent=progress.percent() label="Progress of the running node"/>
                            <span class="table__note">{format!("{} · {}", progress.summary(), progress.node_place())}</span>
                        }
                    })
            }}
            {move || {
                wait.get()
                    .map(|wait| {
                        view! {
                            <span class="table__note">{wait_sentence(&wait)}</span>
                            {wait.story().map(|story| view! { <span class="table__note">{story}</span> })}
                        }
                    })
            }}
        </div>
    }
    .into_any()
}
