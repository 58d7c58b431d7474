//! A server function behind a question: folded out by one press, done by the second.

use leptos::html::Details;
use leptos::prelude::*;

use crate::components::action_button::Hidden;
use crate::components::{ActionButton, Confirm, FormAction, Weight};

#[component]
pub(crate) fn ConfirmedAction<S: FormAction + 'static>(
    action: ServerAction<S>,
    /// What the first button says.
    label: &'static str,
    question: &'static str,
    /// What the second button says.
    yes: &'static str,
    pending_label: &'static str,
    fields: Vec<Hidden>,
    /// What it acts on, for screen readers.
    #[prop(optional, into)]
    about: String,
) -> impl IntoView {
    let question_ref = NodeRef::<Details>::new();
    // What has been done needs no question any more.
    Effect::new(move |_| {
        if let (Some(Ok(())), Some(details)) = (action.value().get(), question_ref.get_untracked()) {
            details.set_open(false);
        }
    });
    view! {
        <Confirm label question about node_ref=question_ref>
            <ActionButton action label=yes pending_label fields weight=Weight::Danger/>
        </Confirm>
    }
    .into_any()
}
