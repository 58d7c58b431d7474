//! Everything of the seat in one archive, now and by a link for later.

use domain::SeatId;
use leptos::prelude::*;

use crate::api::take_home::read_take_home_link;
use crate::components::CopyField;
use crate::paths;
use crate::scope::within_page;

#[component]
pub(super) fn TakeHome(seat: SeatId) -> impl IntoView {
    let link = Resource::new(|| (), move |()| within_page(read_take_home_link(seat)));
    view! {
        <details class="take-home">
            <summary>"Take everything home"</summary>
            <p>"Your results, workflows and settings in one file. It unpacks into a folder with a page to look through."</p>
            <p class="take-home__links">
                <a class="button button--small" href=paths::take_home(seat) rel="external" download>
                    "Download everything"
                </a>
                <a
                    class="button button--small button--quiet"
                    href=format!("{}?inputs=1", paths::take_home(seat))
                    rel="external"
                    download
                >
                    "With my input files"
                </a>
            </p>
            {move || {
                link.get()
                    .and_then(Result::ok)
                    .map(|path| {
                        view! {
                            <p>"This link downloads the same, also after the workshop. Keep it to yourself:"</p>
                            <CopyField label="Take-home link" path/>
                        }
                    })
            }}
        </details>
    }
    .into_any()
}
