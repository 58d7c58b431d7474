//! `/admin/login`: the instructor's password, by a plain form.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use crate::components::{Notice, Tone};
use crate::pages::frame::Frame;
use crate::paths;

#[component]
pub(crate) fn AdminLoginPage() -> impl IntoView {
    view! {
        <Title text="Instructor sign-in"/>
        <Frame title="comfy-multi">
            <AdminLoginForm/>
        </Frame>
    }
}

/// Also shown in place of the instructor's page to someone who is not signed in.
#[component]
pub(crate) fn AdminLoginForm() -> impl IntoView {
    let query = use_query_map();
    let is_wrong =
        Memo::new(move |_| query.with(|query| query.get("notice").as_deref() == Some("wrong-password")));
    view! {
        <section class="login">
            <h1>"Instructor sign-in"</h1>
            {move || {
                is_wrong
                    .get()
                    .then(|| view! { <Notice tone=Tone::Failure>"That is not the password. Try again."</Notice> })
            }}
            <form class="login__form" method="post" action=paths::ADMIN_LOGIN>
                <label for="password">"Password"</label>
                <input
                    class="field"
                    id="password"
                    name="password"
                    type="password"
                    autocomplete="current-password"
                    required
                    aria-invalid=move || is_wrong.get().then_some("true")
                />
                <button class="button button--primary" type="submit">"Sign in"</button>
            </form>
            <p class="login__hint">"The server prints where to find it when it starts."</p>
        </section>
    }
    .into_any()
}
