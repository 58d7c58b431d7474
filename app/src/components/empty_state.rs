//! What a list says when it is empty, and what to do about it.

use leptos::prelude::*;

#[component]
pub(crate) fn EmptyState(title: &'static str, children: Children) -> impl IntoView {
    view! {
        <div class="empty-state">
            <p class="empty-state__title">{title}</p>
            <p class="empty-state__hint">{children()}</p>
        </div>
    }
}
