//! `/take-home/{token}`: what a participant made, by a link that outlives the workshop.

use leptos::either::Either;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use crate::api::take_home::{TakeHomeView, read_take_home};
use crate::components::EmptyState;
use crate::error::AppError;
use crate::format;
use crate::pages::frame::{Frame, Loading};
use crate::paths;

#[component]
pub(crate) fn TakeHomePage() -> impl IntoView {
    let params = use_params_map();
    let token = Memo::new(move |_| params.with(|params| params.get("token")).unwrap_or_default());
    let page = Resource::new_blocking(move || token.get(), read_take_home);
    view! {
        <Title text="Take home"/>
        <Frame title="comfy-multi">
            <Transition fallback=Loading>
                {move || Suspend::new(async move {
                    let token = token.get_untracked();
                    match page.await {
                        Ok(view) => Either::Left(view! { <TakeHome token view/> }),
                        Err(error) => Either::Right(view! { <Refused error/> }),
                    }
                })}
            </Transition>
        </Frame>
    }
}

#[component]
fn TakeHome(token: String, view: TakeHomeView) -> impl IntoView {
    let download = paths::take_home_download(&token);
    let whose = if view.name.is_empty() { view.seat.to_string() } else { view.name };
    let what = format!("{}, {}", format::count(view.results, "result", "results"), format::bytes(view.bytes));
    view! {
        <section class="take-home-page">
            <h1>{format!("{whose} · {}", view.title)}</h1>
            <p>{format!("{what}, with the workflows and settings, in one zip file. Unpack it and open index.html to look through it.")}</p>
            <p class="take-home__links">
                <a class="button button--primary" href=download.clone() rel="external" download>
                    "Download"
                </a>
                <a class="button" href=format!("{download}?inputs=1") rel="external" download>
                    "Download with input files"
                </a>
            </p>
            <p class="take-home-page__hint">
                "The link works until the organiser removes the files. Whoever has it can download them."
            </p>
        </section>
    }
    .into_any()
}

#[component]
fn Refused(error: AppError) -> impl IntoView {
    match error {
        AppError::NotFound => view! {
            <EmptyState title="This link leads nowhere">
                "It was replaced, or the files have been removed. Ask your instructor for the current one."
            </EmptyState>
        }
        .into_any(),
        error => view! { <EmptyState title="This did not work">{error.to_string()}</EmptyState> }.into_any(),
    }
}
