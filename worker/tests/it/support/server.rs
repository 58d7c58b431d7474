//! A server that speaks the worker protocol over real HTTP and WebSocket, and remembers in order
//! what it was told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket};
use axum::extract::{DefaultBodyLimit, Path, Query, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, middleware};
use domain::{JobId, LeaseToken};
use futures::{StreamExt, stream};
use queue::TaskMessage;
use queue::report::{
    ArtifactQuery, Assignment, Catalog, Claim, DeviceStats, InputFile, LeaseRef, NeededModel,
    PROTOCOL_VERSION, PlacedFile, Refusal, Release, ResultReport, ServerFrame, WorkerConfig, WorkerFrame,
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::sync::{broadcast, watch};
use uuid::Uuid;

pub const TOKEN: &str = "worker-token-of-the-test";
const PATIENCE: Duration = Duration::from_secs(120);

/// What a job's worker told, in the order of arrival.
#[derive(Debug, Clone)]
pub enum Told {
    Claimed,
    /// A model was asked for from this byte on.
    Model {
        first: u64,
    },
    Event(Value),
    Preview,
    Artifact {
        query: ArtifactQuery,
        content: Bytes,
    },
    Result(ResultReport),
    Released(Release),
}

#[derive(Debug, Clone)]
pub struct JobRecord {
    pub token: LeaseToken,
    pub assignment: Assignment,
    pub inputs: Vec<Bytes>,
    pub model: Option<ServedModel>,
    /// Every call is answered 409.
    pub stale: bool,
    pub told: Vec<Told>,
}

/// A model as the server gives it out, well or badly.
#[derive(Debug, Clone)]
pub struct ServedModel {
    pub content: Bytes,
    /// What the assignment says of it.
    pub promised: Bytes,
    /// The first connection breaks after so many bytes.
    pub breaks_after: Option<usize>,
    pub is_gone: bool,
}

impl ServedModel {
    pub fn new(content: Bytes) -> Self {
        Self { promised: content.clone(), content, breaks_after: None, is_gone: false }
    }
}

impl JobRecord {
    pub fn result(&self) -> Option<&ResultReport> {
        self.told.iter().find_map(|told| if let Told::Result(result) = told { Some(result) } else { None })
    }

    pub fn events(&self, kind: &str) -> Vec<&Value> {
        let events = self.told.iter().filter_map(|told| match told {
            Told::Event(event) if event["type"] == kind => Some(&event["data"]),
            _ => None,
        });
        events.collect()
    }

    pub fn artifacts(&self) -> Vec<(&ArtifactQuery, &Bytes)> {
        let artifacts = self.told.iter().filter_map(|told| match told {
            Told::Artifact { query, content } => Some((query, content)),
            _ => None,
        });
        artifacts.collect()
    }

    /// Why the job was given back, if it was.
    pub fn release(&self) -> Option<&Release> {
        self.told
            .iter()
            .find_map(|told| if let Told::Released(release) = told { Some(release) } else { None })
    }
}

#[derive(Debug, Default)]
struct Record {
    jobs: HashMap<JobId, JobRecord>,
    catalogs: Vec<Catalog>,
    /// The versions of workers that said hello.
    versions: Vec<String>,
    /// The latest heartbeat's.
    leases: Vec<LeaseRef>,
    device: Option<DeviceStats>,
    /// What each call about a job named its trace.
    traces: Vec<String>,
    away: bool,
    /// Calls that came while it was away.
    turned_away: usize,
}

struct Shared {
    record: Mutex<Record>,
    changes: watch::Sender<u64>,
    commands: broadcast::Sender<ServerFrame>,
    /// Sockets opened before the latest number are closed.
    cut: watch::Sender<u64>,
    /// Output files are not taken while this is set.
    artifacts_held: watch::Sender<bool>,
    config: WorkerConfig,
}

/// The server of a test.
#[derive(Clone)]
pub struct TestServer {
    shared: Arc<Shared>,
    pub address: SocketAddr,
}

impl TestServer {
    /// Serves on a port of the loopback until the runtime ends.
    pub async fn start(redis_url: &str, queue: &str) -> Self {
        let shared = Arc::new(Shared {
            record: Mutex::default(),
            changes: watch::Sender::new(0),
            commands: broadcast::Sender::new(64),
            cut: watch::Sender::new(0),
            artifacts_held: watch::Sender::new(false),
            config: WorkerConfig { redis_url: redis_url.to_owned(), queue: queue.to_owned() },
        });
        let routes = Router::new()
            .route("/config", get(config))
            .route("/socket", get(socket))
            .route("/catalog", put(catalog))
            .route("/jobs/{job}/claim", post(claim))
            .route("/jobs/{job}/inputs/{index}", get(input))
            .route("/jobs/{job}/models/{index}", get(model))
            .route("/jobs/{job}/artifacts", put(artifact))
            .route("/jobs/{job}/result", post(result))
            .route("/jobs/{job}/release", post(release))
            .layer(middleware::from_fn_with_state(shared.clone(), admit))
            .layer(DefaultBodyLimit::disable())
            .with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Router::new().nest("/worker/v1", routes);
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { shared, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a job that runs this graph, with an output folder of its own.
    pub fn add_job(&self, graph: impl FnOnce(&str) -> Map<String, Value>) -> TaskMessage {
        self.add_job_with_inputs(&[], |folder, _| graph(folder))
    }

    /// Adds a job with an autoencoder of the seat's own; the graph gets the output prefix and its name.
    pub fn add_job_with_model(
        &self,
        model: ServedModel,
        graph: impl FnOnce(&str, &str) -> Map<String, Value>,
    ) -> TaskMessage {
        let sha256 = sha256(&model.promised);
        let filename = format!("{sha256}.safetensors");
        let task = self.add_job(|prefix| graph(prefix, &format!("cm/{filename}")));
        let mut record = self.job(&task);
        let bytes = model.promised.len() as u64;
        record.assignment.models =
            vec![NeededModel { index: 0, folder: "vae".to_owned(), filename, sha256, bytes }];
        let task = self.add_assignment(task.job, record.assignment, &[]);
        self.lock().jobs.get_mut(&task.job).unwrap().model = Some(model);
        task
    }

    /// Adds a job with input files; the graph gets the output prefix and the files' names.
    pub fn add_job_with_inputs(
        &self,
        inputs: &[Bytes],
        graph: impl FnOnce(&str, &[String]) -> Map<String, Value>,
    ) -> TaskMessage {
        self.add_job_with_inputs_in("user001", inputs, graph)
    }

    /// The same with input files in this subfolder of ComfyUI's.
    pub fn add_job_with_inputs_in(
        &self,
        subfolder: &str,
        inputs: &[Bytes],
        graph: impl FnOnce(&str, &[String]) -> Map<String, Value>,
    ) -> TaskMessage {
        let job = JobId::from_uuid(Uuid::new_v4());
        let output_folder = format!("user001/{job}");
        let files: Vec<_> =
            inputs.iter().enumerate().map(|(index, content)| input_file(subfolder, index, content)).collect();
        let names: Vec<_> =
            files.iter().map(|file| format!("{}/{}", file.subfolder, file.filename)).collect();
        let assignment = Assignment {
            prompt: graph(&format!("{output_folder}/ComfyUI"), &names),
            extra_data: Map::new(),
            partial_execution_targets: Vec::new(),
            inputs: files,
            models: Vec::new(),
            output_folder,
            added_nodes: Vec::new(),
        };
        self.add_assignment(job, assignment, inputs)
    }

    pub fn add_assignment(&self, job: JobId, assignment: Assignment, inputs: &[Bytes]) -> TaskMessage {
        let token = LeaseToken::from_uuid(Uuid::new_v4());
        let record = JobRecord {
            token,
            assignment,
            inputs: inputs.to_vec(),
            model: None,
            stale: false,
            told: Vec::new(),
        };
        self.lock().jobs.insert(job, record);
        TaskMessage::new(job, 1, token)
    }

    /// Another attempt of the same job: what the earlier one says is stale from now on.
    pub fn dispatch_again(&self, task: &TaskMessage) -> TaskMessage {
        let record = self.job(task);
        let again = self.add_assignment(task.job, record.assignment, &record.inputs);
        TaskMessage { attempt: task.attempt + 1, ..again }
    }

    pub fn make_stale(&self, task: &TaskMessage) {
        self.lock().jobs.get_mut(&task.job).unwrap().stale = true;
    }

    /// Answers everything with 503 and closes the sockets, or no longer.
    pub fn set_away(&self, away: bool) {
        self.lock().away = away;
        if away {
            self.shared.cut.send_modify(|number| *number += 1);
        }
    }

    /// Keeps output files waiting, or no longer.
    pub fn hold_artifacts(&self, held: bool) {
        self.shared.artifacts_held.send_replace(held);
    }

    /// How many calls came while it was away.
    pub fn turned_away(&self) -> usize {
        self.lock().turned_away
    }

    pub fn command(&self, frame: ServerFrame) {
        self.shared.commands.send(frame).expect("a worker is connected");
    }

    pub fn job(&self, task: &TaskMessage) -> JobRecord {
        self.lock().jobs[&task.job].clone()
    }

    pub fn catalogs(&self) -> Vec<Catalog> {
        self.lock().catalogs.clone()
    }

    pub fn versions(&self) -> Vec<String> {
        self.lock().versions.clone()
    }

    pub fn traces(&self) -> Vec<String> {
        self.lock().traces.clone()
    }

    pub fn device(&self) -> Option<DeviceStats> {
        self.lock().device.clone()
    }

    pub fn leases(&self) -> Vec<LeaseRef> {
        self.lock().leases.clone()
    }

    /// Waits until this is true of the job; panics with what was told if it never is.
    pub async fn until(
        &self,
        task: &TaskMessage,
        what: &str,
        holds: impl Fn(&JobRecord) -> bool,
    ) -> JobRecord {
        let reached = self.until_any(|server| {
            let record = server.job(task);
            holds(&record).then_some(record)
        });
        match reached.await {
            Some(record) => record,
            None => panic!("{what} did not happen; told: {:#?}", self.job(task).told),
        }
    }

    pub async fn until_result(&self, task: &TaskMessage) -> (JobRecord, ResultReport) {
        let record = self.until(task, "a result", |record| record.result().is_some()).await;
        let result = record.result().unwrap().clone();
        (record, result)
    }

    /// Waits until there is an answer.
    pub async fn until_any<T>(&self, find: impl Fn(&Self) -> Option<T>) -> Option<T> {
        let mut changes = self.shared.changes.subscribe();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = find(self) {
                    return found;
                }
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.shared.lock()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The job, if the token is the current one.
    fn with_job<T>(
        &self,
        job: JobId,
        token: LeaseToken,
        act: impl FnOnce(&mut JobRecord) -> T,
    ) -> Result<T, Response> {
        let answer = match self.lock().jobs.get_mut(&job) {
            Some(record) if record.token == token && !record.stale => Ok(act(record)),
            Some(_) => Err(refuse(StatusCode::CONFLICT, "stale_lease")),
            None => Err(refuse(StatusCode::NOT_FOUND, "not_found")),
        };
        self.changes.send_modify(|number| *number += 1);
        answer
    }
}

impl Shared {
    fn with_record<T>(&self, job: JobId, look: impl FnOnce(&JobRecord) -> T) -> T {
        look(&self.lock().jobs[&job])
    }
}

fn sha256(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}

fn input_file(subfolder: &str, index: usize, content: &Bytes) -> InputFile {
    let sha256 = sha256(content);
    InputFile {
        index,
        subfolder: subfolder.to_owned(),
        filename: format!("{}.png", &sha256[..16]),
        sha256,
        bytes: content.len() as u64,
    }
}

fn refuse(status: StatusCode, error: &str) -> Response {
    (status, Json(Refusal { error: error.to_owned(), message: error.to_owned() })).into_response()
}

async fn admit(
    State(shared): State<Arc<Shared>>,
    request: axum::extract::Request,
    next: middleware::Next,
) -> Response {
    let away = {
        let mut record = shared.lock();
        record.turned_away += usize::from(record.away);
        record.away
    };
    if away {
        shared.changes.send_modify(|number| *number += 1);
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "away");
    }
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if authorization != Some(&format!("Bearer {TOKEN}")) {
        return refuse(StatusCode::UNAUTHORIZED, "unauthorized");
    }
    if request.uri().path().contains("/jobs/") {
        let trace = request.headers().get("traceparent").expect("a call about a job names its trace");
        shared.lock().traces.push(trace.to_str().unwrap().to_owned());
    }
    next.run(request).await
}

async fn config(State(shared): State<Arc<Shared>>) -> Json<WorkerConfig> {
    Json(shared.config.clone())
}

async fn catalog(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers[header::CONTENT_ENCODING], "gzip");
    let catalog = serde_json::from_reader(flate2::read::GzDecoder::new(body.as_ref())).unwrap();
    shared.lock().catalogs.push(catalog);
    shared.changes.send_modify(|number| *number += 1);
    StatusCode::NO_CONTENT
}

async fn claim(
    State(shared): State<Arc<Shared>>,
    Path(job): Path<JobId>,
    Json(claim): Json<Claim>,
) -> Result<Json<Assignment>, Response> {
    shared.with_job(job, claim.token, |record| {
        record.told.push(Told::Claimed);
        Json(record.assignment.clone())
    })
}

async fn input(
    State(shared): State<Arc<Shared>>,
    Path((job, index)): Path<(JobId, usize)>,
    Query(query): Query<HashMap<String, LeaseToken>>,
) -> Result<Bytes, Response> {
    let found = shared.with_job(job, query["token"], |record| record.inputs.get(index).cloned())?;
    found.ok_or_else(|| refuse(StatusCode::NOT_FOUND, "not_found"))
}

async fn model(
    State(shared): State<Arc<Shared>>,
    Path((job, _)): Path<(JobId, usize)>,
    Query(query): Query<HashMap<String, LeaseToken>>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let range = headers.get(header::RANGE).map(|range| range.to_str().unwrap());
    let first =
        range.map_or(0, |range| range.strip_prefix("bytes=").unwrap().trim_end_matches('-').parse().unwrap());
    let token = query["token"];
    let model = shared.with_job(job, token, |record| {
        record.told.push(Told::Model { first: first as u64 });
        record.model.clone().filter(|model| !model.is_gone)
    })?;
    let Some(model) = model else { return Err(refuse(StatusCode::NOT_FOUND, "not_found")) };
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let body = match model.breaks_after.filter(|_| first == 0) {
        None => Body::from(model.content.slice(first..)),
        Some(length) => {
            let head = model.content.slice(..length);
            // It breaks when the worker has told that the beginning came, or that would be lost.
            let breaking = async move {
                let mut changes = shared.changes.subscribe();
                let is_told = || shared.with_record(job, |record| !record.events("notification").is_empty());
                while !is_told() {
                    changes.changed().await.unwrap();
                }
                Err(std::io::Error::other("the line is cut"))
            };
            Body::from_stream(stream::once(async { Ok(head) }).chain(stream::once(breaking)))
        }
    };
    Ok((status, body).into_response())
}

async fn artifact(
    State(shared): State<Arc<Shared>>,
    Path(job): Path<JobId>,
    Query(query): Query<ArtifactQuery>,
    content: Bytes,
) -> Result<Json<PlacedFile>, Response> {
    let _ = shared.artifacts_held.subscribe().wait_for(|held| !held).await;
    let placed = PlacedFile {
        filename: format!("placed-{}-{}-{}.png", query.node, query.key, query.index),
        subfolder: String::new(),
        kind: query.kind.clone(),
    };
    shared.with_job(job, query.token, |record| record.told.push(Told::Artifact { query, content }))?;
    Ok(Json(placed))
}

async fn result(
    State(shared): State<Arc<Shared>>,
    Path(job): Path<JobId>,
    Json(report): Json<ResultReport>,
) -> Result<StatusCode, Response> {
    shared.with_job(job, report.token, |record| record.told.push(Told::Result(report)))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn release(
    State(shared): State<Arc<Shared>>,
    Path(job): Path<JobId>,
    Json(release): Json<Release>,
) -> Result<StatusCode, Response> {
    shared.with_job(job, release.token, |record| record.told.push(Told::Released(release)))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn socket(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| serve_socket(shared, socket))
}

async fn serve_socket(shared: Arc<Shared>, mut socket: WebSocket) {
    let mut commands = shared.commands.subscribe();
    let mut cut = shared.cut.subscribe();
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    let frame: WorkerFrame = serde_json::from_str(text.as_str()).unwrap();
                    if let Some(answer) = shared.hear(frame) {
                        send(&mut socket, &answer).await;
                    }
                }
                Some(Ok(Message::Binary(bytes))) => shared.hear_preview(&bytes),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            Ok(frame) = commands.recv() => send(&mut socket, &frame).await,
            _ = cut.changed() => return,
        }
    }
}

