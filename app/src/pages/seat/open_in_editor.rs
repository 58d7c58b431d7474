//! Hands the editor a workflow as a person would: a file dropped on its page. The editor
//! opens it in a tab of its own, and what is open there stays.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::HtmlIFrameElement;

/// Reads the file and hands it to the editor.
#[component]
pub(crate) fn OpenButton(
    href: String,
    /// The file's, which ends in `.json`.
    name: String,
    /// What is opened, for screen readers.
    title: String,
    /// Called once the editor has it.
    #[prop(optional, into)]
    on_opened: Option<Callback<()>>,
) -> impl IntoView {
    // Not an `Action` of this thread alone: the server, too, makes it, and drops it on another.
    let is_opening = RwSignal::new(false);
    let failure = RwSignal::new(None);
    let open = move || {
        let (href, name) = (href.clone(), name.clone());
        is_opening.set(true);
        spawn_local(async move {
            let opened = open_file(&href, &name).await;
            if let (Ok(()), Some(on_opened)) = (&opened, on_opened) {
                on_opened.run(());
            }
            // The button may be gone by now.
            failure.try_set(opened.err());
            is_opening.try_set(false);
        });
    };
    view! {
        <button
            class="button button--small"
            type="button"
            aria-label=format!("Open in the editor: {title}")
            disabled=move || is_opening.get()
            on:click=move |_| open()
        >
            {move || if is_opening.get() { "Opening…" } else { "Open in the editor" }}
        </button>
        {move || failure.get().map(|error: String| view! { <p class="action__failure" role="alert">{error}</p> })}
    }
}

/// What went wrong is told in words for the person.
async fn open_file(href: &str, name: &str) -> Result<(), String> {
    let text = fetch_text(href).await.ok_or("The workflow could not be read. Try again.")?;
    open_in_editor(&text, name).map_err(|error| error.to_string())
}

/// What the server answers, if it answers well.
async fn fetch_text(href: &str) -> Option<String> {
    let answer = JsFuture::from(window().fetch_with_str(href)).await.ok()?;
    let answer: web_sys::Response = answer.dyn_into().ok()?;
    if !answer.ok() {
        return None;
    }
    JsFuture::from(answer.text().ok()?).await.ok()?.as_string()
}

/// There is no editor on the page, or it does not take files yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The editor is not open yet. Wait until it is there, then try again.")]
struct NoEditor;

/// Opens the text of a workflow in the editor under a file's name that ends in `.json`.
fn open_in_editor(json: &str, name: &str) -> Result<(), NoEditor> {
    drop_file(json, name).map_err(|error| {
        leptos::logging::warn!("the editor took no workflow: {error:?}");
        NoEditor
    })
}

/// All objects are made by the editor's own window: its code asks what they are instances of.
fn drop_file(json: &str, name: &str) -> Result<(), JsValue> {
    let frame = document().query_selector("iframe.editor")?.ok_or(JsValue::NULL)?;
    let frame: HtmlIFrameElement = frame.unchecked_into();
    let window = JsValue::from(frame.content_window().ok_or(JsValue::NULL)?);
    let document = JsValue::from(frame.content_document().ok_or(JsValue::NULL)?);
    let canvas = call(&document, "getElementById", &["graph-canvas".into()])?;
    if canvas.is_null() {
        return Err(JsValue::NULL);
    }

    let file_options = object(&[("type", "application/json".into())])?;
    let parts = js_sys::Array::of1(&json.into());
    let file = construct(&window, "File", &[parts.into(), name.into(), file_options])?;
    let transfer = construct(&window, "DataTransfer", &[])?;
    call(&get(&transfer, "items")?, "add", &[file])?;
    let options = [("bubbles", true.into()), ("cancelable", true.into()), ("dataTransfer", transfer)];
    let event = construct(&window, "DragEvent", &["drop".into(), object(&options)?])?;
    call(&canvas, "dispatchEvent", &[event])?;
    Ok(())
}

fn get(of: &JsValue, name: &str) -> Result<JsValue, JsValue> {
    js_sys::Reflect::get(of, &name.into())
}

fn call(on: &JsValue, method: &str, arguments: &[JsValue]) -> Result<JsValue, JsValue> {
    let method: js_sys::Function = get(on, method)?.dyn_into()?;
    js_sys::Reflect::apply(&method, on, &arguments.iter().collect())
}

fn construct(window: &JsValue, class: &str, arguments: &[JsValue]) -> Result<JsValue, JsValue> {
    let class: js_sys::Function = get(window, class)?.dyn_into()?;
    js_sys::Reflect::construct(&class, &arguments.iter().collect())
}

fn object(members: &[(&str, JsValue)]) -> Result<JsValue, JsValue> {
    let object = js_sys::Object::new();
    for (name, value) in members {
        js_sys::Reflect::set(&object, &(*name).into(), value)?;
    }
    Ok(object.into())
}
