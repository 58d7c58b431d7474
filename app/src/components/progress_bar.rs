//! A real progress bar; without a number it says that something goes on.

use leptos::prelude::*;

#[component]
pub(crate) fn ProgressBar(
    #[prop(into)] percent: Signal<Option<u8>>,
    /// What progresses, for screen readers.
    label: &'static str,
) -> impl IntoView {
    // `<progress>` counts as indeterminate exactly while it has no `value`.
    view! { <progress class="progress" max="100" value=move || percent.get().map(|percent| percent.to_string()) aria-label=label></progress> }
}
