//! One of the seat's jobs: what it is, how far it is, what went wrong.

use leptos::prelude::*;

use crate::api::job::JobView;
use crate::components::{FailureNote, JobBadge, Moment, ProgressBar, Thumbnail};
use crate::format;

#[component]
pub(crate) fn JobCard(
    #[prop(into)] job: Signal<JobView>,
    /// Jobs of all seats that wait or run.
    #[prop(into)]
    queue_length: Signal<u32>,
    /// What cancels the job; shown while that makes sense.
    #[prop(into)]
    cancel: ViewFn,
) -> impl IntoView {
    let status = Memo::new(move |_| job.with(|job| job.status()));
    let title = move || job.with(|job| job.title.clone());
    let preview =
        Memo::new(move |_| job.with(|job| job.preview.as_ref().map(|file| file.preview_href(job.seat))));
    let progress = Memo::new(move |_| job.with(|job| job.progress.clone()));
    let failure = Memo::new(move |_| job.with(|job| job.failure.clone()));
    let can_be_cancelled = Memo::new(move |_| job.with(|job| job.can_be_cancelled()));
    let wait = Memo::new(move |_| job.with(|job| job.wait));
    let place = move || {
        wait.get().map(|wait| format!("{} in line", format::place(wait.position, queue_length.get())))
    };
    let attempt = move || job.with(|job| (job.attempt > 1 && job.phase.is_active()).then_some(job.attempt));

    view! {
        <article class=move || format!("job-card job-card--{}", status.get().modifier())>
            <Thumbnail href=preview/>
            <div class="job-card__body">
                <h3 class="job-card__title">{title}</h3>
                <p class="job-card__facts">
                    <JobBadge status/>
                    {move || place().map(|place| view! { <span class="job-card__place">{place}</span> })}
                    {move || wait.get().map(|wait| view! { <span class="job-card__eta">{wait.eta()}</span> })}
                    {move || job.with(|job| job.run_time()).map(|time| view! { <span>{time}</span> })}
                    {move || {
                        let at = job.with(|job| job.finished_at.unwrap_or(job.created_at));
                        view! { <Moment at/> }
                    }}
                    {move || attempt().map(|attempt| view! { <span>{format!("attempt {attempt}")}</span> })}
                </p>
                {move || {
                    wait.get()
                        .map(|wait| {
                            view! {
                                <p class="job-card__why">{wait.why()}</p>
                                {wait.story().map(|story| view! { <p class="job-card__story">{story}</p> })}
                            }
                        })
                }}
                {move || {
                    progress
                        .get()
                        .map(|progress| {
                            view! {
                                <div class="job-card__progress">
                                    <ProgressBar percent=progress.percent() label="Progress of the running node"/>
                                    <p class="job-card__node">
                                        <span>{progress.summary()}</span>
                                        <span>{progress.node_place()}</span>
                                    </p>
                                </div>
                            }
                        })
                }}
                {move || failure.get().map(|failure| view! { <FailureNote failure/> })}
            </div>
            <Show when=move || can_be_cancelled.get()>
                <div class="job-card__actions">{cancel.run()}</div>
            </Show>
        </article>
    }
    .into_any()
}
