//! What is set once and seldom changed: limits, the announcement, the links to hand out.

use leptos::form::ActionForm;
use leptos::prelude::*;

use domain::SchedulingMode;

use crate::api::admin::{AdminView, SeatSummaryView, SetCaps};
use crate::api::policy::{mode_sentence, mode_word};
use crate::components::{ActionFailure, CopyField, Flag, FlagBadge, SubmitButton, failure_of};
use crate::live::follow_row;
use crate::pages::admin::announcement::AnnouncementForm;

#[component]
pub(crate) fn Settings(view: Signal<AdminView>) -> impl IntoView {
    let announcement = Memo::new(move |_| view.with(|view| view.queue.announcement.clone()));
    view! {
        <AnnouncementForm announcement/>
        <Limits view/>
        <Modes view/>
        <JoinLinks view/>
    }
    .into_any()
}

#[component]
fn Limits(view: Signal<AdminView>) -> impl IntoView {
    let set_caps = ServerAction::<SetCaps>::new();
    let max_queued = Memo::new(move |_| view.with(|view| view.queue.max_queued_per_seat));
    let max_running = Memo::new(move |_| view.with(|view| view.queue.max_running_per_seat));
    view! {
        <section class="desk" aria-labelledby="limits-heading">
            <h2 id="limits-heading">"Limits"</h2>
            <ActionForm action=set_caps>
                <div class="caps">
                    <CapField name="max_queued" label="Jobs that one seat may have waiting" cap=max_queued/>
                    <CapField name="max_running" label="Jobs that one seat may run at once" cap=max_running/>
                    <SubmitButton is_pending=set_caps.pending() label="Set the limits" pending_label="Setting…"/>
                </div>
            </ActionForm>
            <ActionFailure failure=failure_of(set_caps)/>
        </section>
    }
    .into_any()
}

/// Left empty it is sent as such, and decoded as no limit.
#[component]
fn CapField(name: &'static str, label: &'static str, cap: Memo<Option<u32>>) -> impl IntoView {
    let value = move || cap.get().map(|cap| cap.to_string()).unwrap_or_default();
    view! {
        <label class="caps__cap">
            <span>{label}</span>
            <input
                class="field"
                type="number"
                name=name
                min="1"
                max="1000"
                step="1"
                inputmode="numeric"
                placeholder="No limit"
                value=value
                prop:value=value
            />
        </label>
    }
}

/// What the three choices on top of the page mean.
#[component]
fn Modes(view: Signal<AdminView>) -> impl IntoView {
    let current = Memo::new(move |_| view.with(|view| view.queue.mode));
    view! {
        <section class="desk" aria-labelledby="modes-heading">
            <h2 id="modes-heading">"How the queue is shared"</h2>
            <dl class="modes">
                {SchedulingMode::ALL
                    .into_iter()
                    .map(|mode| {
                        view! {
                            <div class="modes__mode" class=("modes__mode--current", move || current.get() == mode)>
                                <dt>
                                    {mode_word(mode)}
                                    <Show when=move || current.get() == mode>" · in use"</Show>
                                </dt>
                                <dd>{mode_sentence(mode)}</dd>
                            </div>
                        }
                    })
                    .collect_view()}
            </dl>
            <p class="desk__hint">"Switch it on top of this page. Demonstrations and raised jobs go first in any case."</p>
        </section>
    }
    .into_any()
}

/// To print and hand out, or to copy into a chat.
#[component]
fn JoinLinks(view: Signal<AdminView>) -> impl IntoView {
    let seats: Signal<Vec<SeatSummaryView>> =
        Signal::from(Memo::new(move |_| view.with(|view| view.seats.clone())));
    view! {
        <section class="desk desk--printed" aria-labelledby="links-heading">
            <h2 id="links-heading">"Join links"</h2>
            <ul class="join-links" role="list">
                <For
                    each=move || seats.get()
                    key=|seat| seat.seat
                    children=move |seat| {
                        let seat = follow_row(seats, seat, |seat| seat.seat);
                        view! { <JoinLink seat/> }
                    }
                />
            </ul>
        </section>
    }
    .into_any()
}

#[component]
fn JoinLink(seat: Memo<SeatSummaryView>) -> impl IntoView {
    let id = seat.with_untracked(|seat| seat.seat);
    let path = Memo::new(move |_| seat.with(|seat| seat.join_path.clone()));
    let is_demo = Memo::new(move |_| seat.with(|seat| seat.is_demo));
    view! {
        <li class="join-links__link">
            <span class="who">
                <span class="who__seat">{id.to_string()}</span>
                <span class="who__name">{move || seat.with(|seat| seat.name.clone())}</span>
                <Show when=move || is_demo.get()><FlagBadge flag=Flag::Demo/></Show>
            </span>
            <CopyField label=format!("Join link of {id}") path/>
        </li>
    }
    .into_any()
}
