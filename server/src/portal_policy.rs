//! The portal's content security policy: only our own files, and of inline scripts only those that
//! bear this answer's nonce. The editor in its frame is a document of its own, not under it.
//!
//! The header is set here and not by the page as it renders: a page once came without.

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use leptos::nonce::Nonce;
use leptos::prelude::{provide_context, use_context};

use crate::state::AppState;

/// Around the portal's routes.
pub async fn send(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let nonce = Nonce::new();
    request.extensions_mut().insert(nonce.clone());
    let mut response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        // Choosing a seat in an open room is a form that ends at the seat's own host.
        let hosts = state.config.seat_hosts.as_ref();
        let seats = hosts.map(|hosts| format!(" {}", hosts.policy_source())).unwrap_or_default();
        let policy = HeaderValue::try_from(policy(&nonce, &seats));
        response.headers_mut().insert(
            header::CONTENT_SECURITY_POLICY,
            policy.expect("a nonce is base64, and a seat's host is a host"),
        );
    }
    response
}

/// As the page renders: its scripts bear the nonce that its answer is sent with.
pub fn provide_nonce() {
    let nonce = use_context::<Parts>().and_then(|parts| parts.extensions.get::<Nonce>().cloned());
    if let Some(nonce) = nonce {
        provide_context(nonce);
    }
}

fn policy(nonce: &Nonce, seats: &str) -> String {
    format!(
        "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; \
         img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; \
         form-action 'self'{seats}; frame-ancestors 'none'"
    )
}
