//! The server's calls, each tried once: who needs an answer uses [`super::until_answered`].

use std::time::Duration;

use bytes::Bytes;
use domain::WorkerId;
use futures::{Stream, TryStreamExt};
use queue::TaskMessage;
use queue::report::{
    ArtifactQuery, Assignment, Catalog, Claim, PlacedFile, Refusal, Release, ResultReport, WorkerConfig,
};
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ServerError;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long the server may take for anything but a file.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How long one file may take on a slow line.
const FILE_LIMIT: Duration = Duration::from_secs(3600);
/// After this long without a sign of life a connection counts as broken.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// One server, seen by one worker.
pub struct ServerClient {
    http: reqwest::Client,
    base: String,
    token: String,
    worker: WorkerId,
}

/// An input file or a model on its way from the server.
pub struct InputBytes {
    response: Response,
}

impl InputBytes {
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, ServerError>> + Send + use<> {
        let transport = |source| ServerError::Transport { call: "fetch a file", source };
        self.response.bytes_stream().map_err(transport)
    }
}

impl ServerClient {
    pub fn new(base_url: &str, token: &str, worker: WorkerId) -> Result<Self, ServerError> {
        // A second installation is refused and means that there is a TLS provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_LIMIT)
            .tcp_keepalive(SILENCE_LIMIT)
            .tcp_user_timeout(SILENCE_LIMIT);
        if base_url.starts_with("http://") {
            // Otherwise a machine without certificate authorities could not even speak plain HTTP.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(ServerError::Address)?;
        let base = base_url.trim_end_matches('/').to_owned();
        Ok(Self { http, base, token: token.to_owned(), worker })
    }

    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// The address of the event socket.
    pub fn socket_url(&self) -> String {
        format!("{}/worker/v1/socket", self.base.replacen("http", "ws", 1))
    }

    /// What the `Authorization` header must say.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Where this worker finds its tasks.
    pub async fn config(&self) -> Result<WorkerConfig, ServerError> {
        const CALL: &str = "ask for the queue's address";
        let response = self.send(CALL, self.request(Method::GET, "config").timeout(ANSWER_LIMIT)).await?;
        decode(CALL, response).await
    }

    /// Publishes what the engine offers: a [`Catalog`] as JSON, compressed by gzip.
    pub async fn put_catalog(&self, gzipped: Bytes) -> Result<(), ServerError> {
        let request = self
            .request(Method::PUT, "catalog")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_ENCODING, "gzip")
            .timeout(2 * ANSWER_LIMIT)
            .body(gzipped);
        self.send("publish the catalog", request).await.map(drop)
    }

    /// Takes up the lease that a task names.
    pub async fn claim(&self, task: &TaskMessage) -> Result<Assignment, ServerError> {
        const CALL: &str = "claim a job";
        let claim = Claim { token: task.token, worker: self.worker };
        decode(CALL, self.post(CALL, task, "claim", &claim).await?).await
    }

    /// Opens one input file of a claimed job.
    pub async fn input(&self, task: &TaskMessage, index: usize) -> Result<InputBytes, ServerError> {
        let request = self
            .job_request(Method::GET, task, &format!("inputs/{index}"))
            .query(&[("token", task.token.to_string())])
            .timeout(FILE_LIMIT);
        Ok(InputBytes { response: self.send("fetch an input", request).await? })
    }

    /// Opens one model of a claimed job from this byte on, or from its beginning where the server
    /// cannot do that; says from which.
    pub async fn model(
        &self,
        task: &TaskMessage,
        index: usize,
        first: u64,
    ) -> Result<(u64, InputBytes), ServerError> {
        let mut request = self
            .job_request(Method::GET, task, &format!("models/{index}"))
            .query(&[("token", task.token.to_string())])
            .timeout(FILE_LIMIT);
        if first > 0 {
            request = request.header(header::RANGE, format!("bytes={first}-"));
        }
        let response = self.send("fetch a model", request).await?;
        let first = if response.status() == StatusCode::PARTIAL_CONTENT { first } else { 0 };
        Ok((first, InputBytes { response }))
    }

    /// Hands over one output file.
    pub async fn put_artifact(
        &self,
        task: &TaskMessage,
        query: &ArtifactQuery,
        length: Option<u64>,
        content: reqwest::Body,
    ) -> Result<PlacedFile, ServerError> {
        const CALL: &str = "hand over an output";
        let mut request =
            self.job_request(Method::PUT, task, "artifacts").query(query).timeout(FILE_LIMIT).body(content);
        if let Some(length) = length {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        decode(CALL, self.send(CALL, request).await?).await
    }

    /// Says how a run ended.
    pub async fn report(&self, task: &TaskMessage, report: &ResultReport) -> Result<(), ServerError> {
        self.post("report a result", task, "result", report).await.map(drop)
    }

    /// Gives a job back, unharmed.
    pub async fn release(&self, task: &TaskMessage, release: &Release) -> Result<(), ServerError> {
        self.post("give a job back", task, "release", release).await.map(drop)
    }

    async fn post(
        &self,
        call: &'static str,
        task: &TaskMessage,
        verb: &str,
        body: &impl Serialize,
    ) -> Result<Response, ServerError> {
        let request = self.job_request(Method::POST, task, verb);
        self.send(call, request.timeout(ANSWER_LIMIT).json(body)).await
    }

    /// What is said of a job, so that the server's log tells which attempt said it.
    fn job_request(&self, method: Method, task: &TaskMessage, path: &str) -> RequestBuilder {
        let request = self.request(method, &format!("jobs/{}/{path}", task.job));
        request.header("traceparent", task.trace().traceparent(task.attempt))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/worker/v1/{path}", self.base)).bearer_auth(&self.token)
    }

    async fn send(&self, call: &'static str, request: RequestBuilder) -> Result<Response, ServerError> {
        let response = request.send().await.map_err(|source| ServerError::Transport { call, source })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        Err(match status {
            StatusCode::UNAUTHORIZED => ServerError::Unauthorized,
            StatusCode::CONFLICT => ServerError::StaleLease,
            StatusCode::NOT_FOUND => ServerError::NotFound { call },
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                ServerError::Unavailable { call, status: status.as_u16() }
            }
            _ if status.is_server_error() => ServerError::Unavailable { call, status: status.as_u16() },
            _ => {
                let body = response.text().await.unwrap_or_default();
                let refusal = serde_json::from_str::<Refusal>(&body);
                let message = refusal.map(|refusal| refusal.message).unwrap_or(body);
                ServerError::Refused { call, status: status.as_u16(), message }
            }
        })
    }
}

/// The catalog as it is sent.
pub fn compress(catalog: &Catalog) -> std::io::Result<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    serde_json::to_writer(&mut encoder, catalog)?;
    Ok(encoder.finish()?.into())
}

async fn decode<T: DeserializeOwned>(call: &'static str, response: Response) -> Result<T, ServerError> {
    let body = response.bytes().await.map_err(|source| ServerError::Transport { call, source })?;
    serde_json::from_slice(&body).map_err(|source| ServerError::Decode { call, source })
}
