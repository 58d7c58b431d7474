//! The seats: their join links, who is there, how it goes for them.

use leptos::prelude::*;

use crate::api::admin::{AdminView, SeatSummaryView};
use crate::components::{CopyField, Moment};
use crate::live::follow_row;

#[component]
pub(crate) fn Seats(view: Signal<AdminView>) -> impl IntoView {
    let seats: Signal<Vec<SeatSummaryView>> =
        Signal::from(Memo::new(move |_| view.with(|view| view.seats.clone())));
    view! {
        <section class="desk" id="seats" aria-labelledby="seats-heading">
            <h2 id="seats-heading">"Seats"</h2>
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Seat"</th>
                        <th scope="col">"Join link"</th>
                        <th scope="col">"Open pages"</th>
                        <th scope="col">"Waiting"</th>
                        <th scope="col">"Running"</th>
                        <th scope="col">"Done"</th>
                        <th scope="col">"Failed"</th>
                        <th scope="col">"Last active"</th>
                    </tr>
                </thead>
                <tbody>
                    <For
                        each=move || seats.get()
                        key=|seat| seat.seat
                        children=move |seat| {
                            let seat = follow_row(seats, seat, |seat| seat.seat);
                            view! { <Seat seat/> }
                        }
                    />
                </tbody>
            </table>
        </section>
    }
    .into_any()
}

#[component]
fn Seat(seat: Memo<SeatSummaryView>) -> impl IntoView {
    let id = seat.with_untracked(|seat| seat.seat);
    let path = Signal::derive(move || seat.with(|seat| seat.join_path.clone()));
    let is_here = move || seat.with(|seat| seat.open_pages > 0);
    view! {
        <tr class=move || if is_here() { "seat-row seat-row--here" } else { "seat-row" }>
            <th scope="row" data-label="Seat">{id.to_string()}</th>
            <td data-label="Join link">
                <CopyField label=format!("Join link of {id}") path/>
            </td>
            <td data-label="Open pages" class="table__number">{move || seat.with(|seat| seat.open_pages)}</td>
            <td data-label="Waiting" class="table__number">{move || seat.with(|seat| seat.waiting)}</td>
            <td data-label="Running" class="table__number">{move || seat.with(|seat| seat.running)}</td>
            <td data-label="Done" class="table__number">{move || seat.with(|seat| seat.finished)}</td>
            <td data-label="Failed" class="table__number">{move || seat.with(|seat| seat.failed)}</td>
            <td data-label="Last active">
                {move || seat.with(|seat| seat.last_active_at).map(|at| view! { <Moment at/> })}
            </td>
        </tr>
    }
    .into_any()
}
