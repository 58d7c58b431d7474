//! Speaks to a real ComfyUI over HTTP and WebSocket.
//!
//! Only the worker uses it, against the one ComfyUI beside it. Every call has a time
//! limit, and an answer that is no success is an error that says what was asked.

mod catalog;
mod error;
mod events;
mod files;
mod prompts;

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

pub use catalog::{ModelEntry, ModelFolder};
pub use error::ClientError;
pub use events::{EventStream, Frame};
pub use files::{IfThere, StoredFile, UploadInput};
pub use prompts::{HistoryEntry, HistoryStatus, PostedPrompt, PromptRequest, QueueState};

/// How long ComfyUI may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long ComfyUI may take to answer anything but a file. Generous, because a node that
/// holds Python's interpreter lock delays every answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// One ComfyUI. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ComfyClient {
    http: reqwest::Client,
    base: Arc<str>,
}

impl ComfyClient {
    /// A client of the ComfyUI at this address, such as `http://127.0.0.1:8188`.
    pub fn new(base_url: &str) -> Result<Self, ClientError> {
        // reqwest wants a TLS provider even for plain HTTP; a second installation is refused
        // and means that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT_LIMIT);
        if base_url.starts_with("http://") {
            // Otherwise a machine without certificate authorities could not even speak plain HTTP.
            builder = builder.tls_certs_only([]);
        }
        let http = builder
            .build()
            .map_err(|source| ClientError::Transport { call: "build a client".into(), source })?;
        Ok(Self { http, base: base_url.trim_end_matches('/').into() })
    }

    /// Where this ComfyUI is.
    pub fn base_url(&self) -> &str {
        &self.base
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn get_json<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, ClientError> {
        let request = self.http.get(self.url(path)).query(query).timeout(ANSWER_LIMIT);
        let body = Self::send(request, path).await?.bytes().await;
        let body = body.map_err(|source| ClientError::Transport { call: path.to_owned(), source })?;
        serde_json::from_slice(&body).map_err(|source| ClientError::Decode { call: path.to_owned(), source })
    }

    async fn post_json(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<reqwest::Response, ClientError> {
        Self::send(self.http.post(self.url(path)).json(body).timeout(ANSWER_LIMIT), path).await
    }

    async fn send(request: reqwest::RequestBuilder, call: &str) -> Result<reqwest::Response, ClientError> {
        let response = request
            .send()
            .await
            .map_err(|source| ClientError::Transport { call: call.to_owned(), source })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.text().await.unwrap_or_default();
        Err(ClientError::Status { call: call.to_owned(), status: status.as_u16(), body })
    }
}