async fn send(socket: &mut WebSocket, frame: &ServerFrame) {
    // A worker that is gone is noticed by the next read.
    let _ = socket.send(Message::text(serde_json::to_string(frame).unwrap())).await;
}

impl Shared {
    fn hear(&self, frame: WorkerFrame) -> Option<ServerFrame> {
        let answer = match frame {
            WorkerFrame::Hello { protocol, version, .. } => {
                assert_eq!(protocol, PROTOCOL_VERSION);
                self.lock().versions.push(version);
                Some(ServerFrame::Welcome { heartbeat_ms: 200 })
            }
            WorkerFrame::Heartbeat { leases, device, .. } => {
                let mut record = self.lock();
                record.leases = leases;
                record.device = device;
                None
            }
            WorkerFrame::Event { job, token, event } => {
                // A stale one changes nothing.
                let _ = self.with_job(job, token, |record| record.told.push(Told::Event(event)));
                None
            }
        };
        self.changes.send_modify(|number| *number += 1);
        answer
    }

    fn hear_preview(&self, bytes: &Bytes) {
        let id = |range| Uuid::from_slice(&bytes[range]).unwrap();
        let (job, token) = (JobId::from_uuid(id(0..16)), LeaseToken::from_uuid(id(16..32)));
        let _ = self.with_job(job, token, |record| record.told.push(Told::Preview));
    }
}
