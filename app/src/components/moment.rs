//! A point in time: absolute from the server and for machines, "5 min ago" once the
//! browser's clock is known.

use domain::Timestamp;
use leptos::prelude::*;

use crate::clock::BrowserClock;
use crate::format;

#[component]
pub(crate) fn Moment(at: Timestamp) -> impl IntoView {
    let clock = expect_context::<BrowserClock>();
    let text = move || match clock.now() {
        Some(now) => format::ago(now, at),
        None => format::absolute(at),
    };
    view! {
        <time class="moment" datetime=format::iso(at) title=format::absolute(at)>
            {text}
        </time>
    }
}
