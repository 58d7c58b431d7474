//! What is typed for a seat: its name, and a message to it.

use domain::SeatId;
use leptos::form::ActionForm;
use leptos::html::Input;
use leptos::prelude::*;

use crate::api::admin::{MessageSeat, RenameSeat};
use crate::components::{ActionButton, ActionFailure, SubmitButton, Weight, failure_of, hidden};

/// As many characters as the workshop takes.
const LONGEST_NAME: &str = "40";
const LONGEST_MESSAGE: &str = "500";

#[component]
pub(crate) fn NameForm(seat: SeatId, name: Memo<String>) -> impl IntoView {
    let rename = ServerAction::<RenameSeat>::new();
    view! {
        <div class="action">
            <ActionForm action=rename>
                <input type="hidden" name="seat" value=seat.to_string()/>
                <div class="line-form line-form--small">
                    <input
                        class="field line-form__text"
                        name="name"
                        type="text"
                        maxlength=LONGEST_NAME
                        autocomplete="off"
                        placeholder="No name"
                        aria-label=format!("Name of {seat}")
                        value=move || name.get()
                        prop:value=move || name.get()
                    />
                    <SubmitButton
                        is_pending=rename.pending()
                        label="Save"
                        pending_label="Saving…"
                        weight=Weight::Quiet
                        about=format!("name of {seat}")
                    />
                </div>
            </ActionForm>
            <ActionFailure failure=failure_of(rename)/>
        </div>
    }
    .into_any()
}

#[component]
pub(crate) fn MessageForm(seat: SeatId, message: Memo<Option<String>>) -> impl IntoView {
    let send = ServerAction::<MessageSeat>::new();
    let field = NodeRef::<Input>::new();
    // What has been sent need not be sent again.
    Effect::new(move |_| {
        if let (Some(Ok(())), Some(field)) = (send.value().get(), field.get_untracked()) {
            field.set_value("");
        }
    });
    view! {
        <div class="action">
            {move || {
                message
                    .get()
                    .map(|text| {
                        view! {
                            <p class="table__note">{format!("Shown on its page: {text}")}</p>
                            <ActionButton
                                action={ServerAction::<MessageSeat>::new()}
                                label="Take the message away"
                                pending_label="Taking away…"
                                fields=vec![hidden("seat", seat.to_string()), hidden("text", "")]
                                weight=Weight::Quiet
                            />
                        }
                    })
            }}
            <ActionForm action=send>
                <input type="hidden" name="seat" value=seat.to_string()/>
                <div class="line-form">
                    <input
                        class="field line-form__text"
                        name="text"
                        type="text"
                        maxlength=LONGEST_MESSAGE
                        required
                        autocomplete="off"
                        node_ref=field
                        placeholder="Message"
                        aria-label=format!("Message to {seat}")
                    />
                    <SubmitButton is_pending=send.pending() label="Send" pending_label="Sending…"/>
                </div>
            </ActionForm>
            <ActionFailure failure=failure_of(send)/>
        </div>
    }
    .into_any()
}
