//! The instructor's hand on one seat: what is wanted at once in the open, the rest one
//! press away.

use leptos::prelude::*;

use crate::api::admin::{ClearSeat, DemoSeat, PauseSeat, RotateLink, SeatSummaryView};
use crate::components::{ActionButton, ConfirmedAction, CopyField, Weight, hidden};
use crate::pages::admin::people::forms::MessageForm;
use crate::pages::admin::tab::Tab;
use crate::paths;

#[component]
pub(crate) fn SeatActions(seat: Memo<SeatSummaryView>) -> impl IntoView {
    let id = seat.with_untracked(|seat| seat.seat);
    let is_paused = Memo::new(move |_| seat.with(|seat| seat.is_paused));
    let is_demo = Memo::new(move |_| seat.with(|seat| seat.is_demo));
    let pause_label = Signal::derive(move || if is_paused.get() { "Resume" } else { "Pause" }.to_owned());
    let demo_label = Signal::derive(move || if is_demo.get() { "End demo" } else { "Demo seat" }.to_owned());
    view! {
        <div class="actions">
            <ActionButton
                action={ServerAction::<PauseSeat>::new()}
                label=pause_label
                pending_label="One moment…"
                fields=vec![
                    hidden("seat", id.to_string()),
                    hidden("is_paused", Signal::derive(move || (!is_paused.get()).to_string())),
                ]
                weight=Weight::Quiet
                about=id.to_string()
            />
            <div title="What this seat runs starts at once.">
                <ActionButton
                    action={ServerAction::<DemoSeat>::new()}
                    label=demo_label
                    pending_label="One moment…"
                    fields=vec![
                        hidden("seat", id.to_string()),
                        hidden("is_demo", Signal::derive(move || (!is_demo.get()).to_string())),
                    ]
                    weight=Weight::Quiet
                    about=id.to_string()
                />
            </div>
            <details class="confirm">
                <summary class="button button--quiet" aria-label=format!("More: {id}")>"More"</summary>
                <div class="confirm__question menu">
                    <MoreActions seat/>
                </div>
            </details>
        </div>
    }
    .into_any()
}

#[component]
fn MoreActions(seat: Memo<SeatSummaryView>) -> impl IntoView {
    let id = seat.with_untracked(|seat| seat.seat);
    let path = Memo::new(move |_| seat.with(|seat| seat.join_path.clone()));
    let message = Memo::new(move |_| seat.with(|seat| seat.message.clone()));
    view! {
        <CopyField label=format!("Join link of {id}") path/>
        <MessageForm seat=id message/>
        <a class="button button--small" href=paths::seat(id) rel="external" target="_blank">
            "Look at the workspace (new tab)"
        </a>
        <a class="button button--small" href=format!("{}&seat={id}", Tab::Activity.href())>"See what happened"</a>
        <ConfirmedAction
            action={ServerAction::<RotateLink>::new()}
            label="New join link"
            question="The old link stops working and whoever is at this seat has to open the new one."
            yes="Yes, make a new link"
            pending_label="Making…"
            fields=vec![hidden("seat", id.to_string())]
            about=id.to_string()
        />
        <ConfirmedAction
            action={ServerAction::<ClearSeat>::new()}
            label="Cancel all jobs"
            question="Cancel all jobs of this seat, the running one too?"
            yes="Yes, cancel all"
            pending_label="Cancelling…"
            fields=vec![hidden("seat", id.to_string())]
            about=id.to_string()
        />
    }
    .into_any()
}
