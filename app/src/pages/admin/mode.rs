//! How the queue is shared: one choice of three, made by choosing.

use domain::SchedulingMode;
use leptos::ev;
use leptos::form::ActionForm;
use leptos::html;
use leptos::prelude::*;

use crate::api::admin::SetMode;
use crate::api::policy::{mode_sentence, mode_word};
use crate::components::{ActionFailure, SubmitButton, failure_of};

#[component]
pub(crate) fn ModeSwitch(mode: Memo<SchedulingMode>) -> impl IntoView {
    let set_mode = ServerAction::<SetMode>::new();
    let failure = failure_of(set_mode);
    // What was chosen and has not come back in the view yet.
    let chosen = RwSignal::new(None::<SchedulingMode>);
    Effect::new(move |_| {
        mode.track();
        chosen.set(None);
    });
    Effect::new(move |_| {
        if failure.with(|failure| failure.is_some()) {
            chosen.set(None);
        }
    });
    let shown = Memo::new(move |_| chosen.get().unwrap_or_else(|| mode.get()));
    let form = NodeRef::<html::Form>::new();
    let choose = Callback::new(move |wanted: SchedulingMode| {
        chosen.set(Some(wanted));
        if let Some(form) = form.get_untracked() {
            // Refused only where the form could not be sent by hand either.
            let _ = form.request_submit();
        }
    });
    view! {
        <div class="strip__mode">
            <ActionForm action=set_mode node_ref=form>
                <fieldset class="segmented" aria-describedby="mode-sentence">
                    <legend class="visually-hidden">"How the queue is shared"</legend>
                    {SchedulingMode::ALL
                        .into_iter()
                        .map(|mode| view! { <ModeChoice mode shown choose/> })
                        .collect_view()}
                    <div class="segmented__submit">
                        <SubmitButton is_pending=set_mode.pending() label="Use it" pending_label="Switching…"/>
                    </div>
                </fieldset>
            </ActionForm>
            <p class="strip__sentence" id="mode-sentence">
                {move || if set_mode.pending().get() { "Switching…" } else { mode_sentence(shown.get()) }}
            </p>
            <ActionFailure failure/>
        </div>
    }
    .into_any()
}

#[component]
fn ModeChoice(
    mode: SchedulingMode,
    shown: Memo<SchedulingMode>,
    choose: Callback<SchedulingMode>,
) -> impl IntoView {
    let is_shown = move || shown.get() == mode;
    let on_change = move |_: ev::Event| choose.run(mode);
    view! {
        <label class="segmented__choice" title=mode_sentence(mode)>
            <input
                class="segmented__radio"
                type="radio"
                name="mode"
                value=mode.as_str()
                checked=is_shown
                prop:checked=is_shown
                on:change=on_change
            />
            <span>{mode_word(mode)}</span>
        </label>
    }
}
