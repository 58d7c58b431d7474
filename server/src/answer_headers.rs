//! What every answer says of itself, whoever made it: page, file, refusal or panic.
//!
//! Invariant: an answer that says nothing else is no document that runs, is shown in no frame,
//! is no other site's to embed, and is kept by nobody.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tower::util::option_layer;
use tower_http::set_header::SetResponseHeaderLayer;

/// Pages and files that are more than data bring a policy of their own.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Nodes record by camera and microphone, in the editor's frame, which is of this origin.
const PERMISSIONS: &str = "camera=(self), microphone=(self), geolocation=(), payment=(), usb=()";

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Their last part opens something to whoever has it.
const SECRET_ADDRESSES: [&str; 3] = ["/join/", "/look/", "/take-home/"];

pub fn on_every_answer(routes: Router, is_tls: bool) -> Router {
    routes
        .layer(header_default(header::CACHE_CONTROL, "no-store"))
        .layer(header_default(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(header_default(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header_default(header::REFERRER_POLICY, "same-origin"))
        .layer(header_default(PERMISSIONS_POLICY, PERMISSIONS))
        // The seats' hosts are one site to the browser, which sends cookies from one to another.
        .layer(header_default(CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"))
        // Elsewhere browsers do not heed it, and complain.
        .layer(option_layer(is_tls.then(|| header_default(CROSS_ORIGIN_OPENER_POLICY, "same-origin"))))
        .layer(from_fn(keep_no_secret_address))
}

pub fn header_default(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

async fn keep_no_secret_address(request: Request, next: Next) -> Response {
    let is_secret = SECRET_ADDRESSES.iter().any(|prefix| request.uri().path().starts_with(prefix));
    let mut response = next.run(request).await;
    if is_secret {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
    response
}
