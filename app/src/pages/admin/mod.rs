//! `/admin`: what everybody's jobs, the workers and the seats are doing, live.

mod counts;
mod jobs;
mod seats;
mod workers;

use leptos::either::EitherOf3;
use leptos::prelude::*;
use leptos_meta::Title;

use crate::api::admin::{AdminPageData, AdminView, read_admin_page};
use crate::components::{ConnectionBadge, EngineBadge};
use crate::error::AppError;
use crate::live::use_live;
use crate::pages::admin::counts::Counts;
use crate::pages::admin::jobs::{ActiveJobs, EndedJobs};
use crate::pages::admin::seats::Seats;
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
    let engine = Memo::new(move |_| view.with(|view| view.engine));
    let connection = live.connection;
    view! {
        <Title text=format!("Instructor · {title}")/>
        <Frame
            title
            wide=true
            aside=move || {
                view! {
                    <ConnectionBadge connection/>
                    <EngineBadge state=engine/>
                    <form method="post" action=paths::LEAVE>
                        <button class="button button--quiet" type="submit">"Sign out"</button>
                    </form>
                }
            }
        >
            <h1 class="visually-hidden">"Instructor's page"</h1>
            <Counts view/>
            <ActiveJobs view/>
            <Workers view/>
            <Seats view/>
            <EndedJobs view/>
        </Frame>
    }
    .into_any()
}
