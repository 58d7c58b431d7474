//! The Gallery tab: the seat's results, newest first. New ones appear by themselves.
//!
//! The filter stands in the address, so it works by a plain form and survives a reload.

mod chosen;
mod compare;
mod filter;
mod lightbox;
mod results;
mod take_home;
mod tile;

use domain::SeatId;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::api::gallery::{GalleryPage, read_gallery};
use crate::api::gallery_query::GalleryQuery;
use crate::error::AppError;
use crate::pages::frame::Loading;
use crate::pages::seat::gallery::filter::GalleryFilter;
use crate::pages::seat::gallery::results::Results;
use crate::pages::seat::gallery::take_home::TakeHome;
use crate::scope::within_page;

/// The filter's query, and the newest page under it.
type Newest = Resource<Result<(String, GalleryPage), AppError>>;

#[component]
pub(crate) fn GalleryPanel(
    seat: SeatId,
    revision: Memo<u64>,
    /// Somebody looks on: nothing can be changed.
    is_observer: bool,
) -> impl IntoView {
    let parameters = use_query_map();
    let query = Memo::new(move |_| parameters.with(|map| GalleryQuery::read(|name| map.get(name))));
    let newest: Newest = Resource::new(
        move || (revision.get(), query.with(GalleryQuery::to_query)),
        move |(_, query)| {
            within_page(async move {
                let page = read_gallery(seat, query.clone(), None).await?;
                Ok((query, page))
            })
        },
    );
    // All that reads a resource lives below these boundaries. Read above them, each new
    // result would suspend the whole page and with it reload the editor.
    view! {
        <section class="gallery">
            <h2 class="visually-hidden">"My results"</h2>
            <Transition fallback=|| ()>
                <GalleryFilter seat revision query/>
            </Transition>
            <Transition fallback=Loading>
                <Results seat query newest is_observer/>
            </Transition>
            <Transition fallback=|| ()>
                <TakeHome seat/>
            </Transition>
        </section>
    }
    .into_any()
}
