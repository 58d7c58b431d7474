//! One saved workflow: what it is, whether it can run, and what can be done with it.

use domain::SeatId;
use leptos::form::ActionForm;
use leptos::prelude::*;

use crate::api::workflow::{RestoreWorkflow, WorkflowOrigin, WorkflowReadiness, WorkflowView};
use crate::components::{Icon, Moment, Shape};
use crate::pages::seat::open_in_editor::OpenButton;

#[component]
pub(crate) fn Entry(
    seat: SeatId,
    workflow: WorkflowView,
    restore: ServerAction<RestoreWorkflow>,
    is_observer: bool,
) -> impl IntoView {
    let title = workflow.title().to_owned();
    let folder = workflow.folder().to_owned();
    let origin = match workflow.origin {
        WorkflowOrigin::Own => "Mine",
        WorkflowOrigin::Given => "From the workshop",
        WorkflowOrigin::Changed => "From the workshop, changed by me",
    };
    let can_restore = !is_observer && workflow.has_original && workflow.origin != WorkflowOrigin::Own;
    let href = workflow.href(seat);
    let open_title = title.clone();
    let restore_label = format!("Get the original again: {title}");
    let download_label = format!("Download: {title}");
    view! {
        <article class="workflow" aria-label=title.clone()>
            <h3 class="workflow__title">
                {title.clone()}
                {workflow.is_bookmarked.then(|| view! { <span class="workflow__bookmark">"Bookmarked"</span> })}
            </h3>
            <p class="workflow__facts">
                {(!folder.is_empty()).then(|| view! { <span>{folder}</span> })}
                <span>{origin}</span>
                <Moment at=workflow.changed_at/>
            </p>
            <ReadinessNote readiness=workflow.readiness.clone()/>
            <div class="workflow__actions">
                {(!is_observer)
                    .then(|| view! { <OpenButton href=href.clone() name=workflow.file_name() title=open_title/> })}
                <a
                    class="button button--small button--quiet"
                    href=href
                    rel="external"
                    download=workflow.file_name()
                    aria-label=download_label
                >
                    <Icon shape=Shape::Download/>
                    "Download"
                </a>
                {can_restore
                    .then(|| {
                        view! {
                            <ActionForm action=restore>
                                <input type="hidden" name="seat" value=seat.to_string()/>
                                <input type="hidden" name="path" value=workflow.path/>
                                <button
                                    class="button button--small button--quiet"
                                    type="submit"
                                    aria-label=restore_label
                                    disabled=move || restore.pending().get()
                                >
                                    "Get the original again"
                                </button>
                            </ActionForm>
                        }
                    })}
            </div>
        </article>
    }
    .into_any()
}

#[component]
fn ReadinessNote(readiness: WorkflowReadiness) -> impl IntoView {
    match readiness {
        WorkflowReadiness::Ready => {
            view! { <p class="workflow__state workflow__state--ready">"Ready"</p> }.into_any()
        }
        WorkflowReadiness::Needs(needs) => {
            let lines = needs.lines().into_iter().map(|line| view! { <li>{line}</li> }).collect_view();
            view! {
                <div class="workflow__state workflow__state--needs">
                    <p>"Needs:"</p>
                    <ul>{lines}</ul>
                </div>
            }
            .into_any()
        }
        WorkflowReadiness::Unreadable => view! {
            <p class="workflow__state workflow__state--needs">"This file holds no workflow that the editor can open."</p>
        }
        .into_any(),
        WorkflowReadiness::Unknown => view! {
            <p class="workflow__state">"Whether it can run is known once the GPU machine has connected."</p>
        }
        .into_any(),
    }
}
