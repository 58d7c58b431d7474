//! `/user/{seat}`: the editor, a slim bar above it, a drawer beside it.

mod bar;
mod drawer;
mod editor;
mod elsewhere;
mod files;
mod gallery;
mod help;
mod open_in_editor;
mod programs;
mod queue;
mod undo;
mod workflows;

use domain::SeatId;
use leptos::either::EitherOf3;
use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use crate::api::engine::EngineState;
use crate::api::seat::{DismissMessage, SeatPageData, SeatView, read_seat_page};
use crate::components::{Notice, Tone};
use crate::error::AppError;
use crate::live::{Connection, use_live};
use crate::notify::{title_prefix, use_unseen_endings};
use crate::pages::frame::Loading;
use crate::pages::refusal::Refusal;
use crate::pages::seat::bar::SeatBar;
use crate::pages::seat::drawer::{Drawer, open_panel};
use crate::pages::seat::editor::Editor;
use crate::pages::seat::elsewhere::{ElsewhereBanner, InUseElsewhere};
use crate::pages::seat::files::provide_transfers;
use crate::paths;

#[component]
pub(crate) fn SeatPage() -> impl IntoView {
    let params = use_params_map();
    let seat = Memo::new(move |_| {
        params.with(|params| params.get("seat")).and_then(|seat| seat.parse::<SeatId>().ok())
    });
    let page = Resource::new_blocking(
        move || seat.get(),
        |seat| async move {
            match seat {
                Some(seat) => read_seat_page(seat).await,
                None => Err(AppError::NotFound),
            }
        },
    );
    // Not `Suspense`: taking the page out of the document would reload the editor.
    view! {
        <Transition fallback=Loading>
            {move || Suspend::new(async move {
                match page.await {
                    Ok(page) => EitherOf3::A(view! { <SeatWorkplace page/> }),
                    Err(AppError::InUseElsewhere) if let Some(seat) = seat.get_untracked() => {
                        EitherOf3::B(view! { <InUseElsewhere seat/> })
                    }
                    Err(error) => EitherOf3::C(view! { <Refusal error/> }),
                }
            })}
        </Transition>
    }
}

#[component]
fn SeatWorkplace(page: SeatPageData) -> impl IntoView {
    let SeatPageData { title, is_observer, view: first } = page;
    let seat = first.seat;
    let live = use_live::<SeatView>(&paths::seat_live(seat));
    let view: Signal<SeatView> =
        Signal::from(Memo::new(move |_| live.latest.get().unwrap_or_else(|| first.clone())));
    let engine = Memo::new(move |_| view.with(|view| view.engine));
    let is_shared = Memo::new(move |_| !is_observer && view.with(|view| view.is_shared));
    provide_transfers(seat);
    let panel = open_panel();
    let unseen = use_unseen_endings(Signal::from(Memo::new(move |_| view.with(|view| view.jobs.clone()))));
    let page_title = {
        let title = title.clone();
        move || {
            let prefix = view.with(|view| title_prefix(unseen.get(), &view.jobs, view.queue_length));
            format!("{prefix}{seat} · {title}")
        }
    };
    // The server writes the head when what the page is made of may be gone already: there the
    // title is a text, made now.
    #[cfg(feature = "ssr")]
    let page_title = page_title();

    view! {
        <Title text=page_title/>
        <div class="workplace" data-drawer=move || panel.get().map(|panel| panel.slug())>
            <SeatBar title view panel connection=live.connection/>
            <div class="workplace__banners">
                <ElsewhereBanner seat is_shared connection=live.connection/>
                <SeatBanner view is_observer connection=live.connection/>
            </div>
            <main class="workplace__stage">
                <Editor seat engine/>
            </main>
            <Drawer view panel is_observer/>
        </div>
    }
    .into_any()
}

/// Why nothing moves, when nothing moves.
#[component]
fn SeatBanner(view: Signal<SeatView>, is_observer: bool, connection: Signal<Connection>) -> impl IntoView {
    let seat = view.with_untracked(|view| view.seat);
    let engine = Memo::new(move |_| view.with(|view| view.engine));
    let is_queue_paused = Memo::new(move |_| view.with(|view| view.queue.is_paused));
    let is_seat_paused = Memo::new(move |_| view.with(|view| view.is_paused));
    let announcement = Memo::new(move |_| view.with(|view| view.queue.announcement.clone()));
    let message = Memo::new(move |_| view.with(|view| view.message.clone()));
    let dismiss = ServerAction::<DismissMessage>::new();
    view! {
        <Show when=move || is_observer>
            <Notice tone=Tone::Calm>
                {format!("You are looking at {seat}'s workspace. Nothing that you do here changes it.")}
            </Notice>
        </Show>
        {move || announcement.get().map(|text| view! { <Notice tone=Tone::Calm>{text}</Notice> })}
        {move || {
            message
                .get()
                .map(|text| {
                    view! {
                        <div class="notice notice--calm notice--message" role="status">
                            <p>
                                <strong>"From your instructor: "</strong>
                                {text}
                            </p>
                            {(!is_observer)
                                .then(|| {
                                    view! {
                                        <ActionForm action=dismiss>
                                            <input type="hidden" name="seat" value=seat.to_string()/>
                                            <button class="button button--quiet" type="submit">"Got it"</button>
                                        </ActionForm>
                                    }
                                })}
                        </div>
                    }
                })
        }}
        <Show when=move || is_queue_paused.get()>
            <Notice tone=Tone::Calm>
                "The instructor has paused the queue. Your jobs keep their places and start when it goes on."
            </Notice>
        </Show>
        <Show when=move || is_seat_paused.get() && !is_queue_paused.get()>
            <Notice tone=Tone::Calm>
                "The instructor has paused your seat. Your jobs keep their places and start when it goes on."
            </Notice>
        </Show>
        <Show when=move || engine.get() == EngineState::Away>
            <Notice tone=Tone::Warning>
                "The GPU machine is away. Keep working: your jobs wait in line and start when it is back."
            </Notice>
        </Show>
        <Show when=move || connection.get() == Connection::Outdated>
            <Notice tone=Tone::Warning>
                "The server has been updated. Save your workflow, then reload this page."
            </Notice>
        </Show>
        <noscript>
            <Notice tone=Tone::Calm>
                "Without JavaScript the editor cannot run and this page shows the past: reload it to see how your jobs are."
            </Notice>
        </noscript>
    }
}
