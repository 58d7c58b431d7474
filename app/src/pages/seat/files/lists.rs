//! The seat's models and inputs, each with what it is called in the editor.

use domain::SeatId;
use leptos::either::Either;
use leptos::prelude::*;

use crate::api::artifact::MediaKind;
use crate::api::files::{DiscardInput, DiscardModel, InputView, ModelView};
use crate::components::{ActionButton, EmptyState, Icon, Shape, Thumbnail, Weight, hidden};
use crate::format;

#[component]
pub(super) fn ModelList(seat: SeatId, models: Memo<Vec<ModelView>>, is_observer: bool) -> impl IntoView {
    let discard = ServerAction::<DiscardModel>::new();
    let is_empty = Memo::new(move |_| models.with(Vec::is_empty));
    view! {
        <h3 class="files__heading">"My models"</h3>
        {move || {
            if is_empty.get() {
                Either::Left(
                    view! {
                        <EmptyState title="No models of your own">
                            "Add a .safetensors or .gguf file: it appears in your selectors as mine/…, and in nobody else's."
                        </EmptyState>
                    },
                )
            } else {
                Either::Right(
                    view! {
                        <ul class="files__list" role="list">
                            <For
                                each=move || models.get()
                                key=|model| (model.folder.clone(), model.name.clone(), model.bytes)
                                children=move |model| view! { <li><ModelRow seat model discard is_observer/></li> }
                            />
                        </ul>
                    },
                )
            }
        }}
    }
    .into_any()
}

#[component]
fn ModelRow(
    seat: SeatId,
    model: ModelView,
    discard: ServerAction<DiscardModel>,
    is_observer: bool,
) -> impl IntoView {
    let selector_name = model.selector_name();
    let fields = vec![
        hidden("seat", seat.to_string()),
        hidden("folder", model.folder.clone()),
        hidden("name", model.name.clone()),
    ];
    view! {
        <div class="file-row">
            <span class="file-row__picture"><Icon shape=Shape::File/></span>
            <p class="file-row__name">{selector_name}</p>
            <p class="file-row__facts">{format!("{} · {}", model.folder, format::bytes(model.bytes))}</p>
            {(!is_observer)
                .then(|| {
                    view! {
                        <ActionButton
                            action=discard
                            label="Delete"
                            pending_label="Deleting…"
                            fields
                            weight=Weight::Quiet
                            about=model.name
                        />
                    }
                })}
        </div>
    }
    .into_any()
}

#[component]
pub(super) fn InputList(
    seat: SeatId,
    inputs: Memo<(Vec<InputView>, u32)>,
    is_observer: bool,
) -> impl IntoView {
    let discard = ServerAction::<DiscardInput>::new();
    let is_empty = Memo::new(move |_| inputs.with(|(inputs, _)| inputs.is_empty()));
    let more = move || inputs.with(|(_, more)| *more);
    view! {
        <h3 class="files__heading">"My input files"</h3>
        {move || {
            if is_empty.get() {
                Either::Left(
                    view! {
                        <EmptyState title="No files yet">
                            "Pictures, videos and sounds that you add here or in the editor can be chosen in its loaders."
                        </EmptyState>
                    },
                )
            } else {
                Either::Right(
                    view! {
                        <ul class="files__list" role="list">
                            <For
                                each=move || inputs.with(|(inputs, _)| inputs.clone())
                                key=|input| (input.path(), input.bytes)
                                children=move |input| view! { <li><InputRow seat input discard is_observer/></li> }
                            />
                        </ul>
                    },
                )
            }
        }}
        {move || {
            (more() > 0)
                .then(|| {
                    view! {
                        <p class="files__more">
                            {format!("And {}, which the editor's loaders list.", format::count(more(), "older file", "older files"))}
                        </p>
                    }
                })
        }}
    }
    .into_any()
}

#[component]
fn InputRow(
    seat: SeatId,
    input: InputView,
    discard: ServerAction<DiscardInput>,
    is_observer: bool,
) -> impl IntoView {
    let path = input.path();
    let picture = match input.media() {
        MediaKind::Image => {
            Either::Left(view! { <Thumbnail href=Signal::stored(Some(input.file.preview_href(seat)))/> })
        }
        kind => {
            let shape = if kind == MediaKind::Audio { Shape::Sound } else { Shape::File };
            Either::Right(view! { <span class="file-row__picture"><Icon shape/></span> })
        }
    };
    let fields = vec![
        hidden("seat", seat.to_string()),
        hidden("subfolder", input.file.subfolder.clone()),
        hidden("filename", input.file.filename.clone()),
    ];
    view! {
        <div class="file-row">
            {picture}
            <p class="file-row__name">
                <a href=input.file.href(seat) rel="external" target="_blank">{path.clone()}</a>
            </p>
            <p class="file-row__facts">{format::bytes(input.bytes)}</p>
            {(!is_observer)
                .then(|| {
                    view! {
                        <ActionButton
                            action=discard
                            label="Delete"
                            pending_label="Deleting…"
                            fields
                            weight=Weight::Quiet
                            about=path
                        />
                    }
                })}
        </div>
    }
    .into_any()
}
