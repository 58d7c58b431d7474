//! My workflows: those that the workshop gave and those saved in the editor, each with
//! whether it can run here.

mod entry;

use domain::SeatId;
use leptos::either::EitherOf3;
use leptos::prelude::*;

use crate::api::workflow::{RestoreWorkflow, WorkflowView, read_workflows};
use crate::components::{EmptyState, Notice, Tone};
use crate::error::AppError;
use crate::pages::frame::Loading;
use crate::pages::seat::workflows::entry::Entry;
use crate::scope::within_page;

type Workflows = Resource<Result<Vec<WorkflowView>, AppError>>;

#[component]
pub(crate) fn WorkflowsPanel(seat: SeatId, is_observer: bool) -> impl IntoView {
    let restore = ServerAction::<RestoreWorkflow>::new();
    let workflows: Workflows =
        Resource::new(move || restore.version().get(), move |_| within_page(read_workflows(seat)));
    // All that reads the resource lives below this boundary. Read above it, it would
    // suspend the whole page and with it reload the editor.
    view! {
        <section class="workflows">
            <h2 class="visually-hidden">"My workflows"</h2>
            <div class="workflows__head">
                <p>"Saved in the editor, or given by the workshop. What you change is yours."</p>
                <button class="button button--small button--quiet" type="button" on:click=move |_| workflows.refetch()>
                    "Look again"
                </button>
            </div>
            {move || {
                let failure = restore.value().get().and_then(Result::err);
                failure.map(|error| view! { <Notice tone=Tone::Failure>{format!("Not restored. {error}")}</Notice> })
            }}
            <Transition fallback=Loading>
                <List seat workflows restore is_observer/>
            </Transition>
        </section>
    }
    .into_any()
}

#[component]
fn List(
    seat: SeatId,
    workflows: Workflows,
    restore: ServerAction<RestoreWorkflow>,
    is_observer: bool,
) -> impl IntoView {
    move || {
        workflows.get().map(|read| match read {
            Err(error) => EitherOf3::A(
                view! { <Notice tone=Tone::Failure>{format!("The workflows could not be read. {error}")}</Notice> },
            ),
            Ok(list) if list.is_empty() => EitherOf3::B(
                view! {
                    <EmptyState title="No workflows yet">
                        "Build one in the editor or open a template, and save it with Ctrl+S. It then appears here and in the editor's side bar."
                    </EmptyState>
                },
            ),
            Ok(list) => EitherOf3::C(
                view! {
                    <ul class="workflows__list" role="list">
                        {list
                            .into_iter()
                            .map(|workflow| view! { <li><Entry seat workflow restore is_observer/></li> })
                            .collect_view()}
                    </ul>
                },
            ),
        })
    }
}
