//! A failure in plain words, the technical text one click away.

use leptos::prelude::*;

use crate::api::job::FailureView;

#[component]
pub(crate) fn FailureNote(failure: FailureView) -> impl IntoView {
    let FailureView { message, advice, detail } = failure;
    view! {
        <div class="failure">
            <p class="failure__message">{message}</p>
            {(!advice.is_empty()).then(|| view! { <p class="failure__advice">{advice}</p> })}
            {detail
                .map(|detail| {
                    view! {
                        <details class="failure__detail">
                            <summary>"Technical details"</summary>
                            <pre tabindex="0">{detail}</pre>
                        </details>
                    }
                })}
        </div>
    }
}
