//! All routes, and what every request passes through.

use app::{App, PortalSettings, shell};
use axum::Router;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use domain::SeatId;
use leptos::prelude::provide_context;
use leptos_axum::{LeptosRoutes, file_and_error_handler_with_context, generate_route_list};
use tower::Layer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration;
use tower_sessions::{Expiry, SessionManagerLayer};
use tower_sessions_sqlx_store::SqliteStore;

use crate::answer_headers::{self, header_default};
use crate::state::AppState;
use crate::{
    auth, comfy, gallery, health, limits, live, metrics, portal_policy, requests, seat_hosts, tus, worker_api,
};

/// A workshop lasts days; its links should still open next week.
const SESSION_DAYS: i64 = 30;

pub fn router(state: AppState, sessions: SqliteStore) -> Router {
    let settings = PortalSettings {
        title: state.config.workshop_title.clone(),
        access_mode: state.config.access_mode,
        seats: state.config.seats,
        seat_hosts: state.config.seat_hosts.clone(),
    };
    let context = {
        let workshop = state.workshop.clone();
        move || {
            portal_policy::provide_nonce();
            provide_context(workshop.clone());
            provide_context(settings.clone());
        }
    };
    let shell_options = state.leptos.clone();
    let portal = Router::new()
        .leptos_routes_with_context(&state, generate_route_list(App), context.clone(), move || {
            shell(shell_options.clone())
        })
        .fallback(file_and_error_handler_with_context::<AppState, _>(context, shell))
        .layer(from_fn_with_state(state.clone(), portal_policy::send));

    let sessions = SessionManagerLayer::new(sessions)
        .with_name(auth::cookie_name(&state.config))
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_secure(state.config.public_url.starts_with("https://"))
        .with_expiry(Expiry::OnInactivity(Duration::days(SESSION_DAYS)));
    let pages = Router::new()
        .route("/join/{token}", get(auth::join))
        .route("/look/{word}", get(auth::look))
        .route("/open", post(auth::open))
        .route("/admin/login", post(auth::admin_login))
        .route("/leave", post(auth::leave))
        .route("/user/{seat}/take", post(auth::take))
        .merge(live::routes())
        .merge(metrics::routes())
        .merge(comfy::routes(&state))
        .merge(tus::routes())
        .merge(gallery::routes())
        .merge(portal)
        // What belongs to a session is nobody else's to keep; handlers whose files are for
        // all say so themselves.
        .layer(header_default(header::CACHE_CONTROL, "private, no-cache"))
        .layer(from_fn_with_state(state.clone(), seat_hosts::lead_to_seat))
        .layer(from_fn_with_state(state.clone(), limits::keep_share))
        .layer(from_fn_with_state(state.clone(), auth::attach_viewer))
        .layer(sessions)
        .layer(from_fn_with_state(state.clone(), auth::keep_cookie))
        .layer(from_fn_with_state(state.clone(), auth::refuse_foreign_origin))
        .layer(from_fn(canonical_seat));

    let compressed = DefaultPredicate::new()
        .and(NotForContentType::const_new("video/"))
        .and(NotForContentType::const_new("audio/"))
        .and(NotForContentType::const_new("application/zip"))
        .and(NotForContentType::const_new("application/octet-stream"));
    let is_tls = state.config.public_url.starts_with("https://");
    let by_host = from_fn_with_state(state.clone(), seat_hosts::by_host);
    let routes = Router::new()
        .merge(pages)
        .merge(worker_api::routes())
        .merge(health::routes())
        .layer(CatchPanicLayer::new())
        .layer(from_fn(requests::tell_number))
        .layer(CompressionLayer::new().compress_when(compressed))
        .with_state(state);
    // Around the whole router, as it may move a request to another path.
    let by_host =
        answer_headers::on_every_answer(Router::new().fallback_service(by_host.layer(routes)), is_tls);
    by_host.layer(from_fn(requests::number))
}

/// Sends the short forms that people type (`/user/1`) to the seat's own address.
async fn canonical_seat(request: Request, next: Next) -> Response {
    let typed = request.uri().path().strip_prefix("/user/").map(|rest| rest.trim_end_matches('/'));
    let seat = typed.and_then(|typed| SeatId::parse_lenient(typed).ok());
    match seat.map(|seat| format!("/user/{seat}")) {
        Some(canonical) if canonical != request.uri().path() => {
            Redirect::permanent(&canonical).into_response()
        }
        _ => next.run(request).await,
    }
}
