//! The class in four numbers.

use leptos::prelude::*;

use crate::api::admin::AdminView;

#[component]
pub(crate) fn Counts(view: Signal<AdminView>) -> impl IntoView {
    let counts = Memo::new(move |_| view.with(|view| view.counts()));
    let of = |number: usize, all: usize| format!("{number} of {all}");
    view! {
        <dl class="counts">
            <Count term="Running" number=move || counts.get().running.to_string()/>
            <Count term="Waiting" number=move || counts.get().waiting.to_string()/>
            <Count term="Seats open" number=move || of(counts.get().seats_open, counts.get().seats)/>
            <Count term="Workers ready" number=move || of(counts.get().workers_ready, counts.get().workers)/>
        </dl>
    }
}

#[component]
fn Count<F>(term: &'static str, number: F) -> impl IntoView
where
    F: Fn() -> String + Send + Sync + 'static,
{
    view! {
        <div class="counts__item">
            <dt>{term}</dt>
            <dd>{number}</dd>
        </div>
    }
}
