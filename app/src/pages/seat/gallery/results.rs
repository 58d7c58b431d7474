//! The results under the filter, page after page, and what is done with them.

use std::collections::HashSet;

use domain::SeatId;
use leptos::prelude::*;

use crate::api::gallery::{DiscardResults, GalleryPage, SetFavourite, read_gallery};
use crate::api::gallery_query::{GalleryQuery, ids_of};
use crate::api::undo::UndoDiscard;
use crate::components::{EmptyState, Notice, Tone};
use crate::error::AppError;
use crate::pages::seat::drawer::Panel;
use crate::pages::seat::gallery::Newest;
use crate::pages::seat::gallery::chosen::{Choosing, ChosenBar};
use crate::pages::seat::gallery::lightbox::Lightbox;
use crate::pages::seat::gallery::tile::Tile;
use crate::pages::seat::undo::UndoNotice;

type Older = Action<(String, i64), Result<(String, GalleryPage), AppError>>;

#[component]
pub(super) fn Results(
    seat: SeatId,
    query: Memo<GalleryQuery>,
    newest: Newest,
    is_observer: bool,
) -> impl IntoView {
    // What has been read so far under which filter. The shown page is derived from it and from
    // the newest page alone, so that the server renders the same without effects.
    let kept = RwSignal::new((String::new(), GalleryPage::default()));
    let continued = move |(query, page): (String, GalleryPage)| {
        kept.with_untracked(|(own, kept)| if *own == query { kept.clone().with_newest(page) } else { page })
    };
    let shown = Memo::new(move |_| match newest.get() {
        Some(Ok(newest)) => {
            kept.track();
            continued(newest)
        }
        Some(Err(_)) | None => kept.with(|(_, page)| page.clone()),
    });
    Effect::new(move |_| {
        if let Some(Ok(newest)) = newest.get() {
            let query = newest.0.clone();
            kept.set((query, continued(newest)));
        }
    });
    let read_older: Older = Action::new(move |(query, before): &(String, i64)| {
        let (query, before) = (query.clone(), *before);
        async move { Ok((query.clone(), read_gallery(seat, query, Some(before)).await?)) }
    });
    Effect::new(move |_| {
        if let Some(Ok((query, older))) = read_older.value().get() {
            kept.update(|(own, kept)| {
                if *own == query {
                    *kept = std::mem::take(kept).with_older(older);
                }
            });
        }
    });

    let choosing = Choosing::new();
    let favour = ServerAction::<SetFavourite>::new();
    let discard = ServerAction::<DiscardResults>::new();
    let bring_back = ServerAction::<UndoDiscard>::new();
    follow_actions(kept, choosing, favour, discard, bring_back);

    let selected = RwSignal::new(None);
    let against = RwSignal::new(None);
    let compare = Callback::new(move |(older, newer): (i64, i64)| {
        against.set(Some(older));
        selected.set(Some(newer));
    });
    let failure = move || {
        let newest = newest.get().and_then(Result::err);
        newest.or_else(|| read_older.value().get().and_then(Result::err))
    };
    // Looked up once for all: each tile asks, and there may be thousands.
    let favourites: Memo<HashSet<i64>> = Memo::new(move |_| {
        shown.with(|shown| shown.items.iter().filter(|item| item.is_favourite).map(|item| item.id).collect())
    });
    let undo = Memo::new(move |_| newest.get().and_then(Result::ok).and_then(|(_, page)| page.undo));
    let is_empty = Memo::new(move |_| {
        newest.get().is_some_and(|newest| newest.is_ok()) && shown.with(|shown| shown.items.is_empty())
    });

    view! {
        {move || {
            failure()
                .map(|error| {
                    view! { <Notice tone=Tone::Failure>{format!("The gallery could not be read. {error}")}</Notice> }
                })
        }}
        {(!is_observer).then(|| view! { <UndoNotice seat undo bring_back/> })}
        <ChosenBar seat query shown choosing favour discard compare is_observer/>
        {move || is_empty.get().then(|| view! { <NothingHere query/> })}
        <ul class="gallery__items" role="list">
            <For
                each=move || shown.with(|shown| shown.items.clone())
                key=|item| item.id
                children=move |item| {
                    let id = item.id;
                    let is_favourite = Signal::derive(move || favourites.with(|ids| ids.contains(&id)));
                    view! { <li><Tile seat item is_favourite selected choosing/></li> }
                }
            />
        </ul>
        {move || {
            shown.with(|shown| shown.has_older).then(|| view! { <LoadMore query shown read_older/> })
        }}
        <Lightbox
            seat
            items=Signal::derive(move || shown.with(|shown| shown.items.clone()))
            selected
            against
            favour
            discard
            is_observer
        />
    }
    .into_any()
}

