//! What the pages around the editor share: header, one column, footer.

use leptos::prelude::*;

use crate::components::ThemeButton;
use crate::paths;

#[component]
pub(crate) fn Frame(
    /// The workshop's name, or what stands for it where it is not known.
    #[prop(into)]
    title: String,
    /// Shown in the header beside the theme button.
    #[prop(optional, into)]
    aside: ViewFn,
    /// Uses the whole width of the window.
    #[prop(optional)]
    wide: bool,
    children: Children,
) -> impl IntoView {
    let class = if wide { "frame frame--wide" } else { "frame" };
    view! {
        <div class=class>
            <header class="frame__header">
                <a class="frame__brand" href=paths::LANDING rel="external">
                    <span class="mark" aria-hidden="true"></span>
                    {title}
                </a>
                <div class="frame__aside">{aside.run()} <ThemeButton/></div>
            </header>
            <main class="frame__main">{children()}</main>
        </div>
    }
    .into_any()
}

/// Stands in for a page while its data is on its way, which only happens when one
/// moves between pages without a reload.
#[component]
pub(crate) fn Loading() -> impl IntoView {
    view! { <p class="loading" role="status">"One moment…"</p> }
}
