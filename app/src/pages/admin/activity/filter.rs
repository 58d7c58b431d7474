//! Whose entries, and whether problems only: a form that asks by the address.

use leptos::prelude::*;

use crate::api::admin::AdminView;
use crate::pages::admin::activity::query::ActivityQuery;
use crate::pages::admin::tab::Tab;
use crate::paths;

#[component]
pub(super) fn ActivityFilter(view: Signal<AdminView>, query: Memo<ActivityQuery>) -> impl IntoView {
    let seats = Memo::new(move |_| {
        view.with(|view| view.seats.iter().map(|seat| (seat.seat, seat.name.clone())).collect::<Vec<_>>())
    });
    let problems_only = move || query.get().problems_only;
    let is_filtered = move || !query.get().is_live();
    view! {
        <form class="filter-form" method="get" action=paths::ADMIN>
            <input type="hidden" name="tab" value=Tab::Activity.slug()/>
            <label class="filter-form__part">
                <span>"Seat"</span>
                <select class="field" name="seat">
                    <option value="" selected=move || query.get().seat.is_none()>"Everybody"</option>
                    {move || {
                        seats
                            .get()
                            .into_iter()
                            .map(|(seat, name)| {
                                let is_chosen = move || query.get().seat == Some(seat);
                                view! {
                                    <option value=seat.to_string() selected=is_chosen>
                                        {format!("{seat} {name}").trim_end().to_owned()}
                                    </option>
                                }
                            })
                            .collect_view()
                    }}
                </select>
            </label>
            <label class="filter-form__part">
                <input type="checkbox" name="problems" value="true" checked=problems_only prop:checked=problems_only/>
                <span>"Problems only"</span>
            </label>
            <button class="button button--small" type="submit">"Show"</button>
            <Show when=is_filtered>
                <a class="button button--small button--quiet" href=Tab::Activity.href()>"Show all"</a>
            </Show>
        </form>
    }
    .into_any()
}
