//! What the instructor tells everybody at once.

use leptos::form::ActionForm;
use leptos::prelude::*;

use crate::api::admin::Announce;
use crate::components::{ActionButton, ActionFailure, SubmitButton, Weight, failure_of, hidden};

/// As many characters as the workshop takes.
const LONGEST: &str = "500";

#[component]
pub(crate) fn AnnouncementForm(announcement: Memo<Option<String>>) -> impl IntoView {
    let announce = ServerAction::<Announce>::new();
    let text = move || announcement.get().unwrap_or_default();
    let is_set = Memo::new(move |_| announcement.with(|text| text.is_some()));
    view! {
        <section class="desk" aria-labelledby="announcement-heading">
            <h2 id="announcement-heading">"Announcement"</h2>
            <p class="desk__hint">"One line on top of every participant's page until you clear it."</p>
            <ActionForm action=announce>
                <div class="line-form">
                    <label class="visually-hidden" for="announcement">"Announcement for everybody"</label>
                    <input
                        class="field line-form__text"
                        id="announcement"
                        name="text"
                        type="text"
                        maxlength=LONGEST
                        required
                        autocomplete="off"
                        value=text
                        prop:value=text
                    />
                    <SubmitButton is_pending=announce.pending() label="Announce" pending_label="Announcing…"/>
                </div>
            </ActionForm>
            <ActionFailure failure=failure_of(announce)/>
            <Show when=move || is_set.get()>
                <ActionButton
                    action={ServerAction::<Announce>::new()}
                    label="Clear the announcement"
                    pending_label="Clearing…"
                    fields=vec![hidden("text", "")]
                    weight=Weight::Quiet
                />
            </Show>
        </section>
    }
    .into_any()
}
