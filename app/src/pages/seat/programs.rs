//! For those who write programs: the seat as a ComfyUI, and the tokens that open it.

use domain::SeatId;
use leptos::either::Either;
use leptos::form::ActionForm;
use leptos::html::Input;
use leptos::prelude::*;

use crate::api::token::{
    ApiAccessView, MadeTokenView, MakeApiToken, RevokeApiToken, TokenView, read_api_access,
};
use crate::components::{
    ConfirmedAction, CopyField, EmptyState, Moment, Notice, SubmitButton, Tone, Weight, hidden,
};
use crate::pages::frame::Loading;
use crate::scope::within_page;

/// As many characters as the workshop takes.
const LONGEST_NAME: &str = "40";
/// Stands in the examples for a token.
const PLACEHOLDER: &str = "YOUR-TOKEN";

#[component]
pub(crate) fn Programs(
    seat: SeatId,
    /// Somebody looks on: nothing can be changed.
    is_observer: bool,
) -> impl IntoView {
    let make = ServerAction::<MakeApiToken>::new();
    let revoke = ServerAction::<RevokeApiToken>::new();
    let access = Resource::new(
        move || (make.version().get(), revoke.version().get()),
        move |_| within_page(read_api_access(seat)),
    );
    view! {
        <section class="programs" aria-labelledby="programs">
            <h2 id="programs">"Use it from a program"</h2>
            <Transition fallback=Loading>
                {move || Suspend::new(async move {
                    match access.await {
                        Ok(access) => Either::Left(view! { <Access seat access revoke is_observer/> }),
                        Err(error) => {
                            let text = format!("The API access could not be read. {error}");
                            Either::Right(view! { <Notice tone=Tone::Failure>{text}</Notice> })
                        }
                    }
                })}
            </Transition>
            {(!is_observer).then(|| view! { <MakeToken seat make/> })}
        </section>
    }
    .into_any()
}

#[component]
fn Access(
    seat: SeatId,
    access: ApiAccessView,
    revoke: ServerAction<RevokeApiToken>,
    is_observer: bool,
) -> impl IntoView {
    let ApiAccessView { base, needs_token, tokens } = access;
    let advice = if needs_token {
        "Every ComfyUI client and script works with your seat. Give it this address, and a token of yours."
    } else {
        "Every ComfyUI client and script works with your seat. Give it this address; in this workshop nobody needs a token."
    };
    view! {
        <p>{advice}</p>
        <CopyField label=format!("API address of {seat}") path=base.clone()/>
        <Examples base/>
        <TokenList seat tokens revoke is_observer/>
    }
    .into_any()
}

/// Once the page runs with the whole address, so that it can be copied as it stands.
#[component]
fn Examples(base: String) -> impl IntoView {
    let origin = RwSignal::new(String::new());
    Effect::new(move |_| origin.set(window().location().origin().unwrap_or_default()));
    let base =
        Signal::derive(
            move || {
                if base.contains("://") { base.clone() } else { format!("{}{base}", origin.get()) }
            },
        );
    view! {
        <details class="programs__examples">
            <summary>"Examples in Python and JavaScript"</summary>
            <p>
                "Here "<code>"graph"</code>
                " is a workflow that the editor saved as an API file (menu Workflow, Export (API))."
            </p>
            <pre tabindex="0" aria-label="Python">{move || python(&base.get())}</pre>
            <pre tabindex="0" aria-label="JavaScript">{move || javascript(&base.get())}</pre>
            <p>
                "A client that takes no headers takes the token as a password, before the host: "
                <code>"http://api:"{PLACEHOLDER}"@…"</code>
            </p>
        </details>
    }
}

