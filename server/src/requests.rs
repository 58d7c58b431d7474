//! Each request has a number of its own, which whoever asked can read to the operator: it is in the
//! answer's header, in the words of an answer that tells of the server's fault, and in all that is
//! logged at the request.
//!
//! Invariant: the number is ours. What a client sends by that name goes nowhere.

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use runtime::random;
use serde_json::Value;
use tracing::Instrument;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Fifty bits: short enough to be read out, and never the same twice in a workshop.
const LENGTH: usize = 10;
/// Answers that tell of a fault are a few sentences.
const MOST_WORDS: usize = 64 * 1024;

#[derive(Clone)]
struct RequestId(String);

/// Around everything. The span has no path: some hold join links.
pub async fn number(mut request: Request, next: Next) -> Response {
    let id = random::base32_token(LENGTH);
    let span = tracing::error_span!("http.request.answer", request.id = %id, method = %request.method());
    request.headers_mut().remove(REQUEST_ID);
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Within the compression: puts the number into the words of an answer that tells of a fault.
pub async fn tell_number(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let Some(RequestId(id)) = id.filter(|_| response.status().is_server_error()) else { return response };
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let named: fn(&[u8], &str) -> Option<String> = match kind {
        Some(kind) if kind.starts_with("application/json") => named_json,
        Some(kind) if kind.starts_with("text/plain") && !is_for_a_page(&response) => named_text,
        _ => return response,
    };
    let (mut parts, body) = response.into_parts();
    // Only a body that breaks off or is far too long fails, and then there are no words.
    let body = to_bytes(body, MOST_WORDS).await.unwrap_or_default();
    let Some(words) = named(&body, &id) else { return Response::from_parts(parts, Body::from(body)) };
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    tracing::warn!(status = parts.status.as_u16(), route, "a request was answered with a fault of ours");
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(words))
}

/// What a server function answers is read by the page's own code.
fn is_for_a_page(response: &Response) -> bool {
    response.headers().contains_key("serverfnerror")
}

/// ComfyUI's shape: the editor shows the message.
fn named_json(body: &[u8], id: &str) -> Option<String> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let message = body.get_mut("error")?.get_mut("message")?;
    *message = format!("{} (Request {id})", message.as_str()?).into();
    Some(body.to_string())
}

fn named_text(body: &[u8], id: &str) -> Option<String> {
    Some(format!("{} (Request {id})", std::str::from_utf8(body).ok()?.trim_end()))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    use axum::response::IntoResponse;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    /// The header and the body of an answer.
    async fn asked(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> (String, String) {
        let app = Router::new()
            .route("/", get(move || async move { answer }))
            .layer(from_fn(tell_number))
            .layer(from_fn(number));
        let request = Request::get("/").header(REQUEST_ID, "chosen-by-the-client").body(Body::empty());
        let response = app.oneshot(request.unwrap()).await.unwrap();
        let id = response.headers()[REQUEST_ID].to_str().unwrap().to_owned();
        let body = to_bytes(response.into_body(), MOST_WORDS).await.unwrap();
        (id, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_fault_names_the_request_in_its_words() {
        let (id, text) = asked((StatusCode::INTERNAL_SERVER_ERROR, "It broke.")).await;
        assert_eq!((id.len(), text), (LENGTH, format!("It broke. (Request {id})")));
        let json = r#"{"error":{"type":"internal","message":"It broke."}}"#;
        let kind = [(header::CONTENT_TYPE, "application/json")];
        let (id, text) = asked((StatusCode::INTERNAL_SERVER_ERROR, kind, json)).await;
        assert_eq!(text, json.replace("broke.", &format!("broke. (Request {id})")));
    }

    #[tokio::test]
    async fn other_answers_stay_as_they_are() {
        assert_eq!(asked("It works.").await.1, "It works.");
        assert_eq!(asked((StatusCode::NOT_FOUND, "Nothing.")).await.1, "Nothing.");
        let kind = [(header::CONTENT_TYPE, "application/json")];
        let ready = r#"{"ready":false}"#;
        assert_eq!(asked((StatusCode::SERVICE_UNAVAILABLE, kind, ready)).await.1, ready);
        let page = [("serverfnerror", "/api/x")];
        assert_eq!(asked((StatusCode::INTERNAL_SERVER_ERROR, page, "\"internal\"")).await.1, "\"internal\"");
    }

    #[tokio::test]
    async fn each_request_has_another_number() {
        assert_ne!(asked("").await.0, asked("").await.0);
    }
}
