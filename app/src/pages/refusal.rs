//! A page that cannot be shown: why, and where to go instead. Sets the answer's status.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::error::AppError;
use crate::pages::frame::Frame;
use crate::paths;

#[component]
pub(crate) fn Refusal(error: AppError) -> impl IntoView {
    #[cfg(feature = "ssr")]
    crate::viewer::answer_with_status(error.status());

    let (heading, advice) = match error {
        AppError::SignedOut => (
            "Open your join link first",
            "This browser does not hold a seat. Open the link that your instructor gave you; it brings you straight here.",
        ),
        AppError::InUseElsewhere => {
            ("Your seat is open in another browser", "Open your seat's own page to use it here instead.")
        }
        AppError::NotFound => (
            "There is nothing here for you",
            "The address may be mistyped, or it belongs to another seat. Your own seat is one click away on the start page.",
        ),
        AppError::Invalid => ("That did not make sense", "Reload the page and try again."),
        AppError::Unreachable => {
            ("No answer from the server", "Check your connection, then reload the page.")
        }
        AppError::Internal => (
            "Something went wrong on the server",
            "Reload the page in a moment. If it stays like this, tell your instructor; your work and your jobs are kept.",
        ),
    };
    view! {
        <Title text=heading/>
        <Frame title="comfy-multi">
            <section class="refusal">
                <p class="refusal__status" aria-hidden="true">{error.status()}</p>
                <h1>{heading}</h1>
                <p>{advice}</p>
                <p class="refusal__ways">
                    <a class="button button--primary" href=paths::LANDING rel="external">"Go to the start page"</a>
                </p>
            </section>
        </Frame>
    }
    .into_any()
}
