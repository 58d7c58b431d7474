//! Which results are shown: a form that asks by the address.

use domain::SeatId;
use leptos::either::Either;
use leptos::prelude::*;

use crate::api::artifact::MediaKind;
use crate::api::gallery::{GalleryChoicesView, read_gallery_choices};
use crate::api::gallery_query::GalleryQuery;
use crate::format;
use crate::pages::seat::drawer::Panel;
use crate::scope::within_page;

#[component]
pub(super) fn GalleryFilter(seat: SeatId, revision: Memo<u64>, query: Memo<GalleryQuery>) -> impl IntoView {
    // Days are the person's own, once their browser has said how its clock stands.
    let ahead = RwSignal::new(query.with_untracked(|query| query.ahead));
    Effect::new(move |_| ahead.set(minutes_ahead()));
    let choices = Resource::new(
        move || (revision.get(), ahead.get()),
        move |(_, ahead)| within_page(read_gallery_choices(seat, ahead)),
    );
    // Without choices there is nothing to choose from; the results below say why, if they fail too.
    let shown = Memo::new(move |before: Option<&GalleryChoicesView>| match choices.get() {
        Some(Ok(choices)) => choices,
        Some(Err(_)) | None => before.cloned().unwrap_or_default(),
    });
    let is_needed =
        Memo::new(move |_| shown.with(|shown| shown.results > 0) || query.with(GalleryQuery::is_narrow));
    move || {
        if is_needed.get() {
            Either::Left(view! { <FilterForm query choices=shown ahead/> })
        } else {
            Either::Right(())
        }
    }
}

#[component]
fn FilterForm(
    query: Memo<GalleryQuery>,
    choices: Memo<GalleryChoicesView>,
    ahead: RwSignal<i32>,
) -> impl IntoView {
    let workflows = move || choices.with(|choices| choices.workflows.clone());
    let days = move || choices.with(|choices| choices.days.clone());
    let is_narrow = Memo::new(move |_| query.with(GalleryQuery::is_narrow));
    view! {
        <form class="filter-form gallery__filter" method="get" aria-label="Filter">
            <input type="hidden" name="panel" value=Panel::Gallery.slug()/>
            <input type="hidden" name="ahead" value=move || ahead.get().to_string()/>
            <select class="field" name="type" aria-label="Kind">
                <option value="" selected=move || query.with(|query| query.media.is_none())>"All kinds"</option>
                {MediaKind::ALL
                    .into_iter()
                    .map(|media| {
                        let is_chosen = move || query.with(|query| query.media == Some(media));
                        view! { <option value=media.slug() selected=is_chosen>{media.word()}</option> }
                    })
                    .collect_view()}
            </select>
            <select class="field" name="workflow" aria-label="Workflow">
                <option value="" selected=move || query.with(|query| query.workflow.is_none())>
                    "All workflows"
                </option>
                {move || {
                    workflows()
                        .into_iter()
                        .map(|(workflow, title, results)| {
                            let own = workflow.clone();
                            let is_chosen = move || query.with(|query| query.workflow.as_ref() == Some(&own));
                            view! {
                                <option value=workflow selected=is_chosen>{format!("{title} ({results})")}</option>
                            }
                        })
                        .collect_view()
                }}
            </select>
            <select class="field" name="day" aria-label="Day">
                <option value="" selected=move || query.with(|query| query.day.is_none())>"All days"</option>
                {move || {
                    days()
                        .into_iter()
                        .map(|(day, results)| {
                            let is_chosen = move || query.with(|query| query.day == Some(day));
                            let word = format::day(day);
                            view! {
                                <option value=word.clone() selected=is_chosen>{format!("{word} ({results})")}</option>
                            }
                        })
                        .collect_view()
                }}
            </select>
            <label class="filter-form__part">
                <input
                    type="checkbox"
                    name="favourites"
                    value="1"
                    checked=move || query.with(|query| query.favourites)
                    prop:checked=move || query.with(|query| query.favourites)
                />
                <span>"Favourites"</span>
            </label>
            <button class="button button--small" type="submit">"Show"</button>
            <Show when=move || is_narrow.get()>
                <a class="button button--small button--quiet" href=Panel::Gallery.href() data-noscroll>
                    "Show all"
                </a>
            </Show>
        </form>
    }
    .into_any()
}

/// By how many minutes this browser's clock is ahead of UTC.
fn minutes_ahead() -> i32 {
    -(js_sys::Date::new_0().get_timezone_offset() as i32)
}
