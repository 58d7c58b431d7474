//! One person's browser: all its tabs share the cookie that its first page was given.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, ensure};
use futures::StreamExt;
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use reqwest::multipart::Form;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::task::AbortHandle;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::world::plain_client;

/// So many are remembered word for word.
const TROUBLES_KEPT: usize = 50;
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// What everybody did and met, together.
#[derive(Debug, Default)]
pub struct Notes {
    pub requests: u64,
    pub actions: BTreeMap<&'static str, u64>,
    pub troubles: u64,
    /// The first ones.
    pub told: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub struct Notebook(Arc<Mutex<Notes>>);

impl Notebook {
    pub fn note<T>(&self, change: impl FnOnce(&mut Notes) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn trouble(&self, what: String) {
        self.note(|notes| {
            notes.troubles += 1;
            if notes.told.len() < TROUBLES_KEPT {
                notes.told.push(what);
            }
        });
    }
}

pub struct Browser {
    url: String,
    http: reqwest::Client,
    cookie: HeaderValue,
    notebook: Notebook,
}

impl Browser {
    /// Opens the workshop by a form, and keeps the session that the answer begins.
    pub async fn open(url: &str, path: &str, form: String, notebook: Notebook) -> anyhow::Result<Self> {
        let http = plain_client()?;
        let request = http.post(format!("{url}{path}")).header(CONTENT_TYPE, FORM).body(form);
        // The page to which it leads is without the cookie and may refuse; the cookie counts.
        let answer = no_redirect()?.execute(request.build()?).await.context("the workshop is not there")?;
        ensure!(answer.status() == StatusCode::SEE_OTHER, "{path}: {}", answer.status());
        let cookie = session_cookie(answer.headers()).with_context(|| format!("{path} gave no session"))?;
        Ok(Self { url: url.to_owned(), http, cookie, notebook })
    }

    /// The answer's body, if it is a good one.
    pub async fn get(&self, path: &str) -> Option<Vec<u8>> {
        self.send(path, self.http.get(format!("{}{path}", self.url))).await
    }

    pub async fn get_json(&self, path: &str) -> Option<Value> {
        let body = self.get(path).await?;
        match serde_json::from_slice(&body) {
            Ok(value) => Some(value),
            Err(error) => {
                self.notebook.trouble(format!("{path}: no JSON: {error}"));
                None
            }
        }
    }

    pub async fn post_form(&self, path: &str, form: String) -> Option<Vec<u8>> {
        let request = self.http.post(format!("{}{path}", self.url)).header(CONTENT_TYPE, FORM).body(form);
        self.send(path, request).await
    }

    pub async fn post_json(&self, path: &str, body: &Value) -> Option<Vec<u8>> {
        self.send(path, self.http.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// For what the workshop is to refuse.
    pub async fn post_to_be_refused(&self, path: &str, body: &Value) {
        self.notebook.note(|notes| notes.requests += 1);
        let request = self.http.post(format!("{}{path}", self.url)).header(COOKIE, self.cookie.clone());
        match request.json(body).send().await {
            Ok(answer) if answer.status() == StatusCode::BAD_REQUEST => {}
            Ok(answer) => self.notebook.trouble(format!("{path}: {}, and not refused", answer.status())),
            Err(error) => self.notebook.trouble(format!("{path}: {error}")),
        }
    }

    pub async fn upload(&self, path: &str, form: Form) -> Option<Vec<u8>> {
        self.send(path, self.http.post(format!("{}{path}", self.url)).multipart(form)).await
    }

    async fn send(&self, path: &str, request: RequestBuilder) -> Option<Vec<u8>> {
        self.notebook.note(|notes| notes.requests += 1);
        let answer = match request.header(COOKIE, self.cookie.clone()).send().await {
            Ok(answer) => answer,
            Err(error) => {
                self.notebook.trouble(format!("{path}: {error:?}"));
                return None;
            }
        };
        let status = answer.status();
        match answer.bytes().await {
            Ok(body) if status.is_success() => Some(body.to_vec()),
            Ok(body) => {
                let text: String = String::from_utf8_lossy(&body).chars().take(200).collect();
                self.notebook.trouble(format!("{path}: {status} {text}"));
                None
            }
            Err(error) => {
                self.notebook.trouble(format!("{path}: the answer broke off: {error:?}"));
                None
            }
        }
    }

    /// A tab with a WebSocket, which listens until it is closed.
    pub async fn listen(&self, path: &str) -> Option<Tab> {
        self.notebook.note(|notes| notes.requests += 1);
        let url = format!("{}{path}", self.url.replacen("http", "ws", 1));
        let connected = async {
            let mut request = url.into_client_request()?;
            request.headers_mut().insert(COOKIE, self.cookie.clone());
            connect_async(request).await
        };
        match connected.await {
            Ok((mut socket, _)) => {
                // A closed tab's connection ends without a word, as a browser's does.
                let listening = async move { while let Some(Ok(_)) = socket.next().await {} };
                Some(Tab(tokio::spawn(listening).abort_handle()))
            }
            Err(error) => {
                self.notebook.trouble(format!("{path}: no socket: {error}"));
                None
            }
        }
    }
}

/// Closed when it is dropped.
pub struct Tab(AbortHandle);

impl Drop for Tab {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn no_redirect() -> anyhow::Result<reqwest::Client> {
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    builder.redirect(reqwest::redirect::Policy::none()).build().context("no HTTP client")
}

fn session_cookie(headers: &HeaderMap) -> Option<HeaderValue> {
    let cookie = headers.get(SET_COOKIE)?.to_str().ok()?;
    HeaderValue::from_str(cookie.split(';').next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_kept_without_what_the_browser_keeps_for_itself() {
        let given = HeaderValue::from_static("comfy_multi=abc; HttpOnly; SameSite=Lax; Path=/");
        let headers = HeaderMap::from_iter([(SET_COOKIE, given)]);
        assert_eq!(session_cookie(&headers), Some(HeaderValue::from_static("comfy_multi=abc")));
        assert_eq!(session_cookie(&HeaderMap::new()), None);
    }
}
