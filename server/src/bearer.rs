//! API tokens as programs show them to a seat's ComfyUI.
//!
//! `Authorization: Bearer <token>` is the way. Programs that cannot set a header take a user
//! and a password in the address (`http://api:<token>@host/…`), which becomes
//! `Authorization: Basic`. A token in the query is not read: addresses end up in logs.

use std::time::Duration;

use axum::Json;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::SeatId;
use serde_json::json;

const REST_LIMIT: usize = 4 << 20;
const REST_PATIENCE: Duration = Duration::from_secs(5);

/// The token that the request shows, where tokens count.
pub fn shown_token(request: &Request) -> Option<String> {
    let (scheme, credentials) = authorization(request)?;
    if !is_below_comfy(request.uri().path()) {
        return None;
    }
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(credentials.to_owned()),
        "basic" => {
            let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
            let (_, password) = text.split_once(':')?;
            // Another password may be for a proxy in front of the workshop.
            workshop::looks_like_api_token(password).then(|| password.to_owned())
        }
        _ => None,
    }
}

/// Whether the request shows a bearer token where tokens count. Browsers send `Basic` by
/// themselves once they know it, and `Bearer` never.
pub fn shows_bearer(request: &Request) -> bool {
    authorization(request).is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        && is_below_comfy(request.uri().path())
}

/// What a wrong token is told, in the shape in which ComfyUI tells of errors.
pub fn refusal() -> Response {
    let message = "This API token is not valid: it is mistyped, or it has been revoked. Make a new one on the seat's page, under Help.";
    let body = json!({
        "error": {"type": "invalid_token", "message": message, "details": "", "extra_info": {}},
        "node_errors": {},
    });
    let challenge = [(header::WWW_AUTHENTICATE, r#"Bearer realm="comfy-multi", error="invalid_token""#)];
    (StatusCode::UNAUTHORIZED, challenge, Json(body)).into_response()
}

/// Reads what a refused program still sends, within limits: several HTTP libraries tell of a
/// broken connection, and not of the answer, if it ends while they write.
pub async fn take_rest(request: Request) {
    let rest = axum::body::to_bytes(request.into_body(), REST_LIMIT);
    // Whatever comes of it, the answer is the same.
    let _ = tokio::time::timeout(REST_PATIENCE, rest).await;
}

fn authorization(request: &Request) -> Option<(&str, &str)> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    Some((scheme, credentials.trim()))
}

fn is_below_comfy(path: &str) -> bool {
    let rest = path.strip_prefix("/user/").and_then(|rest| rest.split_once('/'));
    rest.is_some_and(|(seat, rest)| seat.parse::<SeatId>().is_ok() && rest.starts_with("comfy/"))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn shown(path: &str, authorization: &str) -> Option<String> {
        let request = Request::builder().uri(path).header(header::AUTHORIZATION, authorization);
        shown_token(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn a_token_counts_below_a_seats_comfyui_only() {
        assert_eq!(shown("/user/user001/comfy/prompt", "Bearer cm-x").as_deref(), Some("cm-x"));
        assert_eq!(shown("/user/user001/comfy/api/prompt", "bearer  cm-x").as_deref(), Some("cm-x"));
        for path in ["/", "/user/user001", "/user/user001/live", "/admin", "/api/read-seat-page", "/metrics"]
        {
            assert_eq!(shown(path, "Bearer cm-x"), None, "{path}");
        }
    }

    #[test]
    fn a_password_counts_only_if_it_looks_like_a_token() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let path = "/user/user001/comfy/ws";
        assert_eq!(shown(path, &basic("api:cm-x")).as_deref(), Some("cm-x"));
        assert_eq!(shown(path, &basic("operator:secret")), None);
        for malformed in ["Basic", "Basic !", "Digest cm-x", "cm-x"] {
            assert_eq!(shown(path, malformed), None, "{malformed}");
        }
    }
}
