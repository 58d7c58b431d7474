//! The instructor's hand on one job in line.

use domain::{JobId, Priority};
use leptos::either::Either;
use leptos::prelude::*;

use crate::api::admin::{AdminView, CancelJobAsAdmin, JobMoves, PrioritiseJob};
use crate::api::job::JobView;
use crate::components::{ActionButton, ConfirmedAction, Weight, hidden};

#[component]
pub(crate) fn JobActions(view: Signal<AdminView>, job: Memo<JobView>) -> impl IntoView {
    let (id, about) = job.with_untracked(|job| (job.id, format!("{}, {}", job.title, job.seat)));
    let about = StoredValue::new(about);
    let moves = Memo::new(move |_| job.with(JobMoves::of));
    let interrupts = Memo::new(move |_| view.with(|view| view.is_other_running(id)));
    view! {
        <div class="actions">
            <Show when=move || moves.get().demo>
                <DemoNow job=id about=about.get_value() interrupts/>
            </Show>
            <Show when=move || moves.get().first>
                <Move job=id about=about.get_value() label="First" priority=Priority::Demo/>
            </Show>
            <Show when=move || moves.get().raise>
                <Move job=id about=about.get_value() label="Raise" priority=Priority::Raised/>
            </Show>
            <Show when=move || moves.get().lower>
                <Move job=id about=about.get_value() label="Lower" priority=Priority::Normal/>
            </Show>
            <Show when=move || moves.get().cancel>
                <ConfirmedAction
                    action={ServerAction::<CancelJobAsAdmin>::new()}
                    label="Cancel"
                    question="Cancel this participant's job?"
                    yes="Yes, cancel it"
                    pending_label="Cancelling…"
                    fields=vec![hidden("job", id.to_string())]
                    about=about.get_value()
                />
            </Show>
        </div>
    }
    .into_any()
}

/// Asks only where somebody else's job would have to make room.
#[component]
fn DemoNow(job: JobId, about: String, interrupts: Memo<bool>) -> impl IntoView {
    let fields = move || {
        vec![
            hidden("job", job.to_string()),
            hidden("priority", Priority::Demo.as_str()),
            hidden("interrupts", "true"),
        ]
    };
    let action = ServerAction::<PrioritiseJob>::new();
    move || {
        let about = about.clone();
        if interrupts.get() {
            Either::Left(view! {
                <ConfirmedAction
                    action
                    label="Demo now"
                    question="Interrupts the running job, which goes on by itself afterwards."
                    yes="Yes, run this one now"
                    pending_label="Starting…"
                    fields=fields()
                    about
                />
            })
        } else {
            Either::Right(view! {
                <ActionButton action label="Demo now" pending_label="Starting…" fields=fields() weight=Weight::Quiet about/>
            })
        }
    }
}

#[component]
fn Move(job: JobId, about: String, label: &'static str, priority: Priority) -> impl IntoView {
    view! {
        <ActionButton
            action={ServerAction::<PrioritiseJob>::new()}
            label
            pending_label="Moving…"
            fields=vec![
                hidden("job", job.to_string()),
                hidden("priority", priority.as_str()),
                hidden("interrupts", "false"),
            ]
            weight=Weight::Quiet
            about
        />
    }
}
