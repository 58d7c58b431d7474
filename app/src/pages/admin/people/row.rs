//! One seat in figures.

use leptos::prelude::*;

use crate::api::admin::{AdminView, SeatSummaryView};
use crate::components::{Flag, FlagBadge, JobBadge, Moment};
use crate::format;
use crate::pages::admin::people::actions::SeatActions;
use crate::pages::admin::people::forms::NameForm;

#[component]
pub(crate) fn Seat(view: Signal<AdminView>, seat: Memo<SeatSummaryView>) -> impl IntoView {
    let id = seat.with_untracked(|seat| seat.seat);
    let name = Memo::new(move |_| seat.with(|seat| seat.name.clone()));
    let is_here = Memo::new(move |_| seat.with(|seat| seat.open_pages > 0));
    let is_paused = Memo::new(move |_| seat.with(|seat| seat.is_paused));
    let is_demo = Memo::new(move |_| seat.with(|seat| seat.is_demo));
    let last_active_at = Memo::new(move |_| seat.with(|seat| seat.last_active_at));
    view! {
        <tr class="seat-row" class=("seat-row--here", move || is_here.get())>
            <th scope="row" data-label="Seat">
                <span class="seat-row__id">
                    {id.to_string()}
                    <Show when=move || is_paused.get()><FlagBadge flag=Flag::Paused/></Show>
                    <Show when=move || is_demo.get()><FlagBadge flag=Flag::Demo/></Show>
                </span>
            </th>
            <td data-label="Name"><NameForm seat=id name/></td>
            <td data-label="Open pages" class="table__number">{move || seat.with(|seat| seat.open_pages)}</td>
            <td data-label="Now"><CurrentJob view seat=id/></td>
            <td data-label="Waiting" class="table__number">{move || seat.with(|seat| seat.waiting)}</td>
            <td data-label="Running" class="table__number">{move || seat.with(|seat| seat.running)}</td>
            <td data-label="Done" class="table__number">{move || seat.with(|seat| seat.finished)}</td>
            <td data-label="Failed" class="table__number">{move || seat.with(|seat| seat.failed)}</td>
            <td data-label="GPU time" class="table__number">
                {move || seat.with(|seat| format::duration(seat.gpu_ms))}
            </td>
            <td data-label="Storage" class="table__number">
                {move || seat.with(|seat| format::bytes(seat.result_bytes))}
            </td>
            <td data-label="Last active">
                {move || match last_active_at.get() {
                    Some(at) => view! { <Moment at/> }.into_any(),
                    None => "never".into_any(),
                }}
            </td>
            <td class="table__actions"><SeatActions seat/></td>
        </tr>
    }
    .into_any()
}

#[component]
fn CurrentJob(view: Signal<AdminView>, seat: domain::SeatId) -> impl IntoView {
    let job = Memo::new(move |_| {
        view.with(|view| view.current_job(seat).map(|job| (job.title.clone(), job.status())))
    });
    move || match job.get() {
        Some((title, status)) => view! {
            <span class="seat-row__now">
                <JobBadge status/>
                <span class="table__note">{title}</span>
            </span>
        }
        .into_any(),
        None => "–".into_any(),
    }
}
