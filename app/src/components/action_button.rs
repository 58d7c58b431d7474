//! A button that acts by one server function: a form of its own, so that it works without
//! script, which shows that it is under way and, if it comes to that, why it failed.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos::server_fn::client::browser::BrowserClient;
use leptos::server_fn::codec::{Json, PostUrl};
use leptos::server_fn::{Http, ServerFn};
use serde::de::DeserializeOwned;

use crate::error::AppError;

/// A server function that a form can post and that answers with nothing but its failure.
pub(crate) trait FormAction:
    ServerFn<Client = BrowserClient, Protocol = Http<PostUrl, Json>, Output = (), Error = AppError>
    + DeserializeOwned
    + Clone
    + Send
    + Sync
{
}

impl<T> FormAction for T where
    T: ServerFn<Client = BrowserClient, Protocol = Http<PostUrl, Json>, Output = (), Error = AppError>
        + DeserializeOwned
        + Clone
        + Send
        + Sync
{
}

/// How much a button calls for attention.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Weight {
    #[default]
    Plain,
    Quiet,
    Primary,
    Danger,
}

impl Weight {
    fn class(self) -> &'static str {
        match self {
            Self::Plain => "button button--small",
            Self::Quiet => "button button--small button--quiet",
            Self::Primary => "button button--primary",
            Self::Danger => "button button--small button--danger",
        }
    }
}

/// What the form sends along without showing it.
#[derive(Clone)]
pub(crate) struct Hidden {
    name: &'static str,
    value: Signal<String>,
}

pub(crate) fn hidden(name: &'static str, value: impl Into<Signal<String>>) -> Hidden {
    Hidden { name, value: value.into() }
}

/// Why the action failed the last time it was used on this page. What failed before, in a
/// form that was posted without script, is told once on top of the page.
pub(crate) fn failure_of<S: FormAction + 'static>(action: ServerAction<S>) -> Signal<Option<AppError>> {
    Signal::derive(move || {
        let was_used = action.version().get() > 0;
        action.value().get().filter(|_| was_used).and_then(Result::err)
    })
}

#[component]
pub(crate) fn ActionButton<S: FormAction + 'static>(
    action: ServerAction<S>,
    #[prop(into)] label: Signal<String>,
    /// Stands in for the label while the server has not answered.
    pending_label: &'static str,
    fields: Vec<Hidden>,
    #[prop(optional)] weight: Weight,
    /// What it acts on, for screen readers.
    #[prop(optional, into)]
    about: String,
) -> impl IntoView {
    view! {
        <div class="action">
            <ActionForm action>
                {fields
                    .into_iter()
                    .map(|field| view! { <input type="hidden" name=field.name value=move || field.value.get()/> })
                    .collect_view()}
                <SubmitButton is_pending=action.pending() label pending_label weight about/>
            </ActionForm>
            <ActionFailure failure=failure_of(action)/>
        </div>
    }
    .into_any()
}

/// The button of a form with visible fields.
#[component]
pub(crate) fn SubmitButton(
    #[prop(into)] is_pending: Signal<bool>,
    #[prop(into)] label: Signal<String>,
    pending_label: &'static str,
    #[prop(optional)] weight: Weight,
    #[prop(optional, into)] about: String,
) -> impl IntoView {
    let word = move || if is_pending.get() { pending_label.to_owned() } else { label.get() };
    let name = move || (!about.is_empty()).then(|| format!("{}: {about}", word()));
    view! {
        <button class=weight.class() type="submit" disabled=move || is_pending.get() aria-label=name>
            {word}
        </button>
    }
}

/// Stands beside the button that failed.
#[component]
pub(crate) fn ActionFailure(failure: Signal<Option<AppError>>) -> impl IntoView {
    move || {
        failure
            .get()
            .map(|error| view! { <p class="action__failure" role="alert">{format!("Not done. {error}")}</p> })
    }
}
