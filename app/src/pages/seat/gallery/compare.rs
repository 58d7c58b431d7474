//! Two results against each other: pictures under a slider, or side by side.

use domain::SeatId;
use leptos::prelude::*;

use crate::api::artifact::MediaKind;
use crate::api::gallery::GalleryItemView;
use crate::pages::seat::gallery::lightbox::Media;

#[component]
pub(super) fn Compare(seat: SeatId, left: GalleryItemView, right: GalleryItemView) -> impl IntoView {
    let is_still = |item: &GalleryItemView| matches!(item.media, MediaKind::Image | MediaKind::Animated);
    let can_slide = is_still(&left) && is_still(&right);
    let is_sliding = RwSignal::new(can_slide);
    let split = RwSignal::new("50".to_owned());
    let names = format!("Left: {}. Right: {}.", left.file.filename, right.file.filename);
    view! {
        <div
            class="compare"
            class:compare--sliding=move || is_sliding.get()
            style:--compare-split=move || format!("{}%", split.get())
        >
            <div class="compare__side compare__side--left">
                <Media seat item=left/>
            </div>
            <div class="compare__side compare__side--right">
                <Media seat item=right/>
            </div>
            {move || {
                is_sliding
                    .get()
                    .then(|| {
                        view! {
                            <input
                                class="compare__slider"
                                type="range"
                                min="0"
                                max="100"
                                aria-label="How much of the left one is shown"
                                prop:value=move || split.get()
                                on:input=move |event| split.set(event_target_value(&event))
                            />
                        }
                    })
            }}
        </div>
        <p class="compare__names">
            <span>{names}</span>
            {can_slide
                .then(|| {
                    view! {
                        <button
                            class="button button--small button--quiet"
                            type="button"
                            aria-pressed=move || is_sliding.get().to_string()
                            on:click=move |_| is_sliding.update(|is_sliding| *is_sliding = !*is_sliding)
                        >
                            "Slider"
                        </button>
                    }
                })}
        </p>
    }
    .into_any()
}
