//! The GPU machines: are they there, what are they at, what is wrong with them.

use leptos::either::Either;
use leptos::prelude::*;

use crate::api::admin::{AdminView, WorkerView};
use crate::api::engine::EngineState;
use crate::components::{EmptyState, EngineBadge, Moment};
use crate::format;
use crate::live::follow_row;

#[component]
pub(crate) fn Workers(view: Signal<AdminView>) -> impl IntoView {
    let workers: Signal<Vec<WorkerView>> =
        Signal::from(Memo::new(move |_| view.with(|view| view.workers.clone())));
    let is_empty = Memo::new(move |_| workers.with(|workers| workers.is_empty()));
    view! {
        <section class="desk" id="workers" aria-labelledby="workers-heading">
            <h2 id="workers-heading">"Workers"</h2>
            <Show
                when=move || !is_empty.get()
                fallback=|| view! { <EmptyState title="No worker has connected yet">"Start one on the GPU machine with the join command that the server printed."</EmptyState> }
            >
                <ul class="workers" role="list">
                    <For
                        each=move || workers.get()
                        key=|worker| worker.name.clone()
                        children=move |worker| {
                            let worker = follow_row(workers, worker, |worker| worker.name.clone());
                            view! { <Worker worker/> }
                        }
                    />
                </ul>
            </Show>
        </section>
    }
    .into_any()
}

#[component]
fn Worker(worker: Memo<WorkerView>) -> impl IntoView {
    let name = move || worker.with(|worker| worker.name.clone());
    // The engine's last word counts only while its worker is connected.
    let engine = Memo::new(move |_| {
        worker.with(|worker| if worker.is_connected { worker.engine } else { EngineState::Away })
    });
    let busy = move || {
        worker.with(|worker| match worker.jobs.len() {
            0 => "idle".to_owned(),
            running => format!("{running} of {} running", format::count(worker.slots, "slot", "slots")),
        })
    };
    let version = move || {
        worker.with(|worker| worker.comfyui_version.clone()).map(|version| format!("ComfyUI {version}"))
    };
    let problem = move || worker.with(|worker| worker.problem.clone());
    view! {
        <li class="worker">
            <h3 class="worker__name">{name}</h3>
            <p class="worker__facts">
                <EngineBadge state=engine/>
                <span>{busy}</span>
                {move || version().map(|version| view! { <span>{version}</span> })}
                <span>
                    {move || {
                        let (is_connected, at) = worker.with(|worker| (worker.is_connected, worker.last_seen_at));
                        if is_connected {
                            Either::Left("connected")
                        } else {
                            Either::Right(view! { "last seen " <Moment at/> })
                        }
                    }}
                </span>
            </p>
            {move || problem().map(|problem| view! { <p class="worker__problem">{problem}</p> })}
        </li>
    }
    .into_any()
}
