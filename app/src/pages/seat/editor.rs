//! The official editor in its frame, or a friendly wait until there is one.

use domain::SeatId;
use leptos::prelude::*;

use crate::api::engine::EngineState;
use crate::paths;

#[component]
pub(crate) fn Editor(seat: SeatId, engine: Memo<EngineState>) -> impl IntoView {
    // Once open it stays: taking the frame away would take unsaved work with it.
    let can_open = Memo::new(move |opened: Option<&bool>| {
        opened == Some(&true) || engine.get() != EngineState::NeverSeen
    });
    view! {
        <Show when=move || can_open.get() fallback=WaitingForFirstEngine>
            // No `name`: the editor keeps drafts under `window.name`, which would outlive the seat.
            <iframe
                class="editor"
                src=paths::editor(seat)
                title=format!("ComfyUI editor of {seat}")
                allow="clipboard-read; clipboard-write; fullscreen"
            ></iframe>
        </Show>
    }
}

#[component]
fn WaitingForFirstEngine() -> impl IntoView {
    view! {
        <section class="first-wait" role="status">
            <span class="first-wait__mark" aria-hidden="true"></span>
            <h1>"The editor is nearly ready"</h1>
            <p>
                "No GPU machine has connected to this workshop yet, and the editor learns from it which nodes and models there are. As soon as one connects, the editor opens here by itself."
            </p>
            <p>"Nothing to do on your side. If this takes more than a few minutes, tell your instructor."</p>
        </section>
    }
}
