//! What every handler can reach.

use std::sync::Arc;

use axum::extract::FromRef;
use leptos::config::LeptosOptions;
use workshop::Workshop;
use workshop::files::SeatFolders;

use crate::attempts::Attempts;
use crate::auth::Credentials;
use crate::config::ServerConfig;
use crate::limits::Limits;

#[derive(Clone)]
pub struct AppState {
    pub workshop: Workshop,
    pub config: Arc<ServerConfig>,
    pub credentials: Arc<Credentials>,
    pub attempts: Arc<Attempts>,
    pub limits: Arc<Limits>,
    pub frontend: Arc<crate::comfy::frontend::Frontend>,
    /// As workers reach Redis.
    pub worker_redis_url: Arc<str>,
    pub leptos: LeptosOptions,
}

impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> Self {
        state.leptos.clone()
    }
}

impl FromRef<AppState> for Workshop {
    fn from_ref(state: &AppState) -> Self {
        state.workshop.clone()
    }
}

impl FromRef<AppState> for SeatFolders {
    fn from_ref(state: &AppState) -> Self {
        state.workshop.files().clone()
    }
}
