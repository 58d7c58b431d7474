//! Workers' side of the server (`queue::report` has the table of calls).

use std::io;

use axum::body::Body;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Query, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use bytes::Bytes;
use domain::{JobId, LeaseToken, TraceId, WorkerId};
use futures::{SinkExt, StreamExt, TryStreamExt};
use queue::report::{
    ArtifactQuery, Assignment, Claim, PROTOCOL_VERSION, PlacedFile, Refusal, Release, ResultReport,
    ServerFrame, ServerStatus, WorkerConfig, WorkerFrame,
};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::io::{ReaderStream, StreamReader};
use tower_http::decompression::RequestDecompressionLayer;
use tracing::Instrument;
use uuid::Uuid;
use workshop::spans::worker_call_span;
use workshop::{WorkerConnection, WorkerHello, WorkerIdentity, WorkshopError};

use crate::comfy::file_response;
use crate::error::HttpError;
use crate::state::AppState;

/// How often a worker says that it lives.
const HEARTBEAT_MS: u64 = 3_000;
/// A catalog of an engine with thousands of nodes is some tens of megabytes.
const MAX_CATALOG_BYTES: usize = 256 * 1024 * 1024;
/// Results carry texts and lists of files, not the files.
const MAX_REPORT_BYTES: usize = 64 * 1024 * 1024;
const OUTBOX_FRAMES: usize = 256;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/worker/v1/config", get(config))
        .route("/worker/v1/status", get(status))
        .route("/worker/v1/socket", get(socket))
        .merge(job_routes())
        .layer(DefaultBodyLimit::max(MAX_REPORT_BYTES))
        .merge(catalog_routes())
}

fn job_routes() -> Router<AppState> {
    Router::new()
        .route("/worker/v1/jobs/{job}/claim", post(claim))
        .route("/worker/v1/jobs/{job}/inputs/{index}", get(input))
        .route("/worker/v1/jobs/{job}/models/{index}", get(model))
        .route("/worker/v1/jobs/{job}/artifacts", put(artifact))
        .route("/worker/v1/jobs/{job}/result", post(result))
        .route("/worker/v1/jobs/{job}/release", post(release))
        .layer(from_fn(async |request: Request, next: Next| {
            next.run(request).instrument(worker_call_span()).await
        }))
}

fn catalog_routes() -> Router<AppState> {
    Router::new()
        .route("/worker/v1/catalog", put(catalog))
        .layer(DefaultBodyLimit::max(MAX_CATALOG_BYTES))
        .layer(RequestDecompressionLayer::new())
}

/// Proof that the caller is a worker: it shows the token for all, or one of its own.
struct WorkerAccess(WorkerIdentity);

impl FromRequestParts<AppState> for WorkerAccess {
    type Rejection = WorkerError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token =
            header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(WorkerError::Unauthorized)?;
        if state.credentials.is_worker_token(token) {
            return Ok(Self(WorkerIdentity::Shared));
        }
        state.workshop.worker_of_token(token).await?.map(Self).ok_or(WorkerError::Unauthorized)
    }
}

/// The job of the path: proof that the caller is a worker, and that no other one holds the job.
/// That its lease is current, each use case asks by the lease's token.
struct WorkerJob {
    job: JobId,
    identity: WorkerIdentity,
}

impl FromRequestParts<AppState> for WorkerJob {
    type Rejection = WorkerError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let WorkerAccess(identity) = WorkerAccess::from_request_parts(parts, state).await?;
        let path = RawPathParams::from_request_parts(parts, state).await.ok();
        let job = path.iter().flatten().find(|(name, _)| *name == "job");
        let job = job.and_then(|(_, job)| job.parse().ok()).ok_or(WorkshopError::NotFound)?;
        let said = parts.headers.get("traceparent").and_then(|value| value.to_str().ok());
        let said = said.and_then(TraceId::from_traceparent);
        state.workshop.require_holder(&identity, job, said).await?;
        Ok(Self { job, identity })
    }
}

/// A refusal in the workers' own shape.
enum WorkerError {
    Unauthorized,
    Workshop(WorkshopError),
}

impl From<WorkshopError> for WorkerError {
    fn from(error: WorkshopError) -> Self {
        Self::Workshop(error)
    }
}

