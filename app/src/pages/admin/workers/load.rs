//! What a worker is busy with, and how full its memory is.

use leptos::prelude::*;

use crate::api::admin::{AdminView, DeviceView, WorkerView};
use crate::components::ProgressBar;
use crate::format;

/// What it executes, with the node it is at.
#[component]
pub(super) fn WorkerJobs(view: Signal<AdminView>, worker: Memo<WorkerView>) -> impl IntoView {
    let busy = Memo::new(move |_| {
        worker.with(|worker| match worker.jobs.len() {
            0 => "idle".to_owned(),
            running => format!("busy with {running} of {}", format::count(worker.slots, "slot", "slots")),
        })
    });
    let jobs = Memo::new(move |_| {
        let ids = worker.with(|worker| worker.jobs.clone());
        view.with(|view| view.active.iter().filter(|job| ids.contains(&job.id)).cloned().collect::<Vec<_>>())
    });
    view! {
        <p class="worker__busy">{busy}</p>
        <ul class="worker__jobs" role="list">
            {move || {
                jobs.get()
                    .into_iter()
                    .map(|job| {
                        let node = job.progress.as_ref().map(|progress| progress.summary());
                        let percent = job.progress.as_ref().and_then(|progress| progress.percent());
                        view! {
                            <li>
                                <span>{format!("{} · {}", job.title, job.seat)}</span>
                                <ProgressBar percent label="Progress of the running node"/>
                                <span class="table__note">{node}</span>
                            </li>
                        }
                    })
                    .collect_view()
            }}
        </ul>
    }
    .into_any()
}

#[component]
pub(super) fn Device(device: DeviceView) -> impl IntoView {
    let used = format::bytes(device.memory_used_bytes());
    let memory = format!("{used} of {} in use", format::bytes(device.memory_total_bytes));
    let percent = device.memory_percent();
    view! {
        <div class="worker__device">
            <span>{device.name}</span>
            <ProgressBar percent label="Memory in use"/>
            <span class="table__note">{memory}</span>
        </div>
    }
}
