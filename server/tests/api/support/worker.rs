use std::collections::VecDeque;
use std::net::SocketAddr;

use domain::{ReturnReason, WorkerId};
use futures::{SinkExt, StreamExt};
use queue::report::{
    Assignment, Catalog, Claim, EngineState, LeaseRef, Outcome, PROTOCOL_VERSION, PlacedFile, Release,
    ResultReport, ServerFrame, WorkerFrame,
};
use queue::{MemoryQueue, TaskMessage};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use uuid::Uuid;

use super::{WORKER_TOKEN, captured_object_info};

/// A worker by the protocol, without an engine: the test says what its engine does.
pub struct FakeWorker {
    pub id: WorkerId,
    http: reqwest::Client,
    address: SocketAddr,
    queue: MemoryQueue,
    token: String,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Frames that came while it waited for something else.
    heard: VecDeque<ServerFrame>,
}

impl FakeWorker {
    pub async fn connect(address: SocketAddr, queue: MemoryQueue) -> Self {
        let id = WorkerId::from_uuid(Uuid::from_u128(rand::random()));
        Self::connect_as(address, queue, WORKER_TOKEN, id).await.expect("the server takes it in")
    }

    /// With another token, or as another worker; nothing if the server ends the conversation.
    pub async fn connect_as(
        address: SocketAddr,
        queue: MemoryQueue,
        token: &str,
        id: WorkerId,
    ) -> Option<Self> {
        let mut request = format!("ws://{address}/worker/v1/socket").into_client_request().unwrap();
        let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        request.headers_mut().insert(AUTHORIZATION, bearer);
        let (socket, _) = connect_async(request).await.ok()?;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let token = token.to_owned();
        let mut worker = Self { id, http, address, queue, token, socket, heard: VecDeque::new() };
        worker.publish_catalog().await;
        let hello = WorkerFrame::Hello {
            protocol: PROTOCOL_VERSION,
            worker: id,
            name: "gpu".into(),
            version: "0.0.0".into(),
            slots: 1,
            staged: 1,
            engine: EngineState::Ready,
        };
        worker.say(&hello).await;
        match worker.next_text().await? {
            ServerFrame::Welcome { .. } => Some(worker),
            other => panic!("{other:?}"),
        }
    }

    /// The next frame; nothing if the server ends the socket instead.
    async fn next_text(&mut self) -> Option<ServerFrame> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => return serde_json::from_str(&text).ok(),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Whether the server ends the socket, after whatever it still has to say.
    pub async fn is_put_out(&mut self) -> bool {
        let ended = async { while self.next_text().await.is_some() {} };
        tokio::time::timeout(std::time::Duration::from_secs(10), ended).await.is_ok()
    }

