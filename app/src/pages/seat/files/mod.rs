//! The Files tab: what a participant brings. Inputs, models, uploads under way, and the
//! room that all of it takes. The lists read without script; adding files needs it, but
//! for one small form.

mod add;
mod lists;
mod plan;
mod room;
mod transfers;
mod tus;
mod under_way;

use domain::SeatId;
use leptos::either::Either;
use leptos::prelude::*;

use crate::api::files::{FilesView, read_files};
use crate::api::undo::UndoDiscard;
use crate::components::{Notice, Tone};
use crate::error::AppError;
use crate::pages::frame::Loading;
use crate::pages::seat::files::add::AddFiles;
use crate::pages::seat::files::lists::{InputList, ModelList};
use crate::pages::seat::files::room::RoomMeter;
pub(crate) use crate::pages::seat::files::transfers::provide_transfers;
use crate::pages::seat::files::under_way::UnderWay;
use crate::pages::seat::undo::UndoNotice;
use crate::scope::within_page;

/// What the tab shows, read again whenever it changes.
type Files = Resource<Result<FilesView, AppError>>;

#[component]
pub(crate) fn FilesPanel(seat: SeatId, revision: Memo<u64>, is_observer: bool) -> impl IntoView {
    let files: Files = Resource::new(move || revision.get(), move |_| within_page(read_files(seat)));
    // As in the gallery: read above this boundary, it would reload the editor.
    view! {
        <section class="files">
            <h2 class="visually-hidden">"My files"</h2>
            <Transition fallback=Loading>
                <FilesContent seat files is_observer/>
            </Transition>
        </section>
    }
    .into_any()
}

#[component]
fn FilesContent(seat: SeatId, files: Files, is_observer: bool) -> impl IntoView {
    // A failed refresh leaves what was there, under a notice.
    let shown = Memo::new(move |before: Option<&Option<FilesView>>| match files.get() {
        Some(Ok(files)) => Some(files),
        Some(Err(_)) | None => before.cloned().flatten(),
    });
    let failure = move || files.get().and_then(Result::err);
    let view: Signal<FilesView> = Signal::derive(move || shown.get().unwrap_or_default());
    let is_known = Memo::new(move |_| shown.with(Option::is_some));
    view! {
        {move || {
            failure()
                .map(|error| {
                    view! { <Notice tone=Tone::Failure>{format!("Your files could not be read. {error}")}</Notice> }
                })
        }}
        {move || {
            if is_known.get() {
                Either::Left(view! { <KnownFiles seat view is_observer/> })
            } else {
                Either::Right(())
            }
        }}
    }
    .into_any()
}

#[component]
fn KnownFiles(seat: SeatId, view: Signal<FilesView>, is_observer: bool) -> impl IntoView {
    let inputs = Memo::new(move |_| view.with(|view| (view.inputs.clone(), view.more_inputs)));
    let models = Memo::new(move |_| view.with(|view| view.models.clone()));
    let uploads = Memo::new(move |_| view.with(|view| view.uploads.clone()));
    let folders = Memo::new(move |_| view.with(|view| view.folders.clone()));
    let storage = Memo::new(move |_| view.with(|view| view.storage.clone()));
    let undo = Memo::new(move |_| view.with(|view| view.undo).filter(|_| !is_observer));
    let bring_back = ServerAction::<UndoDiscard>::new();
    view! {
        <RoomMeter storage/>
        {(!is_observer).then(|| view! { <AddFiles seat folders/> })}
        <UnderWay seat uploads is_observer/>
        <UndoNotice seat undo bring_back/>
        <ModelList seat models is_observer/>
        <InputList seat inputs is_observer/>
    }
    .into_any()
}
