//! The latest jobs that ended: what came of them, and once more if wanted.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::api::admin::{AdminView, RunJobAgain};
use crate::api::job::{JobStatus, JobView};
use crate::components::{ActionButton, EmptyState, FailureNote, JobBadge, Moment, Thumbnail, Weight, hidden};
use crate::pages::admin::queue::Who;
use crate::pages::admin::tab::Tab;

/// What of the address shows failed jobs only: `?tab=queue&ended=failed`.
const FAILED: &str = "failed";

#[component]
pub(crate) fn EndedJobs(view: Signal<AdminView>) -> impl IntoView {
    let query = use_query_map();
    let failed_only = Memo::new(move |_| query.with(|query| query.get("ended").as_deref() == Some(FAILED)));
    let jobs = Memo::new(move |_| {
        let is_shown = |job: &&JobView| !failed_only.get() || job.status() == JobStatus::Failed;
        view.with(|view| view.ended.iter().filter(is_shown).cloned().collect::<Vec<_>>())
    });
    let is_empty = Memo::new(move |_| jobs.with(|jobs| jobs.is_empty()));
    let current = move |is_current: bool| is_current.then_some("true");
    view! {
        <section class="desk" id="ended" aria-labelledby="ended-heading">
            <div class="desk__head">
                <h2 id="ended-heading">"Ended"</h2>
                <nav class="filter" aria-label="Ended jobs">
                    <a class="filter__link" href=Tab::Queue.href() aria-current=move || current(!failed_only.get()) data-noscroll>
                        "All"
                    </a>
                    <a
                        class="filter__link"
                        href=format!("{}&ended={FAILED}", Tab::Queue.href())
                        aria-current=move || current(failed_only.get())
                        data-noscroll
                    >
                        "Failed"
                    </a>
                </nav>
            </div>
            <Show
                when=move || !is_empty.get()
                fallback=|| view! { <EmptyState title="No jobs to show">"Finished, failed and cancelled jobs are listed here."</EmptyState> }
            >
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">"Seat"</th>
                            <th scope="col">"Job"</th>
                            <th scope="col">"State"</th>
                            <th scope="col">"Took"</th>
                            <th scope="col">"When"</th>
                            <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                        </tr>
                    </thead>
                    <tbody>
                        // An ended job does not change any more, so its row needs no signal.
                        <For each=move || jobs.get() key=|job| job.id children=move |job| view! { <EndedJob view job/> }/>
                    </tbody>
                </table>
            </Show>
        </section>
    }
    .into_any()
}

#[component]
fn EndedJob(view: Signal<AdminView>, job: JobView) -> impl IntoView {
    let status = job.status();
    let run_time = job.run_time().unwrap_or_else(|| "–".to_owned());
    let at = job.finished_at.unwrap_or(job.created_at);
    let about = format!("{}, {}", job.title, job.seat);
    let preview = job.preview.as_ref().map(|file| file.preview_href(job.seat));
    view! {
        <tr class="job-row">
            <td data-label="Seat"><Who view seat=job.seat/></td>
            <td data-label="Job">
                <div class="table__job">
                    <Thumbnail href=preview/>
                    <span class="table__title">{job.title}</span>
                </div>
            </td>
            <td data-label="State">
                <div class="table__state">
                    <JobBadge status/>
                    {job.failure.map(|failure| view! { <FailureNote failure/> })}
                </div>
            </td>
            <td data-label="Took" class="table__number">{run_time}</td>
            <td data-label="When"><Moment at/></td>
            <td class="table__actions">
                <div class="actions">
                    <ActionButton
                        action={ServerAction::<RunJobAgain>::new()}
                        label="Run again"
                        pending_label="Queueing…"
                        fields=vec![hidden("job", job.id.to_string())]
                        weight=Weight::Quiet
                        about
                    />
                </div>
            </td>
        </tr>
    }
    .into_any()
}
