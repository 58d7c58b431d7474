//! One result at full size, over everything else. Arrow keys lead on, Escape closes.

use domain::SeatId;
use leptos::either::EitherOf4;
use leptos::ev;
use leptos::html::Dialog;
use leptos::prelude::*;

use crate::api::artifact::MediaKind;
use crate::api::gallery::GalleryItemView;
use crate::components::{Icon, Moment, Shape};
use crate::format;

#[component]
pub(crate) fn Lightbox(
    seat: SeatId,
    items: Signal<Vec<GalleryItemView>>,
    /// The id of the shown item.
    selected: RwSignal<Option<i64>>,
) -> impl IntoView {
    let dialog = NodeRef::<Dialog>::new();
    let current = Memo::new(move |_| {
        let selected = selected.get()?;
        items.with(|items| items.iter().find(|item| item.id == selected).cloned())
    });
    Effect::new(move |_| {
        let is_wanted = current.with(Option::is_some);
        let Some(dialog) = dialog.get() else { return };
        if is_wanted && !dialog.open() {
            // Fails only for a dialog that is already open or not in the page.
            if let Err(error) = dialog.show_modal() {
                leptos::logging::warn!("the lightbox did not open: {error:?}");
            }
        } else if !is_wanted && dialog.open() {
            dialog.close();
        }
    });
    let step = move |by: isize| {
        let next = items.with_untracked(|items| neighbour(items, selected.get_untracked(), by));
        if next.is_some() {
            selected.set(next);
        }
    };
    let on_key = move |event: ev::KeyboardEvent| match event.key().as_str() {
        "ArrowLeft" => step(-1),
        "ArrowRight" => step(1),
        // The dialog closes itself; the drawer behind it must not.
        "Escape" => event.stop_propagation(),
        _ => {}
    };
    let close_from_backdrop = move |event: ev::MouseEvent| {
        if event_target::<web_sys::Element>(&event).tag_name() == "DIALOG" {
            selected.set(None);
        }
    };
    view! {
        <dialog
            class="lightbox"
            aria-label="Result"
            node_ref=dialog
            on:close=move |_| selected.set(None)
            on:keydown=on_key
            on:click=close_from_backdrop
        >
            {move || current.get().map(|item| view! { <Shown seat item/> })}
            <div class="lightbox__steps">
                <button class="button button--icon" type="button" aria-label="Newer" on:click=move |_| step(-1)>
                    <Icon shape=Shape::Previous/>
                </button>
                <button class="button button--icon" type="button" aria-label="Older" on:click=move |_| step(1)>
                    <Icon shape=Shape::Next/>
                </button>
                <button
                    class="button button--icon"
                    type="button"
                    aria-label="Close"
                    on:click=move |_| selected.set(None)
                >
                    <Icon shape=Shape::Close/>
                </button>
            </div>
        </dialog>
    }
    .into_any()
}

#[component]
fn Shown(seat: SeatId, item: GalleryItemView) -> impl IntoView {
    let href = item.file.href(seat);
    let name = item.file.filename.clone();
    let media = match item.media() {
        MediaKind::Image => {
            EitherOf4::A(view! { <img class="lightbox__media" src=href.clone() alt=name.clone()/> })
        }
        MediaKind::Video => EitherOf4::B(
            view! { <video class="lightbox__media" src=href.clone() controls autoplay loop playsinline></video> },
        ),
        MediaKind::Audio => {
            EitherOf4::C(view! { <audio class="lightbox__media" src=href.clone() controls></audio> })
        }
        MediaKind::Other => {
            EitherOf4::D(view! { <p class="lightbox__media">"This file can only be downloaded."</p> })
        }
    };
    view! {
        <figure class="lightbox__figure">
            {media}
            <figcaption class="lightbox__caption">
                <span class="lightbox__name">{name.clone()}</span>
                <span>{format::bytes(item.bytes)}</span>
                <Moment at=item.created_at/>
                <a class="button button--small" href=href download=name>
                    <Icon shape=Shape::Download/>
                    "Download"
                </a>
            </figcaption>
        </figure>
    }
    .into_any()
}

/// The id of the item `by` places after the selected one; nothing past either end.
fn neighbour(items: &[GalleryItemView], selected: Option<i64>, by: isize) -> Option<i64> {
    let place = items.iter().position(|item| Some(item.id) == selected)?;
    items.get(place.checked_add_signed(by)?).map(|item| item.id)
}
