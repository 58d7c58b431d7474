//! Asks before it acts, without script: the question folds out of the button.

use leptos::prelude::*;

#[component]
pub(crate) fn Confirm(
    /// What the button says.
    label: &'static str,
    /// What is asked once it is pressed.
    question: &'static str,
    /// The form that acts.
    children: Children,
) -> impl IntoView {
    view! {
        <details class="confirm">
            <summary class="button button--quiet">{label}</summary>
            <div class="confirm__question">
                <p>{question}</p>
                {children()}
            </div>
        </details>
    }
}
