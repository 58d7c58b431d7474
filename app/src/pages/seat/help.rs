//! What a participant may ask in the first five minutes.

use domain::SeatId;
use leptos::prelude::*;

use crate::pages::seat::programs::Programs;

#[component]
pub(crate) fn HelpPanel(
    seat: SeatId,
    /// Somebody looks on: nothing can be changed.
    is_observer: bool,
) -> impl IntoView {
    view! {
        <section class="help">
            <h2>"Run something"</h2>
            <p>
                "The editor is ComfyUI itself. Load a template or your own workflow and press Run. You may queue several jobs and go on working meanwhile."
            </p>
            <h2>"What the bar says"</h2>
            <dl>
                <dt>"3 of 8 in line"</dt>
                <dd>"Eight jobs of all seats wait or run; yours is the third to come."</dd>
                <dt>"Up next"</dt>
                <dd>"The GPU machine already has your job and prepares it."</dd>
                <dt>"A node's name and a percentage"</dt>
                <dd>"Your job runs, and this node is at work."</dd>
                <dt>"GPU away"</dt>
                <dd>"Your jobs wait and start by themselves when it is back. The editor works meanwhile."</dd>
            </dl>
            <h2>"Your results"</h2>
            <p>
                "They are in the gallery, and stay there when you close the page. Your jobs run on as well: come back by the same link, on any device."
            </p>
            <h2>"When something fails"</h2>
            <p>
                "The queue says what happened and what to try. If that does not help, tell your instructor the name of your seat: "
                <strong>{seat.to_string()}</strong> "."
            </p>
            <Programs seat is_observer/>
        </section>
    }
    .into_any()
}
