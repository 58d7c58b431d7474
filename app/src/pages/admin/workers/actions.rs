//! The instructor's hand on one worker.

use leptos::prelude::*;

use crate::api::admin::{DrainWorker, RestartEngine, WorkerView};
use crate::components::{ActionButton, ConfirmedAction, Weight, hidden};

#[component]
pub(super) fn WorkerActions(worker: Memo<WorkerView>, is_draining: Memo<bool>) -> impl IntoView {
    let name = StoredValue::new(worker.with_untracked(|worker| worker.name.clone()));
    // Only a connected worker has an id, and only such a one can be told to restart.
    let id = Memo::new(move |_| worker.with(|worker| worker.id));
    let drain_label =
        Signal::derive(move || if is_draining.get() { "Take jobs again" } else { "Drain" }.to_owned());
    view! {
        <div class="actions">
            <ActionButton
                action={ServerAction::<DrainWorker>::new()}
                label=drain_label
                pending_label="One moment…"
                fields=vec![
                    hidden("name", name.get_value()),
                    hidden("is_draining", Signal::derive(move || (!is_draining.get()).to_string())),
                ]
                weight=Weight::Plain
                about=name.get_value()
            />
            {move || {
                id.get()
                    .map(|id| {
                        view! {
                            <ConfirmedAction
                                action={ServerAction::<RestartEngine>::new()}
                                label="Restart ComfyUI"
                                question="What it runs goes back to the front of the line and starts again."
                                yes="Yes, restart it"
                                pending_label="Restarting…"
                                fields=vec![hidden("worker", id.to_string())]
                                about=name.get_value()
                            />
                        }
                    })
            }}
        </div>
    }
    .into_any()
}
