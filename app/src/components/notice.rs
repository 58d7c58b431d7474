//! A sentence that must be seen.

use leptos::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Good to know.
    Calm,
    /// Something does not work now.
    Warning,
    /// What was just tried has failed.
    Failure,
}

#[component]
pub(crate) fn Notice(tone: Tone, children: Children) -> impl IntoView {
    let (modifier, role) = match tone {
        Tone::Calm => ("calm", "status"),
        Tone::Warning => ("warning", "status"),
        Tone::Failure => ("failure", "alert"),
    };
    view! {
        <div class=format!("notice notice--{modifier}") role=role>
            <p>{children()}</p>
        </div>
    }
}
