//! Each seat's own ComfyUI API under `/user/{seat}/comfy/`.
//!
//! Thin: a handler proves the seat, calls one use case and shapes the answer as
//! ComfyUI does. Nothing is ever passed on to an engine.

pub(crate) mod file_response;
pub mod frontend;
mod frontend_package;
mod jobs;
mod misc;
mod models;
mod percent;
pub(crate) mod picture;
mod png_text;
mod prompt;
mod queue;
pub(crate) mod seat_file;
mod settings;
mod socket;
mod uploads;
mod userdata;
mod view;

#[cfg(test)]
mod file_tests;

use axum::Router;

use crate::config::ServerConfig;
use crate::state::AppState;

/// All routes of all seats.
pub fn routes(config: &ServerConfig) -> Router<AppState> {
    // ComfyUI answers each named route with and without `/api`; the editor uses `/api`.
    let named = || {
        Router::new()
            .merge(prompt::routes(config.max_prompt_bytes))
            .merge(queue::routes())
            .merge(jobs::routes())
            .merge(misc::routes())
            .merge(models::routes())
            .merge(settings::routes())
            .merge(uploads::routes())
            .merge(userdata::routes())
            .merge(view::routes())
    };
    let base = named().merge(socket::routes()).merge(misc::internal_routes()).merge(frontend::routes());
    Router::new()
        .nest("/user/{seat}/comfy/api", named())
        .nest("/user/{seat}/comfy", base)
        .merge(frontend::root_routes())
}
