//! States in a word and a colour. The colour never says more than the word.

use leptos::prelude::*;

use crate::api::engine::EngineState;
use crate::api::job::JobStatus;
use crate::live::Connection;

#[component]
pub(crate) fn EngineBadge(#[prop(into)] state: Signal<EngineState>) -> impl IntoView {
    view! {
        <span class=move || format!("badge badge--engine-{}", state.get().modifier())>
            {move || state.get().word()}
        </span>
    }
}

#[component]
pub(crate) fn JobBadge(#[prop(into)] status: Signal<JobStatus>) -> impl IntoView {
    view! {
        <span class=move || format!("badge badge--job-{}", status.get().modifier())>
            {move || status.get().word()}
        </span>
    }
}

/// Whether the page is up to date by itself.
#[component]
pub(crate) fn ConnectionBadge(#[prop(into)] connection: Signal<Connection>) -> impl IntoView {
    let word = move || match connection.get() {
        Connection::Connecting => "Connecting…",
        Connection::Live => "Live",
        Connection::Offline => "Offline, reconnecting…",
        Connection::Outdated => "Reload the page",
    };
    let modifier = move || match connection.get() {
        Connection::Connecting => "connecting",
        Connection::Live => "live",
        Connection::Offline => "offline",
        Connection::Outdated => "outdated",
    };
    view! {
        <span class=move || format!("connection connection--{}", modifier()) role="status" title=word>
            <span class="connection__word">{word}</span>
        </span>
    }
}
