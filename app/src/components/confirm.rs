//! Asks before it acts, without script: the question folds out of the button.

use leptos::html::Details;
use leptos::prelude::*;

#[component]
pub(crate) fn Confirm(
    /// What the button says.
    label: &'static str,
    /// What is asked once it is pressed.
    question: &'static str,
    /// What it acts on, for screen readers.
    #[prop(optional, into)]
    about: String,
    #[prop(optional)] node_ref: NodeRef<Details>,
    /// The form that acts.
    children: Children,
) -> impl IntoView {
    let name = (!about.is_empty()).then(|| format!("{label}: {about}"));
    view! {
        <details class="confirm" node_ref=node_ref>
            <summary class="button button--quiet" aria-label=name>{label}</summary>
            <div class="confirm__question">
                <p>{question}</p>
                {children()}
            </div>
        </details>
    }
}