impl IntoResponse for WorkerError {
    fn into_response(self) -> Response {
        let (status, error, message) = match self {
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "the worker token is missing or wrong: give the worker the server's WORKER_TOKEN".to_owned(),
            ),
            // A job that is gone and a lease that is gone come to the same for a worker.
            Self::Workshop(error @ (WorkshopError::StaleLease | WorkshopError::NotFound)) => {
                (StatusCode::CONFLICT, "stale_lease", error.to_string())
            }
            Self::Workshop(WorkshopError::BadRequest(message)) => {
                (StatusCode::BAD_REQUEST, "bad_request", message)
            }
            Self::Workshop(error) => return HttpError::from(error).into_response(),
        };
        (status, Json(Refusal { error: error.to_owned(), message })).into_response()
    }
}

async fn config(_: WorkerAccess, State(state): State<AppState>) -> Json<WorkerConfig> {
    Json(WorkerConfig { redis_url: state.worker_redis_url.to_string(), queue: queue::QUEUE_NAME.to_owned() })
}

/// For the operator's `doctor`: a machine with a token of its own learns nothing of the others.
async fn status(
    WorkerAccess(identity): WorkerAccess,
    State(state): State<AppState>,
) -> Result<Json<ServerStatus>, WorkerError> {
    if identity != WorkerIdentity::Shared {
        return Err(WorkerError::Unauthorized);
    }
    let catalog = state.workshop.catalog();
    let told = |text: Option<&str>| text.map(str::to_owned);
    Ok(Json(ServerStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        workers: state.workshop.worker_statuses(),
        comfyui_version: told(catalog.as_ref().and_then(|catalog| catalog.comfyui_version())),
        wanted_frontend: told(catalog.as_ref().and_then(|catalog| catalog.wanted_frontend())),
        frontend: state.frontend.version(),
        devices: catalog.as_ref().map(|catalog| catalog.devices()).unwrap_or_default(),
        models: catalog.as_ref().map(|catalog| catalog.model_count()),
    }))
}

async fn catalog(
    _: WorkerAccess,
    State(state): State<AppState>,
    body: String,
) -> Result<StatusCode, WorkerError> {
    state.workshop.publish_catalog(&body).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn claim(
    WorkerJob { job, identity }: WorkerJob,
    State(state): State<AppState>,
    Json(claim): Json<Claim>,
) -> Result<Json<Assignment>, WorkerError> {
    state.workshop.require_worker(&identity, claim.worker)?;
    Ok(Json(state.workshop.claim(job, claim.token, claim.worker).await?))
}

#[derive(Deserialize)]
struct TokenQuery {
    token: LeaseToken,
}

async fn input(
    WorkerJob { job, .. }: WorkerJob,
    State(state): State<AppState>,
    Path((_, index)): Path<(JobId, usize)>,
    Query(query): Query<TokenQuery>,
) -> Result<Response, WorkerError> {
    let file = state.workshop.input_file(job, query.token, index).await?;
    let stream = ReaderStream::with_capacity(tokio::fs::File::from_std(file), 64 * 1024);
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(stream)).into_response())
}

/// A model may take hours on a slow line, so a worker goes on from where a connection broke.
async fn model(
    WorkerJob { job, .. }: WorkerJob,
    State(state): State<AppState>,
    Path((_, index)): Path<(JobId, usize)>,
    Query(query): Query<TokenQuery>,
    request: HeaderMap,
) -> Result<Response, WorkerError> {
    let model = state.workshop.model_file(job, query.token, index).await?;
    let content_type = HeaderValue::from_static("application/octet-stream");
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]);
    let response = file_response::respond(&request, model.file, &model.sha256, headers).await;
    Ok(response.unwrap_or_else(IntoResponse::into_response))
}

async fn artifact(
    WorkerJob { job, .. }: WorkerJob,
    State(state): State<AppState>,
    Query(query): Query<ArtifactQuery>,
    body: Body,
) -> Result<Json<PlacedFile>, WorkerError> {
    let stream = body.into_data_stream().map_err(io::Error::other);
    let reader = StreamReader::new(Box::pin(stream));
    Ok(Json(state.workshop.place_artifact(job, &query, reader).await?))
}

