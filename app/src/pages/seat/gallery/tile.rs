//! One result among the others: a link to the file itself, which with script opens the
//! lightbox, or is chosen.

use domain::SeatId;
use leptos::either::EitherOf3;
use leptos::ev;
use leptos::prelude::*;

use crate::api::artifact::MediaKind;
use crate::api::gallery::GalleryItemView;
use crate::components::{Icon, Shape};
use crate::pages::seat::gallery::chosen::Choosing;
use crate::paths;

#[component]
pub(super) fn Tile(
    seat: SeatId,
    item: GalleryItemView,
    is_favourite: Signal<bool>,
    selected: RwSignal<Option<i64>>,
    choosing: Choosing,
) -> impl IntoView {
    let id = item.id;
    let name = item.file.filename.clone();
    let open = move |event: ev::MouseEvent| {
        if choosing.is_on.get_untracked() {
            event.prevent_default();
            choosing.toggle(id);
        } else if !(event.ctrl_key() || event.meta_key() || event.shift_key()) {
            // A click with a modifier asks the browser for a tab or a download.
            event.prevent_default();
            selected.set(Some(id));
        }
    };
    let thumbnail = paths::thumbnail(seat, id, &item.content);
    let picture = match item.media {
        MediaKind::Image | MediaKind::Animated => {
            EitherOf3::A(view! { <img src=thumbnail alt="" loading="lazy" decoding="async"/> })
        }
        // Without a poster the browser shows the first picture itself.
        MediaKind::Video => EitherOf3::B(view! {
            <video src=item.file.href(seat) poster=thumbnail preload="metadata" muted playsinline tabindex="-1"></video>
        }),
        kind @ (MediaKind::Audio | MediaKind::Other) => {
            let shape = if kind == MediaKind::Audio { Shape::Sound } else { Shape::File };
            EitherOf3::C(view! { <Icon shape/> })
        }
    };
    let word = match item.media {
        MediaKind::Image => None,
        MediaKind::Animated => Some("Animation".to_owned()),
        MediaKind::Video | MediaKind::Audio | MediaKind::Other => Some(name.clone()),
    };
    let is_chosen = Memo::new(move |_| choosing.is_on.get() && choosing.holds(id));
    view! {
        <a
            class="tile"
            class:tile--chosen=move || is_chosen.get()
            href=item.file.href(seat)
            rel="external"
            target="_blank"
            aria-label=name
            role=move || choosing.is_on.get().then_some("checkbox")
            aria-checked=move || choosing.is_on.get().then(|| is_chosen.get().to_string())
            on:click=open
        >
            {picture}
            {word.map(|word| view! { <span class="tile__name">{word}</span> })}
            {move || is_favourite.get().then(|| view! { <span class="tile__favourite" title="Favourite">"★"</span> })}
        </a>
    }
    .into_any()
}
