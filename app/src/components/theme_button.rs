//! Leads from one theme to the next. Works as a plain form before script.

use leptos::form::ActionForm;
use leptos::prelude::*;

use crate::api::theme::SetTheme;
use crate::components::{Icon, Shape};
use crate::theme::Theme;

#[component]
pub(crate) fn ThemeButton() -> impl IntoView {
    let theme = expect_context::<RwSignal<Theme>>();
    let set_theme = ServerAction::<SetTheme>::new();
    // At once, not when the server has answered: it only keeps the cookie.
    Effect::new(move |_| {
        if let Some(wanted) = set_theme.input().get() {
            theme.set(wanted.theme);
        }
    });
    let label = move || match theme.get() {
        Theme::Dark => "Colours: dark. Change to light",
        Theme::Light => "Colours: light. Change to the system's",
        Theme::Auto => "Colours: as the system. Change to dark",
    };
    let shape = Signal::derive(move || match theme.get() {
        Theme::Dark => Shape::Dark,
        Theme::Light => Shape::Light,
        Theme::Auto => Shape::Auto,
    });
    view! {
        <ActionForm action=set_theme>
            <input type="hidden" name="theme" value=move || theme.get().next().as_str()/>
            <button class="button button--icon" type="submit" aria-label=label title=label>
                <Icon shape/>
            </button>
        </ActionForm>
    }
}