async fn result(
    WorkerJob { job, .. }: WorkerJob,
    State(state): State<AppState>,
    Json(report): Json<ResultReport>,
) -> Result<StatusCode, WorkerError> {
    state.workshop.report_result(job, report).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn release(
    WorkerJob { job, .. }: WorkerJob,
    State(state): State<AppState>,
    Json(release): Json<Release>,
) -> Result<StatusCode, WorkerError> {
    state.workshop.release(job, release).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn socket(
    WorkerAccess(identity): WorkerAccess,
    State(state): State<AppState>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.max_message_size(64 * 1024 * 1024).on_upgrade(move |socket| serve(state, identity, socket))
}

/// Serves one worker's socket until either side closes it.
async fn serve(state: AppState, identity: WorkerIdentity, socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    let (outbox, mut frames) = mpsc::channel::<ServerFrame>(OUTBOX_FRAMES);
    let mut session: Option<(WorkerId, WorkerConnection)> = None;
    loop {
        tokio::select! {
            frame = frames.recv() => {
                // `outbox` lives as long as this function, so there is always a next frame.
                let Some(frame) = frame else { return };
                let Ok(text) = serde_json::to_string(&frame) else { continue };
                if sink.send(Message::Text(text.into())).await.is_err() {
                    return;
                }
            }
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if let Err(reason) = handle_frame(&state, &identity, &mut session, &outbox, &text).await {
                        tracing::warn!(reason, "a worker's frame was refused");
                        let _ = sink.send(Message::Close(None)).await;
                        return;
                    }
                }
                Some(Ok(Message::Binary(frame))) => handle_preview(&state, session.as_ref(), &frame).await,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            }
        }
    }
}

async fn handle_frame(
    state: &AppState,
    identity: &WorkerIdentity,
    session: &mut Option<(WorkerId, WorkerConnection)>,
    outbox: &mpsc::Sender<ServerFrame>,
    text: &str,
) -> Result<(), String> {
    let frame: WorkerFrame =
        comfy_api::json::from_str(text).map_err(|error| format!("it cannot be read: {error}"))?;
    match (frame, session.as_ref()) {
        (WorkerFrame::Hello { protocol, worker, name, version, slots, staged, engine }, None) => {
            if protocol != PROTOCOL_VERSION {
                return Err(format!(
                    "the worker speaks protocol {protocol}, this server {PROTOCOL_VERSION}: update the older one"
                ));
            }
            let hello = WorkerHello {
                identity: identity.clone(),
                worker,
                name: identity.name(&name).to_owned(),
                version,
                slots,
                staged,
                engine,
            };
            let connection = state
                .workshop
                .worker_connected(hello, outbox.clone())
                .await
                .map_err(|error| error.to_string())?;
            *session = Some((worker, connection));
            outbox
                .send(ServerFrame::Welcome { heartbeat_ms: HEARTBEAT_MS })
                .await
                .map_err(|error| error.to_string())
        }
        (WorkerFrame::Heartbeat { leases, engine, device }, Some((worker, _))) => {
            if !state.workshop.is_welcome(identity).await.map_err(|error| error.to_string())? {
                return Err("its token was revoked".into());
            }
            let heard = state.workshop.heartbeat(*worker, &leases, &engine, device).await;
            heard.map_err(|error| error.to_string())
        }
        (WorkerFrame::Event { job, token, event }, Some(_)) => {
            match state.workshop.relay_event(job, token, event).await {
                // The heartbeat tells the worker that this lease is gone; its late words are dropped.
                Ok(()) | Err(WorkshopError::StaleLease | WorkshopError::NotFound) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        }
        (WorkerFrame::Hello { .. }, Some(_)) => Err("a second hello".into()),
        (_, None) => Err("the first frame was not a hello".into()),
    }
}

async fn handle_preview(state: &AppState, session: Option<&(WorkerId, WorkerConnection)>, frame: &Bytes) {
    let id = |range: std::ops::Range<usize>| Uuid::from_slice(frame.get(range)?).ok();
    let (Some(_), Some(job), Some(token)) = (session, id(0..16), id(16..32)) else { return };
    let preview = frame.slice(32..);
    let relayed =
        state.workshop.relay_preview(JobId::from_uuid(job), LeaseToken::from_uuid(token), preview).await;
    if let Err(error) = relayed {
        tracing::debug!(%error, "a preview was dropped");
    }
}
