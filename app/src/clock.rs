//! The reader's clock, for "5 min ago". It is unknown while the server renders and
//! until the browser has taken over, so that both render the same.

use std::time::Duration;

use domain::Timestamp;
use leptos::prelude::*;

/// Coarse enough to cost nothing, fine enough for a display in minutes.
const TICK: Duration = Duration::from_secs(15);

/// The time as of the last tick.
#[derive(Clone, Copy)]
pub(crate) struct BrowserClock(ReadSignal<Option<Timestamp>>);

impl BrowserClock {
    pub(crate) fn now(self) -> Option<Timestamp> {
        self.0.get()
    }
}

/// Provides a [`BrowserClock`] for as long as the portal is open.
pub(crate) fn provide_clock() {
    let (now, set_now) = signal(None);
    provide_context(BrowserClock(now));
    Effect::new(move |_| {
        let tick = move || set_now.set(Some(read_clock()));
        tick();
        if set_interval_with_handle(tick, TICK).is_err() {
            leptos::logging::warn!("the browser refused a timer: times on this page stand still");
        }
    });
}

fn read_clock() -> Timestamp {
    // A number of milliseconds well within the integers that an f64 holds exactly.
    Timestamp::from_unix_ms(js_sys::Date::now() as i64)
}
