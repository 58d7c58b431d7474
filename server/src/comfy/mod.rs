//! Each seat's own ComfyUI API under `/user/{seat}/comfy/`.
//!
//! Thin: a handler proves the seat, calls one use case and shapes the answer as
//! ComfyUI does. Nothing is ever passed on to an engine.

mod editor_client;
pub(crate) mod file_response;
mod form_body;
pub mod frontend;
mod frontend_package;
mod given_workflows;
mod jobs;
mod misc;
mod models;
mod percent;
pub(crate) mod picture;
mod png_text;
mod prompt;
mod queue;
mod room;
pub(crate) mod seat_file;
mod settings;
mod socket;
mod uploads;
mod userdata;
mod view;

#[cfg(test)]
mod file_tests;

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::state::AppState;

/// The first parts of all paths below which a ComfyUI has its API, with and without `/api`.
const API_ROOTS: [&str; 25] = [
    "embeddings",
    "experiment",
    "extensions",
    "features",
    "free",
    "global_subgraphs",
    "history",
    "i18n",
    "internal",
    "interrupt",
    "jobs",
    "models",
    "node_replacements",
    "object_info",
    "prompt",
    "queue",
    "settings",
    "system_stats",
    "upload",
    "userdata",
    "users",
    "v2",
    "view",
    "view_metadata",
    "workflow_templates",
];

/// Whether a ComfyUI would take this path, relative to its root, for one of its API.
pub fn is_api_path(path: &str) -> bool {
    let path = path.strip_prefix("/api").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    let root = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    root == "ws" || API_ROOTS.binary_search(&root).is_ok()
}

/// All routes of all seats.
pub fn routes(state: &AppState) -> Router<AppState> {
    // What a seat stores by these counts against its room.
    let stored = || {
        let routes = Router::new().merge(uploads::routes()).merge(userdata::routes());
        routes.layer(from_fn_with_state(state.clone(), room::watch_room))
    };
    // ComfyUI answers each named route with and without `/api`; the editor uses `/api`.
    let named = || {
        Router::new()
            .merge(prompt::routes(state.config.max_prompt_bytes))
            .merge(queue::routes())
            .merge(jobs::routes())
            .merge(misc::routes())
            .merge(models::routes())
            .merge(settings::routes())
            .merge(stored())
            .merge(view::routes())
    };
    let base = named().merge(socket::routes()).merge(misc::internal_routes()).merge(frontend::routes());
    Router::new()
        .nest("/user/{seat}/comfy/api", named())
        .nest("/user/{seat}/comfy", base)
        .merge(frontend::root_routes())
}
