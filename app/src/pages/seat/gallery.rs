//! The seat's results, newest first. New ones appear by themselves.

use domain::SeatId;
use leptos::either::{Either, EitherOf3};
use leptos::ev;
use leptos::prelude::*;

use crate::api::artifact::MediaKind;
use crate::api::gallery::{GalleryItemView, GalleryPage, read_gallery};
use crate::components::{EmptyState, Icon, Notice, Shape, Tone};
use crate::error::AppError;
use crate::pages::frame::Loading;
use crate::pages::seat::lightbox::Lightbox;

/// The newest page, read again whenever the gallery changes.
type Newest = Resource<Result<GalleryPage, AppError>>;

#[component]
pub(crate) fn GalleryPanel(seat: SeatId, revision: Memo<u64>) -> impl IntoView {
    let newest = Resource::new(move || revision.get(), move |_| read_gallery(seat, None));
    // All that reads the resource lives below this boundary. Read above it, each new
    // result would suspend the whole page and with it reload the editor.
    view! {
        <section class="gallery">
            <h2 class="visually-hidden">"My results"</h2>
            <Transition fallback=Loading>
                <Results seat newest/>
            </Transition>
        </section>
    }
    .into_any()
}

#[component]
fn Results(seat: SeatId, newest: Newest) -> impl IntoView {
    // What has been read so far. The shown page is derived from it and from the newest
    // page alone, so that the server renders the same without effects.
    let kept = RwSignal::new(GalleryPage::default());
    let shown = Memo::new(move |_| match newest.get() {
        Some(Ok(newest)) => kept.get().with_newest(newest),
        Some(Err(_)) | None => kept.get(),
    });
    Effect::new(move |_| {
        if let Some(Ok(newest)) = newest.get() {
            kept.update(|kept| *kept = std::mem::take(kept).with_newest(newest));
        }
    });
    let read_older = Action::new(move |before: &i64| read_gallery(seat, Some(*before)));
    Effect::new(move |_| {
        if let Some(Ok(older)) = read_older.value().get() {
            kept.update(|kept| *kept = std::mem::take(kept).with_older(older));
        }
    });
    let failure = move || {
        let newest = newest.get().and_then(Result::err);
        newest.or_else(|| read_older.value().get().and_then(Result::err))
    };
    let is_empty = move || {
        newest.get().is_some_and(|newest| newest.is_ok()) && shown.with(|shown| shown.items.is_empty())
    };
    let selected = RwSignal::new(None);

    view! {
        {move || {
            failure()
                .map(|error| {
                    view! { <Notice tone=Tone::Failure>{format!("The gallery could not be read. {error}")}</Notice> }
                })
        }}
        {move || {
            is_empty()
                .then(|| {
                    view! {
                        <EmptyState title="No results yet">
                            "Pictures, videos and sounds that your jobs save or preview are kept here."
                        </EmptyState>
                    }
                })
        }}
        <ul class="gallery__items" role="list">
            <For
                each=move || shown.with(|shown| shown.items.clone())
                key=|item| item.id
                children=move |item| view! { <li><Tile seat item selected/></li> }
            />
        </ul>
        {move || {
            shown.with(|shown| shown.has_older).then(|| view! { <LoadMore shown read_older/> })
        }}
        <Lightbox seat items=Signal::derive(move || shown.with(|shown| shown.items.clone())) selected/>
    }
    .into_any()
}

#[component]
fn LoadMore(
    shown: Memo<GalleryPage>,
    read_older: Action<i64, Result<GalleryPage, AppError>>,
) -> impl IntoView {
    let load = move |_| {
        if let Some(oldest) = shown.with_untracked(|shown| shown.items.last().map(|item| item.id)) {
            read_older.dispatch(oldest);
        }
    };
    view! {
        <button class="button gallery__more" type="button" disabled=move || read_older.pending().get() on:click=load>
            {move || if read_older.pending().get() { "Loading…" } else { "Load more" }}
        </button>
    }
}

/// A link to the file itself, which with script opens the lightbox instead.
#[component]
fn Tile(seat: SeatId, item: GalleryItemView, selected: RwSignal<Option<i64>>) -> impl IntoView {
    let id = item.id;
    let name = item.file.filename.clone();
    let open = move |event: ev::MouseEvent| {
        // A click with a modifier asks the browser for a tab or a download.
        if !(event.ctrl_key() || event.meta_key() || event.shift_key()) {
            event.prevent_default();
            selected.set(Some(id));
        }
    };
    let picture = match item.media() {
        MediaKind::Image => EitherOf3::A(
            view! { <img src=item.file.preview_href(seat) alt="" loading="lazy" decoding="async"/> },
        ),
        MediaKind::Video => EitherOf3::B(
            view! { <video src=item.file.href(seat) preload="metadata" muted playsinline tabindex="-1"></video> },
        ),
        kind @ (MediaKind::Audio | MediaKind::Other) => {
            let shape = if kind == MediaKind::Audio { Shape::Sound } else { Shape::File };
            EitherOf3::C(view! { <Icon shape/> })
        }
    };
    let caption =
        (item.media() != MediaKind::Image).then(|| view! { <span class="tile__name">{name.clone()}</span> });
    view! {
        <a class="tile" href=item.file.href(seat) rel="external" target="_blank" aria-label=name.clone() on:click=open>
            {picture}
            {caption.map_or_else(|| Either::Left(()), Either::Right)}
        </a>
    }
    .into_any()
}
