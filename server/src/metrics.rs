//! `/metrics`, for Prometheus and for the instructor.

use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::Viewer;

use crate::error::HttpError;
use crate::state::AppState;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub fn routes() -> Router<AppState> {
    Router::new().route("/metrics", get(metrics))
}

/// With `Authorization: Bearer METRICS_TOKEN`, or the instructor's session. For all others
/// there is nothing here.
async fn metrics(State(state): State<AppState>, parts: Parts) -> Result<Response, HttpError> {
    let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = bearer.and_then(|value| value.strip_prefix("Bearer "));
    let is_scraper = token.is_some_and(|token| state.credentials.is_metrics_token(token));
    let is_admin = parts.extensions.get::<Viewer>().is_some_and(Viewer::is_admin);
    if !is_scraper && !is_admin {
        return Err(HttpError::not_found());
    }
    let text = state.workshop.metrics().await?;
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
