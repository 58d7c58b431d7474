//! A link or a word to hand on, with a button that copies it.

use leptos::html::Input;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::JsCast;
use leptos::wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

/// What has come of the last attempt to copy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Copied {
    NotYet,
    Done,
    Refused,
}

/// Shows a path until the page runs, then the whole address.
#[component]
pub(crate) fn CopyField(
    /// What the link is, for screen readers.
    #[prop(into)]
    label: String,
    #[prop(into)] path: Signal<String>,
    /// Otherwise it is shown and copied as it is.
    #[prop(default = true)]
    is_address: bool,
) -> impl IntoView {
    let field = NodeRef::<Input>::new();
    let origin = RwSignal::new(String::new());
    let copied = RwSignal::new(Copied::NotYet);
    Effect::new(move |_| origin.set(window().location().origin().unwrap_or_default()));
    let address = move || {
        let path = path.get();
        if is_address && path.starts_with('/') { format!("{}{path}", origin.get()) } else { path }
    };
    let copy = move |_| {
        let Some(field) = field.get_untracked() else { return };
        let text = address();
        spawn_local(async move {
            let outcome = match copy_text(&text, &field).await {
                Ok(()) => Copied::Done,
                Err(_) => Copied::Refused,
            };
            copied.set(outcome);
        });
    };
    let word = move || match copied.get() {
        Copied::NotYet => "Copy",
        Copied::Done => "Copied",
        Copied::Refused => "Press Ctrl+C",
    };
    view! {
        <span class="copy-field">
            <input
                class="copy-field__link"
                type="text"
                readonly
                aria-label=label
                node_ref=field
                value=address
                on:focus=move |_| {
                    if let Some(field) = field.get_untracked() {
                        field.select();
                    }
                }
            />
            <button class="button button--small copy-field__button" type="button" aria-live="polite" on:click=copy>
                {word}
            </button>
        </span>
    }
}

/// Browsers offer the clipboard to secure pages only; a workshop on a plain local
/// network falls back to copying the selected field.
async fn copy_text(text: &str, field: &web_sys::HtmlInputElement) -> Result<(), JsValue> {
    if window().is_secure_context() {
        JsFuture::from(window().navigator().clipboard().write_text(text)).await?;
        return Ok(());
    }
    field.select();
    let document = document().dyn_into::<web_sys::HtmlDocument>()?;
    if document.exec_command("copy")? { Ok(()) } else { Err(JsValue::NULL) }
}