    /// The same worker, speaking to a server that was started again elsewhere.
    pub fn moved_to(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    pub async fn publish_catalog(&self) {
        let catalog = Catalog {
            object_info: captured_object_info(),
            models: [("checkpoints".to_owned(), Vec::new())].into(),
            embeddings: Vec::new(),
            system_stats: json!({"system": {"comfyui_version": "0.3.75", "argv": ["/secret/main.py"]}, "devices": []}),
            model_folders: serde_json::from_value(json!({
                "checkpoints": [".safetensors"], "embeddings": [".safetensors"], "loras": [".safetensors"],
            }))
            .unwrap(),
            model_inputs: serde_json::from_value(json!({
                "CheckpointLoaderSimple": {"ckpt_name": {"checkpoints": [".safetensors"]}},
                "LoraLoaderModelOnly": {"lora_name": {"loras": [".safetensors"]}},
            }))
            .unwrap(),
        };
        let reply =
            self.request(reqwest::Method::PUT, "/worker/v1/catalog").json(&catalog).send().await.unwrap();
        assert_eq!(reply.status(), 204);
    }

    pub async fn say(&mut self, frame: &WorkerFrame) {
        self.socket.send(Message::Text(serde_json::to_string(frame).unwrap().into())).await.unwrap();
    }

    pub async fn say_binary(&mut self, task: &TaskMessage, frame: &[u8]) {
        let mut bytes = task.job.as_uuid().as_bytes().to_vec();
        bytes.extend_from_slice(task.token.as_uuid().as_bytes());
        bytes.extend_from_slice(frame);
        self.socket.send(Message::Binary(bytes.into())).await.unwrap();
    }

    pub async fn hear(&mut self) -> ServerFrame {
        loop {
            if let Some(frame) = self.heard.pop_front() {
                return frame;
            }
            self.listen().await;
        }
    }

    /// Waits until the server has read all that was said: what goes over HTTP must not overtake it.
    pub async fn flush(&mut self) {
        self.socket.send(Message::Ping(b"flush".to_vec().into())).await.unwrap();
        while !matches!(self.listen().await, Message::Pong(_)) {}
    }

    async fn listen(&mut self) -> Message {
        let message = tokio::time::timeout(std::time::Duration::from_secs(10), self.socket.next()).await;
        let message = message.expect("a frame within 10 s").expect("open").unwrap();
        if let Message::Text(text) = &message {
            self.heard.push_back(serde_json::from_str(text).unwrap());
        }
        message
    }

    /// The next task, if the server has handed one out.
    pub fn take(&self) -> Option<TaskMessage> {
        self.queue.try_take()
    }

    pub async fn try_claim(&self, task: &TaskMessage) -> Result<Assignment, u16> {
        let claim = Claim { token: task.token, worker: self.id };
        let path = format!("/worker/v1/jobs/{}/claim", task.job);
        let reply = self.request(reqwest::Method::POST, &path).json(&claim).send().await.unwrap();
        if reply.status() == 200 { Ok(reply.json().await.unwrap()) } else { Err(reply.status().as_u16()) }
    }

    pub async fn claim(&self, task: &TaskMessage) -> Assignment {
        self.try_claim(task).await.unwrap()
    }

    pub async fn event(&mut self, task: &TaskMessage, event: Value) {
        self.say(&WorkerFrame::Event { job: task.job, token: task.token, event }).await;
    }

    /// Tells that ComfyUI has begun, and waits until the server knows.
    pub async fn start(&mut self, task: &TaskMessage) {
        let data = json!({"prompt_id": task.job, "timestamp": 1});
        self.event(task, json!({"type": "execution_start", "data": data})).await;
        self.flush().await;
    }

    pub async fn heartbeat(&mut self, tasks: &[&TaskMessage]) {
        let leases = tasks.iter().map(|task| LeaseRef { job: task.job, token: task.token }).collect();
        self.say(&WorkerFrame::Heartbeat { leases, engine: EngineState::Ready, device: None }).await;
    }

    pub async fn input(&self, task: &TaskMessage, index: usize) -> (u16, Vec<u8>) {
        let path = format!("/worker/v1/jobs/{}/inputs/{index}?token={}", task.job, task.token);
        let reply = self.request(reqwest::Method::GET, &path).send().await.unwrap();
        (reply.status().as_u16(), reply.bytes().await.unwrap().to_vec())
    }

    /// Uploads node 2's picture as ComfyUI would have written it.
    pub async fn try_upload(
        &self,
        task: &TaskMessage,
        subfolder: &str,
        content: &[u8],
    ) -> Result<PlacedFile, u16> {
        self.try_upload_named(task, subfolder, "picture_00001_.png", content).await
    }

    /// Uploads node 2's result under this name.
    pub async fn try_upload_named(
        &self,
        task: &TaskMessage,
        subfolder: &str,
        name: &str,
        content: &[u8],
    ) -> Result<PlacedFile, u16> {
        let path = format!(
            "/worker/v1/jobs/{}/artifacts?token={}&node=2&key=images&index=0&filename={name}&subfolder={subfolder}&kind=output",
            task.job, task.token
        );
        let reply = self.request(reqwest::Method::PUT, &path).body(content.to_vec()).send().await.unwrap();
        if reply.status() == 200 { Ok(reply.json().await.unwrap()) } else { Err(reply.status().as_u16()) }
    }

    pub async fn upload(&self, task: &TaskMessage, assignment: &Assignment, content: &[u8]) -> PlacedFile {
        self.try_upload(task, &assignment.output_folder, content).await.unwrap()
    }

    pub async fn report(&self, task: &TaskMessage, outcome: Outcome, outputs: Map<String, Value>) -> u16 {
        let report =
            ResultReport { token: task.token, outcome, outputs, meta: Map::new(), messages: Vec::new() };
        let path = format!("/worker/v1/jobs/{}/result", task.job);
        self.request(reqwest::Method::POST, &path).json(&report).send().await.unwrap().status().as_u16()
    }

    pub async fn release(&self, task: &TaskMessage, reason: ReturnReason) -> u16 {
        let body = Release { token: task.token, reason, detail: "stopping".into() };
        let path = format!("/worker/v1/jobs/{}/release", task.job);
        self.request(reqwest::Method::POST, &path).json(&body).send().await.unwrap().status().as_u16()
    }

    /// Runs a picture job from claim to result.
    pub async fn run(&mut self, task: &TaskMessage, content: &[u8]) {
        self.run_named(task, "picture_00001_.png", content).await;
    }

    /// Runs a job to its result, a file that ComfyUI gave this name.
    pub async fn run_named(&mut self, task: &TaskMessage, name: &str, content: &[u8]) {
        let assignment = self.claim(task).await;
        self.start(task).await;
        let placed = self.try_upload_named(task, &assignment.output_folder, name, content).await.unwrap();
        let outputs = outputs(&placed);
        self.event(task, json!({"type": "executed", "data": {"node": "2", "display_node": "2", "prompt_id": task.job, "output": outputs["2"]}})).await;
        self.flush().await;
        assert_eq!(self.report(task, Outcome::Succeeded, outputs).await, 204);
    }

    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address)).bearer_auth(&self.token)
    }
}

/// What ComfyUI's history says of a picture job.
pub fn outputs(placed: &PlacedFile) -> Map<String, Value> {
    json!({"2": {"images": [placed]}}).as_object().unwrap().clone()
}
