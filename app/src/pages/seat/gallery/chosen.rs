//! Choosing several results, and what can be done with them.

use std::collections::BTreeSet;

use domain::SeatId;
use leptos::prelude::*;

use crate::api::gallery::{DiscardResults, GalleryPage, SetFavourite};
use crate::api::gallery_query::{GalleryQuery, these};
use crate::components::{ActionButton, Weight, hidden};
use crate::format;
use crate::paths;

/// Which results are chosen, and whether that is being done at all.
#[derive(Clone, Copy)]
pub(super) struct Choosing {
    pub(super) is_on: RwSignal<bool>,
    ids: RwSignal<BTreeSet<i64>>,
    /// All that the filter lists, also what has not been loaded yet.
    is_all: RwSignal<bool>,
}

impl Choosing {
    pub(super) fn new() -> Self {
        Self { is_on: RwSignal::new(false), ids: RwSignal::default(), is_all: RwSignal::new(false) }
    }

    pub(super) fn holds(self, id: i64) -> bool {
        self.is_all.get() || self.ids.with(|ids| ids.contains(&id))
    }

    pub(super) fn toggle(self, id: i64) {
        // One more or less than all is a choice of its own, made from nothing.
        self.is_all.set(false);
        self.ids.update(|ids| {
            if !ids.remove(&id) {
                ids.insert(id);
            }
        });
    }

    pub(super) fn end(self) {
        self.is_on.set(false);
        self.is_all.set(false);
        self.ids.update(BTreeSet::clear);
    }

    /// The two that are chosen, older first, if there are just two.
    pub(super) fn pair(self) -> Option<(i64, i64)> {
        let ids = self.ids.get();
        let mut ids = ids.iter();
        match (ids.next(), ids.next(), ids.next()) {
            (Some(first), Some(second), None) if !self.is_all.get() => Some((*first, *second)),
            _ => None,
        }
    }

    fn is_empty(self) -> bool {
        !self.is_all.get() && self.ids.with(BTreeSet::is_empty)
    }

    /// The choice as the server reads it.
    fn to_query(self, query: &GalleryQuery) -> String {
        if self.is_all.get() { query.to_query() } else { these(self.ids.get()) }
    }
}

#[component]
pub(super) fn ChosenBar(
    seat: SeatId,
    query: Memo<GalleryQuery>,
    shown: Memo<GalleryPage>,
    choosing: Choosing,
    favour: ServerAction<SetFavourite>,
    discard: ServerAction<DiscardResults>,
    compare: Callback<(i64, i64)>,
    is_observer: bool,
) -> impl IntoView {
    let has_any = Memo::new(move |_| shown.with(|shown| !shown.items.is_empty()));
    view! {
        {move || {
            (has_any.get() && !choosing.is_on.get())
                .then(|| {
                    view! {
                        <div class="gallery__bar">
                            <button
                                class="button button--small button--quiet"
                                type="button"
                                on:click=move |_| choosing.is_on.set(true)
                            >
                                "Select"
                            </button>
                            <a
                                class="button button--small button--quiet"
                                href=move || paths::download(seat, &query.with(GalleryQuery::to_query))
                                rel="external"
                                download
                            >
                                "Download all"
                            </a>
                        </div>
                    }
                })
        }}
        {move || {
            choosing
                .is_on
                .get()
                .then(|| view! { <Choice seat query shown choosing favour discard compare is_observer/> })
        }}
    }
    .into_any()
}

/// What can be done with the chosen ones.
#[component]
fn Choice(
    seat: SeatId,
    query: Memo<GalleryQuery>,
    shown: Memo<GalleryPage>,
    choosing: Choosing,
    favour: ServerAction<SetFavourite>,
    discard: ServerAction<DiscardResults>,
    compare: Callback<(i64, i64)>,
    is_observer: bool,
) -> impl IntoView {
    let chosen = Memo::new(move |_| query.with(|query| choosing.to_query(query)));
    let is_empty = Memo::new(move |_| choosing.is_empty());
    let words = move || {
        if choosing.is_all.get() {
            "All chosen".to_owned()
        } else {
            format!("{} chosen", choosing.ids.with(BTreeSet::len))
        }
    };
    let choose_all = move |_| {
        choosing.ids.set(shown.with_untracked(|shown| shown.items.iter().map(|item| item.id).collect()));
        choosing.is_all.set(true);
    };
    let fields = move |more: Option<(&'static str, &'static str)>| {
        let mut fields = vec![hidden("seat", seat.to_string()), hidden("chosen", chosen)];
        fields.extend(more.map(|(name, value)| hidden(name, value.to_owned())));
        fields
    };
    view! {
        <div class="gallery__bar gallery__bar--choosing" role="toolbar" aria-label="Chosen results">
            <p class="gallery__count" role="status">{words}</p>
            <button class="button button--small button--quiet" type="button" on:click=choose_all>
                "Choose all"
            </button>
            {move || {
                (!is_empty.get())
                    .then(|| {
                        view! {
                            <DownloadForm seat chosen is_observer/>
                            {move || {
                                choosing
                                    .pair()
                                    .map(|pair| {
                                        view! {
                                            <button
                                                class="button button--small"
                                                type="button"
                                                on:click=move |_| compare.run(pair)
                                            >
                                                "Compare"
                                            </button>
                                        }
                                    })
                            }}
                            {(!is_observer)
                                .then(|| {
                                    view! {
                                        <ActionButton
                                            action=favour
                                            label="Favourite"
                                            pending_label="Marking…"
                                            fields=fields(Some(("is_favourite", "true")))
                                        />
                                        <ActionButton
                                            action=discard
                                            label="Delete"
                                            pending_label="Deleting…"
                                            fields=fields(None)
                                            weight=Weight::Danger
                                        />
                                    }
                                })}
                        }
                    })
            }}
            <button class="button button--small" type="button" on:click=move |_| choosing.end()>
                "Done"
            </button>
        </div>
    }
    .into_any()
}

/// Thousands of ids do not fit an address, so they are posted; who looks on may not post.
#[component]
fn DownloadForm(seat: SeatId, chosen: Memo<String>, is_observer: bool) -> impl IntoView {
    let method = if is_observer { "get" } else { "post" };
    view! {
        <form method=method action=paths::download_archive(seat)>
            {move || {
                format::query_pairs(&chosen.get())
                    .into_iter()
                    .map(|(name, value)| view! { <input type="hidden" name=name value=value/> })
                    .collect_view()
            }}
            <button class="button button--small" type="submit">"Download as zip"</button>
        </form>
    }
}