/// What an action changed shows at once, also on pages that are not read again.
fn follow_actions(
    kept: RwSignal<(String, GalleryPage)>,
    choosing: Choosing,
    favour: ServerAction<SetFavourite>,
    discard: ServerAction<DiscardResults>,
    bring_back: ServerAction<UndoDiscard>,
) {
    let asked_to_favour = last_input(favour);
    Effect::new(move |_| {
        let Some(Ok(())) = favour.value().get() else { return };
        if let Some(SetFavourite { chosen, is_favourite, .. }) = asked_to_favour.get_untracked()
            && let Some(ids) = ids_of(&chosen)
        {
            kept.update(|(_, page)| *page = std::mem::take(page).with_favourites(&ids, is_favourite));
        } else {
            kept.set(Default::default());
        }
        choosing.end();
    });
    let asked_to_discard = last_input(discard);
    Effect::new(move |_| {
        let Some(Ok(())) = discard.value().get() else { return };
        let ids = asked_to_discard.get_untracked().and_then(|asked| ids_of(&asked.chosen));
        match ids {
            Some(ids) => kept.update(|(_, page)| *page = std::mem::take(page).without(&ids)),
            None => kept.set(Default::default()),
        }
        choosing.end();
    });
    // What comes back belongs between others: read anew from the newest on.
    Effect::new(move |_| {
        if let Some(Ok(())) = bring_back.value().get() {
            kept.set(Default::default());
        }
    });
}

/// What the action was asked last; its own input is gone once it is done.
fn last_input<S>(action: ServerAction<S>) -> RwSignal<Option<S>>
where
    S: leptos::server_fn::ServerFn + Clone + Send + Sync + 'static,
    S::Output: Send + Sync + 'static,
    S::Error: Send + Sync + 'static,
{
    let last = RwSignal::new(None);
    Effect::new(move |_| {
        if let Some(input) = action.input().get() {
            last.set(Some(input));
        }
    });
    last
}

#[component]
fn NothingHere(query: Memo<GalleryQuery>) -> impl IntoView {
    move || {
        if query.with(GalleryQuery::is_narrow) {
            view! {
                <EmptyState title="Nothing matches">
                    "None of your results is like that. " <a href=Panel::Gallery.href() data-noscroll>"Show all"</a>
                </EmptyState>
            }
            .into_any()
        } else {
            view! {
                <EmptyState title="No results yet">
                    "Pictures, videos and sounds that your jobs save are kept here."
                </EmptyState>
            }
            .into_any()
        }
    }
}

#[component]
fn LoadMore(query: Memo<GalleryQuery>, shown: Memo<GalleryPage>, read_older: Older) -> impl IntoView {
    let load = move |_| {
        if let Some(oldest) = shown.with_untracked(|shown| shown.items.last().map(|item| item.id)) {
            read_older.dispatch((query.with_untracked(GalleryQuery::to_query), oldest));
        }
    };
    view! {
        <button class="button gallery__more" type="button" disabled=move || read_older.pending().get() on:click=load>
            {move || if read_older.pending().get() { "Loading…" } else { "Load more" }}
        </button>
    }
}
