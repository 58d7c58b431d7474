//! Everybody's jobs: those that wait or run in their order, and the latest that ended.

mod actions;
mod active;
mod ended;

pub(crate) use active::ActiveJobs;
pub(crate) use ended::EndedJobs;

use domain::SeatId;
use leptos::prelude::*;

use crate::api::admin::AdminView;

/// Whose job it is: the seat and what the instructor calls it.
#[component]
fn Who(view: Signal<AdminView>, seat: SeatId) -> impl IntoView {
    let name = Memo::new(move |_| view.with(|view| view.seat_name(seat)));
    view! {
        <span class="who">
            <span class="who__seat">{seat.to_string()}</span>
            <span class="who__name">{name}</span>
        </span>
    }
}
