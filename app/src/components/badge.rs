//! States in a word and a colour. The colour never says more than the word.

use domain::Priority;
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

/// Something out of the ordinary about a job, a seat, a worker or an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    Raised,
    Demo,
    Paused,
    Draining,
    Problem,
}

impl Flag {
    /// Of a job.
    pub(crate) fn of_priority(priority: Priority) -> Option<Self> {
        match priority {
            Priority::Normal => None,
            Priority::Raised => Some(Self::Raised),
            Priority::Demo => Some(Self::Demo),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Raised => "Raised",
            Self::Demo => "Demo",
            Self::Paused => "Paused",
            Self::Draining => "Takes nothing more",
            Self::Problem => "Problem",
        }
    }

    fn modifier(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Demo => "demo",
            Self::Paused => "paused",
            Self::Draining => "draining",
            Self::Problem => "problem",
        }
    }
}

#[component]
pub(crate) fn FlagBadge(flag: Flag) -> impl IntoView {
    view! { <span class=format!("badge badge--flag-{}", flag.modifier())>{flag.word()}</span> }
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