#[component]
fn TokenList(
    seat: SeatId,
    tokens: Vec<TokenView>,
    revoke: ServerAction<RevokeApiToken>,
    is_observer: bool,
) -> impl IntoView {
    if tokens.is_empty() {
        return view! {
            <EmptyState title="No API tokens">
                "A token lets one program into this seat and into nothing else. You can end it at any time."
            </EmptyState>
        }
        .into_any();
    }
    let row = move |token: TokenView| {
        let TokenView { id, name, created_at, last_used_at } = token;
        let used = match last_used_at {
            Some(at) => Either::Left(view! { "last used " <Moment at/> }),
            None => Either::Right("never used"),
        };
        view! {
            <li class="programs__token">
                <p>
                    <strong>{name.clone()}</strong>
                    <span class="programs__when">"made " <Moment at=created_at/> ", " {used}</span>
                </p>
                {(!is_observer)
                    .then(|| {
                        view! {
                            <ConfirmedAction
                                action=revoke
                                label="Revoke"
                                question="Programs that use this token are shut out at once. This cannot be undone."
                                yes="Yes, revoke it"
                                pending_label="Revoking…"
                                fields=vec![hidden("seat", seat.to_string()), hidden("id", id.to_string())]
                                about=name
                            />
                        }
                    })}
            </li>
        }
    };
    view! {
        <ul class="programs__tokens" role="list" aria-label="API tokens">
            {tokens.into_iter().map(row).collect_view()}
        </ul>
    }
    .into_any()
}

#[component]
fn MakeToken(seat: SeatId, make: ServerAction<MakeApiToken>) -> impl IntoView {
    let field = NodeRef::<Input>::new();
    // The answer is the only place where the token is to be read, so that the form waits
    // until there is a page to show it.
    let is_live = RwSignal::new(false);
    Effect::new(move |_| is_live.set(true));
    Effect::new(move |_| {
        if let (Some(Ok(_)), Some(field)) = (make.value().get(), field.get_untracked()) {
            field.set_value("");
        }
    });
    view! {
        <ActionForm action=make>
            <input type="hidden" name="seat" value=seat.to_string()/>
            <fieldset class="programs__make" disabled=move || !is_live.get()>
                <div class="line-form">
                    <input
                        class="field line-form__text"
                        name="name"
                        type="text"
                        maxlength=LONGEST_NAME
                        autocomplete="off"
                        placeholder="What is it for?"
                        aria-label="Name of the new API token"
                        node_ref=field
                    />
                    <SubmitButton
                        is_pending=make.pending()
                        label="Make an API token"
                        pending_label="Making…"
                        weight=Weight::Plain
                    />
                </div>
            </fieldset>
        </ActionForm>
        {move || {
            make.value()
                .get()
                .filter(|_| is_live.get())
                .map(|made| match made {
                    Ok(made) => Either::Left(view! { <MadeToken made/> }),
                    Err(error) => {
                        let text = format!("No token was made. {error}");
                        Either::Right(view! { <Notice tone=Tone::Failure>{text}</Notice> })
                    }
                })
        }}
    }
    .into_any()
}

#[component]
fn MadeToken(made: MadeTokenView) -> impl IntoView {
    let MadeTokenView { name, secret } = made;
    view! {
        <div class="programs__made" role="status">
            <p>
                {format!("The token \u{201c}{name}\u{201d} is made. Copy it now: it is not shown again.")}
            </p>
            <CopyField label="New API token" path=secret is_address=false/>
        </div>
    }
}

fn python(base: &str) -> String {
    format!(
        "import requests\n\
         base, headers = \"{base}\", {{\"Authorization\": \"Bearer {PLACEHOLDER}\"}}\n\
         print(requests.post(f\"{{base}}/prompt\", json={{\"prompt\": graph}}, headers=headers).json())"
    )
}

fn javascript(base: &str) -> String {
    format!(
        "const base = \"{base}\", headers = {{ Authorization: \"Bearer {PLACEHOLDER}\" }};\n\
         const answer = await fetch(`${{base}}/prompt`, {{ method: \"POST\", headers, body: JSON.stringify({{ prompt: graph }}) }});\n\
         console.log(await answer.json());"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_name_the_seats_address_and_are_three_lines_each() {
        for example in
            [python("http://host/user/user001/comfy"), javascript("http://host/user/user001/comfy")]
        {
            assert!(example.contains("\"http://host/user/user001/comfy\""), "{example}");
            assert_eq!(example.lines().count(), 3, "{example}");
        }
    }
}
