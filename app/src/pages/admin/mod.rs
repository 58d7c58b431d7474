//! `/admin`: what everybody's jobs, the workers and the seats are doing, live, and the
//! hand on all of it.

mod activity;
mod announcement;
mod counts;
mod mode;
mod people;
mod queue;
mod settings;
mod strip;
mod tab;
mod workers;

use leptos::either::EitherOf3;
use leptos::prelude::*;
use leptos::server_fn::error::ServerFnUrlError;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use crate::api::admin::{AdminPageData, AdminView, read_admin_page};
use crate::components::{ConnectionBadge, Notice, Tone};
use crate::error::AppError;
use crate::live::{Connection, use_live};
use crate::pages::admin::activity::Activity;
use crate::pages::admin::people::Seats;
use crate::pages::admin::queue::{ActiveJobs, EndedJobs};
use crate::pages::admin::settings::Settings;
use crate::pages::admin::strip::Strip;
use crate::pages::admin::tab::{Tab, Tabs, open_tab};
use crate::pages::admin::workers::Workers;
use crate::pages::admin_login::AdminLoginForm;
use crate::pages::frame::{Frame, Loading};
use crate::pages::refusal::Refusal;
use crate::paths;

#[component]
pub(crate) fn AdminPage() -> impl IntoView {
    let page = Resource::new_blocking(|| (), |()| read_admin_page());
    view! {
        <Suspense fallback=Loading>
            {move || Suspend::new(async move {
                match page.await {
                    Ok(page) => EitherOf3::A(view! { <AdminDesk page/> }),
                    Err(AppError::SignedOut) => {
                        EitherOf3::B(
                            view! {
                                <Title text="Instructor sign-in"/>
                                <Frame title="comfy-multi">
                                    <AdminLoginForm/>
                                </Frame>
                            },
                        )
                    }
                    Err(error) => EitherOf3::C(view! { <Refusal error/> }),
                }
            })}
        </Suspense>
    }
}

#[component]
fn AdminDesk(page: AdminPageData) -> impl IntoView {
    let AdminPageData { title, view: first } = page;
    let live = use_live::<AdminView>(paths::ADMIN_LIVE);
    let view: Signal<AdminView> =
        Signal::from(Memo::new(move |_| live.latest.get().unwrap_or_else(|| first.clone())));
    let connection = live.connection;
    let tab = open_tab();
    let workflow_problems = Memo::new(move |_| {
        view.with(|view| Some(view.workflow_problems.join("; ")).filter(|problems| !problems.is_empty()))
    });
    view! {
        <Title text=format!("Instructor · {title}")/>
        <Frame
            title
            wide=true
            aside=move || {
                view! {
                    <ConnectionBadge connection/>
                    <form method="post" action=paths::LEAVE>
                        <button class="button button--quiet" type="submit">"Sign out"</button>
                    </form>
                }
            }
        >
            <h1 class="visually-hidden">"Instructor's page"</h1>
            <Strip view/>
            <Tabs open=tab/>
            <PostedFailure/>
            <Show when=move || connection.get() == Connection::Outdated>
                <Notice tone=Tone::Warning>"The server has been updated. Reload this page."</Notice>
            </Show>
            {move || {
                workflow_problems
                    .get()
                    .map(|problems| {
                        let text = format!("Workflows of your folder that no seat gets: {problems}.");
                        view! { <Notice tone=Tone::Warning>{text}</Notice> }
                    })
            }}
            {move || match tab.get() {
                Tab::Queue => view! { <ActiveJobs view/> <EndedJobs view/> }.into_any(),
                Tab::People => view! { <Seats view/> }.into_any(),
                Tab::Workers => view! { <Workers view/> }.into_any(),
                Tab::Activity => view! { <Activity view/> }.into_any(),
                Tab::Settings => view! { <Settings view/> }.into_any(),
            }}
        </Frame>
    }
    .into_any()
}

/// What failed in a form that was posted without script; the answer to it leads back here
/// with the failure in the address.
#[component]
fn PostedFailure() -> impl IntoView {
    let query = use_query_map();
    let failure = move || {
        let encoded = query.with(|query| query.get("__err"))?;
        Some(ServerFnUrlError::<AppError>::decode_err(&encoded))
    };
    move || {
        failure().map(|error| view! { <Notice tone=Tone::Failure>{format!("Not done. {error}")}</Notice> })
    }
}
