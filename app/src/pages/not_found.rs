//! Any address that leads nowhere.

use leptos::prelude::*;

use crate::error::AppError;
use crate::pages::refusal::Refusal;

#[component]
pub(crate) fn NotFoundPage() -> impl IntoView {
    view! { <Refusal error=AppError::NotFound/> }
}
