//! One result at full size, over everything else, or two against each other. Arrow keys lead
//! on, Escape closes; F, D, C and Delete do what the buttons do.

use domain::SeatId;
use leptos::either::{Either, EitherOf4};
use leptos::ev;
use leptos::html::Dialog;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;

use crate::api::artifact::MediaKind;
use crate::api::gallery::{DiscardResults, GalleryItemView, SetFavourite};
use crate::api::gallery_query::these;
use crate::components::{Icon, Moment, Shape};
use crate::format;
use crate::pages::seat::gallery::compare::Compare;
use crate::pages::seat::open_in_editor::OpenButton;
use crate::paths;

#[component]
pub(super) fn Lightbox(
    seat: SeatId,
    items: Signal<Vec<GalleryItemView>>,
    /// The id of the shown item.
    selected: RwSignal<Option<i64>>,
    /// The id of the one it is compared with.
    against: RwSignal<Option<i64>>,
    favour: ServerAction<SetFavourite>,
    discard: ServerAction<DiscardResults>,
    is_observer: bool,
) -> impl IntoView {
    let dialog = NodeRef::<Dialog>::new();
    let find = move |id: Option<i64>| {
        id.and_then(|id| items.with(|items| items.iter().find(|item| item.id == id).cloned()))
    };
    let current = Memo::new(move |_| find(selected.get()));
    let other = Memo::new(move |_| find(against.get()).filter(|other| Some(other.id) != selected.get()));
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
    let close = move || {
        selected.set(None);
        against.set(None);
    };
    let mark = move || {
        if let Some(item) = current.get_untracked().filter(|_| !is_observer) {
            let is_favourite = !item.is_favourite;
            favour.dispatch(SetFavourite { seat, chosen: these([item.id]), is_favourite });
        }
    };
    let delete = move || {
        let Some(item) = current.get_untracked().filter(|_| !is_observer) else { return };
        // The next older one comes into view, or the next newer behind the last.
        let next = items.with_untracked(|items| {
            neighbour(items, Some(item.id), 1).or_else(|| neighbour(items, Some(item.id), -1))
        });
        selected.set(next);
        against.set(None);
        discard.dispatch(DiscardResults { seat, chosen: these([item.id]) });
    };
    let compare = move || {
        let next = match against.get_untracked() {
            Some(_) => None,
            None => items.with_untracked(|items| {
                let selected = selected.get_untracked();
                neighbour(items, selected, 1).or_else(|| neighbour(items, selected, -1))
            }),
        };
        against.set(next);
    };
    let download = move || {
        let link = dialog.get_untracked().and_then(|dialog| {
            dialog
                .query_selector("a.lightbox__download")
                .ok()
                .flatten()?
                .dyn_into::<web_sys::HtmlElement>()
                .ok()
        });
        if let Some(link) = link {
            link.click();
        }
    };
    let on_key = move |event: ev::KeyboardEvent| {
        // Of the slider and the players, the arrows are their own.
        let is_in_field = event
            .target()
            .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
            .is_some_and(|element| matches!(element.tag_name().as_str(), "INPUT" | "VIDEO" | "AUDIO"));
        if event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        match event.key().as_str() {
            "ArrowLeft" if !is_in_field => step(-1),
            "ArrowRight" if !is_in_field => step(1),
            "f" | "F" => mark(),
            "d" | "D" => download(),
            "c" | "C" => compare(),
            "Delete" => delete(),
            // The dialog closes itself; the drawer behind it must not.
            "Escape" => event.stop_propagation(),
            _ => {}
        }
    };
    let close_from_backdrop = move |event: ev::MouseEvent| {
        if event_target::<web_sys::Element>(&event).tag_name() == "DIALOG" {
            close();
        }
    };
    view! {
        <dialog
            class="lightbox"
            aria-label="Result"
            node_ref=dialog
            on:close=move |_| close()
            on:keydown=on_key
            on:click=close_from_backdrop
        >
            {move || {
                current
                    .get()
                    .map(|item| {
                        let shown = item.clone();
                        let stage = match other.get() {
                            Some(left) => Either::Left(view! { <Compare seat left right=shown/> }),
                            None => Either::Right(view! { <Media seat item=shown/> }),
                        };
                        let is_comparing = other.with(Option::is_some);
                        view! {
                            <figure class="lightbox__figure">
                                <div class="lightbox__stage">{stage}</div>
                                <figcaption class="lightbox__caption">
                                    <Facts item=item.clone()/>
                                    {(!is_observer)
                                        .then(|| {
                                            view! {
                                                <button
                                                    class="button button--small"
                                                    type="button"
                                                    aria-pressed=item.is_favourite.to_string()
                                                    on:click=move |_| mark()
                                                >
                                                    {if item.is_favourite { "★ Favourite" } else { "☆ Favourite" }}
                                                </button>
                                            }
                                        })}
                                    <button
                                        class="button button--small"
                                        type="button"
                                        aria-pressed=is_comparing.to_string()
                                        on:click=move |_| compare()
                                    >
                                        "Compare"
                                    </button>
                                    <Takeaways seat item=item.clone() is_observer on_opened=Callback::new(move |()| close())/>
                                    {(!is_observer)
                                        .then(|| {
                                            view! {
                                                <button
                                                    class="button button--small button--danger"
                                                    type="button"
                                                    on:click=move |_| delete()
                                                >
                                                    "Delete"
                                                </button>
                                            }
                                        })}
                                </figcaption>
                            </figure>
                        }
                    })
            }}
            <div class="lightbox__steps">
                <button class="button button--icon" type="button" aria-label="Newer" on:click=move |_| step(-1)>
                    <Icon shape=Shape::Previous/>
                </button>
                <button class="button button--icon" type="button" aria-label="Older" on:click=move |_| step(1)>
                    <Icon shape=Shape::Next/>
                </button>
                <button class="button button--icon" type="button" aria-label="Close" on:click=move |_| close()>
                    <Icon shape=Shape::Close/>
                </button>
            </div>
        </dialog>
    }
    .into_any()
}

