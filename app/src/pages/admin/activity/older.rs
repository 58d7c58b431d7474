//! The way further back.

use leptos::ev;
use leptos::prelude::*;

use crate::pages::admin::activity::Entries;
use crate::pages::admin::activity::log::ActivityLog;
use crate::pages::admin::activity::query::ActivityQuery;

/// A link to the part before, which with script reads it into this page instead.
#[component]
pub(super) fn Older(
    query: Memo<ActivityQuery>,
    shown: Memo<ActivityLog>,
    read_older: Action<ActivityQuery, (ActivityQuery, Entries)>,
) -> impl IntoView {
    let older = Memo::new(move |_| {
        let before = shown.with(|shown| shown.entries.last().map(|entry| entry.id));
        ActivityQuery { before, ..query.get() }
    });
    let is_at_end = Memo::new(move |_| {
        let answer = read_older.value().get();
        answer.is_some_and(|(asked, found)| asked == older.get() && found.is_ok_and(|found| found.is_empty()))
    });
    let load = move |event: ev::MouseEvent| {
        event.prevent_default();
        if !read_older.pending().get_untracked() {
            read_older.dispatch(older.get_untracked());
        }
    };
    view! {
        <Show
            when=move || !is_at_end.get()
            fallback=|| view! { <p class="desk__hint" role="status">"That is where it begins."</p> }
        >
            <a class="button activity__older" href=move || older.get().href() on:click=load>
                {move || if read_older.pending().get() { "Reading…" } else { "Older" }}
            </a>
        </Show>
    }
    .into_any()
}
