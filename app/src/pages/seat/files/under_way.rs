//! Uploads: those that this page sends, and those of before that wait for their file.

use domain::SeatId;
use leptos::either::{Either, EitherOf3};
use leptos::ev;
use leptos::prelude::*;
use web_sys::HtmlInputElement;

use crate::api::files::{CancelUpload, UploadView};
use crate::components::{ConfirmedAction, ProgressBar, hidden};
use crate::format;
use crate::live::follow_row;
use crate::pages::seat::files::add::list;
use crate::pages::seat::files::plan::{Phase, progress_line};
use crate::pages::seat::files::transfers::{Transfer, Transfers};

#[component]
pub(super) fn UnderWay(seat: SeatId, uploads: Memo<Vec<UploadView>>, is_observer: bool) -> impl IntoView {
    let transfers = expect_context::<Transfers>();
    let rows = transfers.list();
    let begun_before = Memo::new(move |_| {
        let mut uploads = uploads.get();
        uploads.retain(|upload| !transfers.has(&upload.id));
        uploads
    });
    let cancel = ServerAction::<CancelUpload>::new();
    view! {
        <ul class="uploads" role="list" aria-label="Uploads">
            <For
                each=move || rows.get()
                key=|transfer| transfer.key
                children=move |transfer| {
                    let transfer = follow_row(rows, transfer, |transfer| transfer.key);
                    view! { <li><TransferRow transfers transfer/></li> }
                }
            />
            <For
                each=move || begun_before.get()
                key=|upload| (upload.id.clone(), upload.received)
                children=move |upload| view! { <li><BegunRow seat transfers upload cancel is_observer/></li> }
            />
        </ul>
    }
    .into_any()
}

#[component]
fn TransferRow(transfers: Transfers, transfer: Memo<Transfer>) -> impl IntoView {
    let (key, name) = transfer.with_untracked(|transfer| (transfer.key, transfer.name.clone()));
    let percent = Signal::derive(move || {
        transfer.with(|transfer| format::percent(transfer.sent as f64, transfer.bytes as f64))
    });
    let phase = Memo::new(move |_| transfer.with(|transfer| transfer.phase.clone()));
    let line = move || {
        transfer.with(|transfer| {
            let progress = || progress_line(transfer.sent, transfer.bytes, transfer.rate);
            match &transfer.phase {
                Phase::Waiting => "Waits for the one before it.".to_owned(),
                Phase::Sending => progress(),
                Phase::Retrying => "The connection broke. It goes on by itself.".to_owned(),
                Phase::Paused => {
                    format!("Paused at {} of {}", format::bytes(transfer.sent), format::bytes(transfer.bytes))
                }
                Phase::Done if transfer.model_folder.is_some() => {
                    format!("Here. Press R in the editor, then choose mine/{}.", transfer.name)
                }
                Phase::Done => "Here. Press R in the editor, then choose it in a loader.".to_owned(),
                Phase::Failed(reason) => reason.clone(),
            }
        })
    };
    let about = {
        let name = name.clone();
        move |word: &str| format!("{word}: {name}")
    };
    let buttons = {
        let about = about.clone();
        move || match phase.get() {
            Phase::Waiting | Phase::Sending | Phase::Retrying => EitherOf3::A(view! {
                <button class="button button--small" type="button" aria-label=about("Pause") on:click=move |_| transfers.pause(key)>
                    "Pause"
                </button>
            }),
            Phase::Paused => EitherOf3::B(view! {
                <button class="button button--small" type="button" aria-label=about("Go on") on:click=move |_| transfers.go_on(key)>
                    "Go on"
                </button>
            }),
            Phase::Done | Phase::Failed(_) => EitherOf3::C(()),
        }
    };
    let remove =
        move || if matches!(phase.get(), Phase::Done | Phase::Failed(_)) { "Dismiss" } else { "Cancel" };
    view! {
        <div class="upload" class:upload--failed=move || matches!(phase.get(), Phase::Failed(_)) data-phase=move || phase_word(&phase.get())>
            <p class="upload__name">{name}</p>
            {move || {
                if matches!(phase.get(), Phase::Done | Phase::Failed(_)) {
                    Either::Left(())
                } else {
                    Either::Right(view! { <ProgressBar percent label="Uploaded"/> })
                }
            }}
            <p class="upload__line" role=move || matches!(phase.get(), Phase::Failed(_)).then_some("alert")>{line}</p>
            <div class="upload__buttons">
                {buttons}
                <button class="button button--small button--quiet" type="button" aria-label=move || about(remove()) on:click=move |_| transfers.remove(key)>
                    {remove}
                </button>
            </div>
        </div>
    }
    .into_any()
}

fn phase_word(phase: &Phase) -> &'static str {
    match phase {
        Phase::Waiting => "waiting",
        Phase::Sending => "sending",
        Phase::Retrying => "retrying",
        Phase::Paused => "paused",
        Phase::Done => "done",
        Phase::Failed(_) => "failed",
    }
}

/// Begun by another page, or before this one was reloaded.
#[component]
fn BegunRow(
    seat: SeatId,
    transfers: Transfers,
    upload: UploadView,
    cancel: ServerAction<CancelUpload>,
    is_observer: bool,
) -> impl IntoView {
    let percent = format::percent(upload.received as f64, upload.bytes as f64);
    let line = format!(
        "{} of {} are here. Choose the same file again to go on.",
        format::bytes(upload.received),
        format::bytes(upload.bytes)
    );
    let (name, id) = (upload.name.clone(), upload.id.clone());
    let pick = move |event: ev::Event| {
        let field = event_target::<HtmlInputElement>(&event);
        for file in list(field.files()).into_iter().take(1) {
            transfers.resume(&upload, file);
        }
        field.set_value("");
    };
    view! {
        <div class="upload" data-phase="begun">
            <p class="upload__name">{name.clone()}</p>
            <ProgressBar percent=Signal::stored(percent) label="Uploaded"/>
            <p class="upload__line">{line}</p>
            {(!is_observer)
                .then(|| {
                    let fields = vec![hidden("seat", seat.to_string()), hidden("id", id)];
                    view! {
                        <div class="upload__buttons">
                            <label class="button button--small pick">
                                "Choose the file"
                                <input class="pick__field" type="file" on:change=pick/>
                            </label>
                            <ConfirmedAction
                                action=cancel
                                label="Cancel"
                                question="Drop what has arrived of it?"
                                yes="Yes, drop it"
                                pending_label="Dropping…"
                                fields
                                about=name
                            />
                        </div>
                    }
                })}
        </div>
    }
    .into_any()
}
