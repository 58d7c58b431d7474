//! The seats: who sits there, how it goes for them, and a hand on each.

mod actions;
mod forms;
mod row;

use leptos::prelude::*;

use crate::api::admin::{AdminView, SeatSummaryView};
use crate::components::EmptyState;
use crate::live::follow_row;
use crate::pages::admin::people::row::Seat;

#[component]
pub(crate) fn Seats(view: Signal<AdminView>) -> impl IntoView {
    let seats: Signal<Vec<SeatSummaryView>> =
        Signal::from(Memo::new(move |_| view.with(|view| view.seats.clone())));
    let is_empty = Memo::new(move |_| seats.with(|seats| seats.is_empty()));
    view! {
        <section class="desk" id="seats" aria-labelledby="seats-heading">
            <h2 id="seats-heading">"Seats"</h2>
            <Show
                when=move || !is_empty.get()
                fallback=|| view! { <EmptyState title="No seats">"Set how many there are in the server's configuration."</EmptyState> }
            >
                <table class="table table--wide">
                    <thead>
                        <tr>
                            <th scope="col">"Seat"</th>
                            <th scope="col">"Name"</th>
                            <th scope="col">"Open pages"</th>
                            <th scope="col">"Now"</th>
                            <th scope="col">"Waiting"</th>
                            <th scope="col">"Running"</th>
                            <th scope="col">"Done"</th>
                            <th scope="col">"Failed"</th>
                            <th scope="col">"GPU time"</th>
                            <th scope="col">"Storage"</th>
                            <th scope="col">"Last active"</th>
                            <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                        </tr>
                    </thead>
                    <tbody>
                        <For
                            each=move || seats.get()
                            key=|seat| seat.seat
                            children=move |seat| {
                                let seat = follow_row(seats, seat, |seat| seat.seat);
                                view! { <Seat view seat/> }
                            }
                        />
                    </tbody>
                </table>
            </Show>
        </section>
    }
    .into_any()
}