/// What it is called, and what made it.
#[component]
fn Facts(item: GalleryItemView) -> impl IntoView {
    view! {
        <span class="lightbox__name">{item.file.filename}</span>
        <span>{item.title}</span>
        <span>{format::bytes(item.bytes)}</span>
        <Moment at=item.created_at/>
    }
}

/// The file, and the workflow that made it.
#[component]
fn Takeaways(
    seat: SeatId,
    item: GalleryItemView,
    is_observer: bool,
    on_opened: Callback<()>,
) -> impl IntoView {
    let workflow = paths::workflow(seat, item.job);
    let name = item.file.filename.clone();
    view! {
        <a class="button button--small lightbox__download" href=item.file.href(seat) rel="external" download=name>
            <Icon shape=Shape::Download/>
            "Download"
        </a>
        <a class="button button--small button--quiet" href=workflow.clone() rel="external" download>
            "Workflow"
        </a>
        {(!is_observer)
            .then(|| {
                let name = format!("{}.json", item.title);
                view! { <OpenButton href=workflow name title=item.title on_opened/> }
            })}
    }
}

/// The thing itself, as large as there is room.
#[component]
pub(super) fn Media(seat: SeatId, item: GalleryItemView) -> impl IntoView {
    let href = item.file.href(seat);
    let name = item.file.filename;
    match item.media {
        MediaKind::Image | MediaKind::Animated => {
            EitherOf4::A(view! { <img class="lightbox__media" src=href alt=name/> })
        }
        MediaKind::Video => EitherOf4::B(
            view! { <video class="lightbox__media" src=href controls autoplay loop playsinline></video> },
        ),
        MediaKind::Audio => EitherOf4::C(view! { <audio class="lightbox__media" src=href controls></audio> }),
        MediaKind::Other => {
            EitherOf4::D(view! { <p class="lightbox__media">"This file can only be downloaded."</p> })
        }
    }
}

/// The id of the item `by` places after the selected one; nothing past either end.
fn neighbour(items: &[GalleryItemView], selected: Option<i64>, by: isize) -> Option<i64> {
    let place = items.iter().position(|item| Some(item.id) == selected)?;
    items.get(place.checked_add_signed(by)?).map(|item| item.id)
}
