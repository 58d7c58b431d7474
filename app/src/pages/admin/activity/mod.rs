//! Who did what: live, filtered by the address, and further back on demand.

mod entry;
mod filter;
mod log;
mod older;
mod query;

use leptos::prelude::*;

use crate::api::admin::{ActivityView, AdminView, read_activity};
use crate::components::{EmptyState, Notice, Tone};
use crate::error::AppError;
use crate::pages::admin::activity::entry::Entry;
use crate::pages::admin::activity::filter::ActivityFilter;
use crate::pages::admin::activity::log::ActivityLog;
use crate::pages::admin::activity::older::Older;
use crate::pages::admin::activity::query::{ActivityQuery, activity_query};
use crate::pages::frame::Loading;
use crate::scope::within_page;

type Entries = Result<Vec<ActivityView>, AppError>;

#[component]
pub(crate) fn Activity(view: Signal<AdminView>) -> impl IntoView {
    let query = activity_query();
    let first = Resource::new(
        move || query.get(),
        |query| {
            within_page(async move {
                // The page has the latest of all already.
                if query.is_live() { Ok(Vec::new()) } else { read(query).await }
            })
        },
    );
    view! {
        <section class="desk" id="activity" aria-labelledby="activity-heading">
            <h2 id="activity-heading">"Activity"</h2>
            <ActivityFilter view query/>
            <Transition fallback=Loading>
                <ActivityList view query first/>
            </Transition>
        </section>
    }
    .into_any()
}

async fn read(query: ActivityQuery) -> Entries {
    read_activity(query.seat, query.problems_only, query.before).await
}

#[component]
fn ActivityList(
    view: Signal<AdminView>,
    query: Memo<ActivityQuery>,
    first: Resource<Entries>,
) -> impl IntoView {
    let live = Memo::new(move |_| view.with(|view| view.activity.clone()));
    // What is shown is derived, so that the server renders the same without effects; what
    // has been seen is kept, as the live part moves on and lets go of its end.
    let kept = RwSignal::new(ActivityLog::default());
    let shown = Memo::new(move |_| {
        let first = first.get().and_then(Result::ok).unwrap_or_default();
        kept.get().with(query.get(), &first).with(query.get(), &live.get())
    });
    Effect::new(move |_| {
        let seen = shown.get();
        if kept.with_untracked(|kept| *kept != seen) {
            kept.set(seen);
        }
    });
    let read_older = Action::new(|query: &ActivityQuery| {
        let query = *query;
        async move { (query, read(query).await) }
    });
    Effect::new(move |_| {
        if let Some((_, Ok(older))) = read_older.value().get() {
            let query = query.get_untracked();
            kept.update(|kept| *kept = std::mem::take(kept).with(query, &older));
        }
    });
    let failure = move || {
        let first = first.get().and_then(Result::err);
        first.or_else(|| read_older.value().get().and_then(|(_, older)| older.err()))
    };
    let is_empty = Memo::new(move |_| shown.with(|shown| shown.entries.is_empty()));
    view! {
        {move || {
            failure()
                .map(|error| {
                    view! { <Notice tone=Tone::Failure>{format!("The list could not be read. {error}")}</Notice> }
                })
        }}
        <Show
            when=move || !is_empty.get()
            fallback=|| view! { <EmptyState title="Nothing to show">"What people, jobs and workers do is listed here."</EmptyState> }
        >
            <ol class="activity" role="list">
                <For
                    each=move || shown.with(|shown| shown.entries.clone())
                    key=|entry| entry.id
                    children=move |entry| view! { <Entry view entry/> }
                />
            </ol>
            <Older query shown read_older/>
        </Show>
    }
    .into_any()
}
