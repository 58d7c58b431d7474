//! The GPU machines: are they there, what are they at, what is wrong with them.

mod actions;
mod health;
mod load;

use leptos::prelude::*;

use crate::api::admin::{AdminView, WorkerView};
use crate::api::engine::EngineState;
use crate::components::{EmptyState, EngineBadge, Flag, FlagBadge, Moment};
use crate::live::follow_row;
use crate::pages::admin::workers::actions::WorkerActions;
use crate::pages::admin::workers::health::Health;
use crate::pages::admin::workers::load::{Device, WorkerJobs};

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
                            view! { <Worker view worker/> }
                        }
                    />
                </ul>
            </Show>
        </section>
        <Health view/>
    }
    .into_any()
}

#[component]
fn Worker(view: Signal<AdminView>, worker: Memo<WorkerView>) -> impl IntoView {
    let name = worker.with_untracked(|worker| worker.name.clone());
    // The engine's last word counts only while its worker is connected.
    let engine = Memo::new(move |_| {
        worker.with(|worker| if worker.is_connected { worker.engine } else { EngineState::Away })
    });
    let is_draining = Memo::new(move |_| worker.with(|worker| worker.is_draining));
    let versions = Memo::new(move |_| {
        worker.with(|worker| {
            let worker_version = worker.version.iter().map(|version| format!("worker {version}"));
            let comfyui = worker.comfyui_version.iter().map(|version| format!("ComfyUI {version}"));
            worker_version.chain(comfyui).collect::<Vec<_>>().join(" · ")
        })
    });
    let seen = Memo::new(move |_| worker.with(|worker| (worker.is_connected, worker.last_seen_at)));
    let device = Memo::new(move |_| worker.with(|worker| worker.device.clone()));
    let problem = Memo::new(move |_| worker.with(|worker| worker.problem.clone()));
    view! {
        <li class="worker">
            <h3 class="worker__name">{name}</h3>
            <p class="worker__facts">
                <EngineBadge state=engine/>
                <Show when=move || is_draining.get()><FlagBadge flag=Flag::Draining/></Show>
                <span>
                    {move || if seen.get().0 { "connected, heard " } else { "last seen " }}
                    {move || view! { <Moment at=seen.get().1/> }}
                </span>
                <span>{versions}</span>
            </p>
            <WorkerJobs view worker/>
            {move || device.get().map(|device| view! { <Device device/> })}
            {move || {
                problem
                    .get()
                    .map(|problem| {
                        view! {
                            <p class="worker__problem">
                                <FlagBadge flag=Flag::Problem/>
                                " "
                                {problem}
                            </p>
                        }
                    })
            }}
            <WorkerActions worker is_draining/>
        </li>
    }
    .into_any()
}
