//! A seat that another browser holds: said plainly, with the way to have it back.

use std::time::Duration;

use domain::SeatId;
use leptos::leptos_dom::helpers::IntervalHandle;
use leptos::prelude::*;
use leptos_meta::Title;

use crate::api::seat::read_seat_page;
use crate::error::AppError;
use crate::live::Connection;
use crate::pages::frame::Frame;
use crate::paths;

/// How often a page that lost its connection asks whether that is why.
const LOOK_PERIOD: Duration = Duration::from_secs(3);

/// In place of the seat's page.
#[component]
pub(super) fn InUseElsewhere(seat: SeatId) -> impl IntoView {
    #[cfg(feature = "ssr")]
    crate::viewer::answer_with_status(AppError::InUseElsewhere.status());

    view! {
        <Title text=format!("{seat} is in use elsewhere")/>
        <Frame title="comfy-multi">
            <section class="refusal">
                <h1>{format!("{seat} is in use elsewhere")}</h1>
                <p>
                    "Your seat is open in another browser. Jobs, files and saved workflows are the same wherever you open it."
                </p>
                <p>
                    "If that other browser is not yours, use your seat here instead, and ask your instructor for a new link: somebody else has this one."
                </p>
                <div class="refusal__ways">
                    <TakeSeat seat how=Take::Instead/>
                    <TakeSeat seat how=Take::Too/>
                </div>
            </section>
        </Frame>
    }
    .into_any()
}

/// Above the editor: the seat was taken over, or is open elsewhere as well.
#[component]
pub(super) fn ElsewhereBanner(
    seat: SeatId,
    #[prop(into)] is_shared: Signal<bool>,
    connection: Signal<Connection>,
) -> impl IntoView {
    let is_elsewhere = use_is_elsewhere(seat, connection);
    view! {
        <Show when=move || is_elsewhere.get()>
            <div class="notice notice--warning notice--message" role="alert">
                <p>
                    "Your seat is in use elsewhere: it was opened in another browser, so this page has stopped. Your jobs go on. If it was not you, ask your instructor for a new link."
                </p>
                <TakeSeat seat how=Take::Instead/>
            </div>
        </Show>
        <Show when=move || is_shared.get() && !is_elsewhere.get()>
            <div class="notice notice--calm notice--message" role="status">
                <p>"Your seat is in use elsewhere, too: it is open in another browser."</p>
                <TakeSeat seat how=Take::Back/>
            </div>
        </Show>
    }
}

/// What is done about the other browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Take {
    Instead,
    Too,
    /// This one has it already.
    Back,
}

#[component]
fn TakeSeat(seat: SeatId, how: Take) -> impl IntoView {
    let (words, class) = match how {
        Take::Instead => ("Use it here instead", "button button--primary"),
        Take::Too => ("Use it in both", "button"),
        Take::Back => ("End it there", "button button--quiet"),
    };
    view! {
        <form method="post" action=paths::take_seat(seat)>
            {(how == Take::Too).then(|| view! { <input type="hidden" name="too" value="true"/> })}
            <button class=class type="submit">{words}</button>
        </form>
    }
}

/// Whether the connection was lost because another browser took the seat over.
fn use_is_elsewhere(seat: SeatId, connection: Signal<Connection>) -> ReadSignal<bool> {
    let (is_elsewhere, set_is_elsewhere) = signal(false);
    let look = Action::new(move |(): &()| async move {
        match read_seat_page(seat).await {
            Ok(_) => set_is_elsewhere.set(false),
            Err(AppError::InUseElsewhere) => set_is_elsewhere.set(true),
            // What else is wrong, the connection's own mark says.
            Err(_) => {}
        }
    });
    Effect::new(move |looking: Option<Option<IntervalHandle>>| {
        if let Some(looking) = looking.flatten() {
            looking.clear();
        }
        if connection.get() != Connection::Offline {
            return None;
        }
        look.dispatch(());
        set_interval_with_handle(
            move || {
                look.dispatch(());
            },
            LOOK_PERIOD,
        )
        .ok()
    });
    is_elsewhere
}
