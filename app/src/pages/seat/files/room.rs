//! How much room the seat's files take, and of how much.

use leptos::prelude::*;

use crate::api::files::StorageView;
use crate::format;

#[component]
pub(super) fn RoomMeter(storage: Memo<StorageView>) -> impl IntoView {
    let line = move || {
        let storage = storage.get();
        let used = format::bytes(storage.used_bytes);
        match storage.quota_bytes {
            Some(quota) => format!("{used} of {} used", format::bytes(quota)),
            None => format!("{used} used"),
        }
    };
    let parts = move || {
        let storage = storage.get();
        let parts = [
            ("inputs", storage.input_bytes),
            ("results", storage.output_bytes),
            ("models", storage.model_bytes),
            ("deleted", storage.trash_bytes),
        ];
        let shown = parts.into_iter().filter(|(_, bytes)| *bytes > 0);
        let shown: Vec<_> = shown.map(|(word, bytes)| format!("{word} {}", format::bytes(bytes))).collect();
        shown.join(" · ")
    };
    let level = move || {
        let storage = storage.get();
        let percent = format::percent(storage.used_bytes as f64, storage.quota_bytes? as f64)?;
        Some((percent, percent >= 90))
    };
    view! {
        <div class="room">
            <p class="room__line">{line}</p>
            {move || {
                level()
                    .map(|(percent, is_tight)| {
                        view! {
                            <meter
                                class="room__meter"
                                class:room__meter--tight=is_tight
                                min="0"
                                max="100"
                                high="90"
                                value=percent.to_string()
                                aria-label="Room used"
                            ></meter>
                        }
                    })
            }}
            <p class="room__parts">{parts}</p>
        </div>
    }
}
