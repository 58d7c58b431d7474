//! A small picture of a result in a frame of fixed size, so nothing moves when it loads.

use leptos::either::Either;
use leptos::prelude::*;

use crate::components::{Icon, Shape};

#[component]
pub(crate) fn Thumbnail(#[prop(into)] href: Signal<Option<String>>) -> impl IntoView {
    view! {
        <div class="thumbnail">
            {move || match href.get() {
                Some(href) => Either::Left(view! { <img src=href alt="" loading="lazy" decoding="async"/> }),
                None => Either::Right(view! { <Icon shape=Shape::Gallery/> }),
            }}
        </div>
    }
}
