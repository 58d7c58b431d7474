//! "3 files deleted. Undo": while a deletion can be undone.

use domain::SeatId;
use leptos::prelude::*;

use crate::api::undo::{UndoDiscard, UndoView};
use crate::components::{ActionButton, Weight, hidden};
use crate::format;

#[component]
pub(crate) fn UndoNotice(
    seat: SeatId,
    undo: Memo<Option<UndoView>>,
    bring_back: ServerAction<UndoDiscard>,
) -> impl IntoView {
    move || {
        undo.get().map(|undo| {
            let what = format!("{} deleted.", format::count(undo.items, "file", "files"));
            let fields = vec![hidden("seat", seat.to_string()), hidden("trash", undo.trash.to_string())];
            view! {
                <div class="notice notice--calm notice--message" role="status">
                    <p>{what}</p>
                    <ActionButton action=bring_back label="Undo" pending_label="Undoing…" fields weight=Weight::Plain/>
                </div>
            }
        })
    }
}
