//! The tus protocol as the page speaks it: `fetch` with slices of a file.

use js_sys::{Promise, Reflect};
use leptos::prelude::window;
use leptos::wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Blob, Headers, RequestInit, Response};

const VERSION: &str = "1.0.0";

/// Why the server did not take it.
#[derive(Debug)]
pub(super) enum Failure {
    /// Trying again may help: no answer, busy, or another offset than this page thinks.
    Passing,
    /// It will not be taken, in words of the server.
    Refused(String),
}

/// Begins an upload and gives its address.
pub(super) async fn create(uploads: &str, bytes: u64, metadata: &str) -> Result<String, Failure> {
    let length = bytes.to_string();
    let headers = [("Upload-Length", length.as_str()), ("Upload-Metadata", metadata)];
    let response = send("POST", uploads, &headers, None, None).await?;
    header(&response, "Location").ok_or(Failure::Passing)
}

/// How much of an upload the server has.
pub(super) async fn offset(upload: &str) -> Result<u64, Failure> {
    match send("HEAD", upload, &[], None, None).await {
        Ok(response) => offset_of(&response),
        // An answer to HEAD has no words.
        Err(Failure::Refused(_)) => {
            Err(Failure::Refused("The server no longer knows this upload. Start it again.".to_owned()))
        }
        Err(failure) => Err(failure),
    }
}

/// Sends the next bytes; gives the offset after them.
pub(super) async fn append(
    upload: &str,
    offset: u64,
    slice: &Blob,
    signal: &AbortSignal,
) -> Result<u64, Failure> {
    let offset = offset.to_string();
    let headers = [("Upload-Offset", offset.as_str()), ("Content-Type", "application/offset+octet-stream")];
    offset_of(&send("PATCH", upload, &headers, Some(slice), Some(signal)).await?)
}

pub(super) async fn cancel(upload: &str) -> Result<(), Failure> {
    send("DELETE", upload, &[], None, None).await.map(drop)
}

pub(super) async fn sleep(ms: u32) {
    let waiting = Promise::new(&mut |resolve, _| {
        let ms = i32::try_from(ms).unwrap_or(i32::MAX);
        // Without a timer the promise is kept at once.
        if window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms).is_err() {
            let _ = resolve.call0(&JsValue::NULL);
        }
    });
    let _ = JsFuture::from(waiting).await;
}

async fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<&Blob>,
    signal: Option<&AbortSignal>,
) -> Result<Response, Failure> {
    let response = fetch(method, url, headers, body, signal).await.map_err(|_| Failure::Passing)?;
    match response.status() {
        200..=299 => Ok(response),
        409 | 423 | 429 | 500 | 502..=504 => Err(Failure::Passing),
        _ => Err(Failure::Refused(words_of(&response).await)),
    }
}

async fn fetch(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<&Blob>,
    signal: Option<&AbortSignal>,
) -> Result<Response, JsValue> {
    let sent = Headers::new()?;
    sent.set("Tus-Resumable", VERSION)?;
    for (name, value) in headers {
        sent.set(name, value)?;
    }
    let options = RequestInit::new();
    options.set_method(method);
    options.set_headers(&sent);
    if let Some(body) = body {
        options.set_body(body);
    }
    options.set_signal(signal);
    JsFuture::from(window().fetch_with_str_and_init(url, &options)).await?.dyn_into()
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).ok().flatten()
}

fn offset_of(response: &Response) -> Result<u64, Failure> {
    header(response, "Upload-Offset").and_then(|offset| offset.parse().ok()).ok_or(Failure::Passing)
}

/// The message of ComfyUI's error shape.
async fn words_of(response: &Response) -> String {
    let message = async {
        let body = JsFuture::from(response.json().ok()?).await.ok()?;
        let error = Reflect::get(&body, &"error".into()).ok()?;
        Reflect::get(&error, &"message".into()).ok()?.as_string()
    };
    let unknown = || format!("The server refused it (status {}).", response.status());
    message.await.filter(|message| !message.is_empty()).unwrap_or_else(unknown)
}
