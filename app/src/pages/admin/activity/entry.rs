//! One thing that happened.

use leptos::prelude::*;

use crate::api::admin::{ActivityView, AdminView};
use crate::components::{FailureNote, Flag, FlagBadge, Moment};
use crate::pages::admin::activity::query::ActivityQuery;

#[component]
pub(super) fn Entry(view: Signal<AdminView>, entry: ActivityView) -> impl IntoView {
    let is_problem = entry.is_problem();
    let who = entry.seat.map(|seat| {
        let name = Memo::new(move |_| view.with(|view| view.seat_name(seat)));
        let href = ActivityQuery { seat: Some(seat), ..ActivityQuery::default() }.href();
        view! {
            <a class="who__seat" href=href>{seat.to_string()}</a>
            <span class="who__name">{name}</span>
        }
    });
    view! {
        <li class="activity__entry" class=("activity__entry--problem", is_problem)>
            <span class="activity__when"><Moment at=entry.at/></span>
            <span class="who">{who}</span>
            <div class="activity__what">
                {entry.sentence()}
                {entry.failure.clone().map(|failure| view! { <FailureNote failure/> })}
            </div>
            {is_problem.then(|| view! { <FlagBadge flag=Flag::Problem/> })}
        </li>
    }
    .into_any()
}
