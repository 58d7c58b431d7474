//! On top of every tab: can jobs run, how full is the class, and the two handles that an
//! instructor needs at once, the pause and the mode.

use leptos::prelude::*;

use crate::api::admin::{AdminView, PauseQueue};
use crate::components::{ActionButton, EngineBadge, Weight, hidden};
use crate::pages::admin::counts::Counts;
use crate::pages::admin::mode::ModeSwitch;

#[component]
pub(crate) fn Strip(view: Signal<AdminView>) -> impl IntoView {
    let engine = Memo::new(move |_| view.with(|view| view.engine));
    let mode = Memo::new(move |_| view.with(|view| view.queue.mode));
    let is_paused = Memo::new(move |_| view.with(|view| view.queue.is_paused));
    let announcement = Memo::new(move |_| view.with(|view| view.queue.announcement.clone()));
    view! {
        <section class="strip" class=("strip--paused", move || is_paused.get()) aria-label="Control">
            <div class="strip__facts">
                <EngineBadge state=engine/>
                <Counts view/>
            </div>
            <PauseSwitch is_paused/>
            <ModeSwitch mode/>
            {move || {
                announcement
                    .get()
                    .map(|text| {
                        view! {
                            <p class="strip__announcement">
                                <strong>"Announced to all: "</strong>
                                {text}
                            </p>
                        }
                    })
            }}
        </section>
    }
    .into_any()
}

#[component]
fn PauseSwitch(is_paused: Memo<bool>) -> impl IntoView {
    let state = move || if is_paused.get() { "Paused. Nothing new starts." } else { "The queue runs." };
    // One button for both, so that it keeps the focus when its meaning turns round.
    let label = Signal::derive(move || {
        if is_paused.get() { "Resume the queue" } else { "Pause the queue" }.to_owned()
    });
    let wanted = Signal::derive(move || (!is_paused.get()).to_string());
    view! {
        <div class="strip__pause">
            <p class="strip__state" role="status">{state}</p>
            <ActionButton
                action={ServerAction::<PauseQueue>::new()}
                label
                pending_label="One moment…"
                fields=vec![hidden("is_paused", wanted)]
                weight=Weight::Primary
            />
        </div>
    }
}
