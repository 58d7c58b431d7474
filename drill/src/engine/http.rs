//! ComfyUI's routes, as far as a worker uses them.

use std::path::{Component, Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{DefaultBodyLimit, Multipart, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::{Engine, Item, graph};

type Shared = State<Arc<Engine>>;

pub fn router(engine: Arc<Engine>) -> Router {
    Router::new()
        .route("/ws", get(socket))
        .route("/prompt", post(prompt))
        .route("/queue", get(queue).post(change_queue))
        .route("/history", post(change_history))
        .route("/history/{id}", get(history))
        .route("/interrupt", post(interrupt))
        .route("/free", post(|| async {}))
        .route("/object_info", get(|| async { Json(graph::object_info()) }))
        .route("/experiment/models", get(|| async { Json(json!([])) }))
        .route("/embeddings", get(|| async { Json(json!([])) }))
        .route("/system_stats", get(system_stats))
        .route("/upload/image", post(upload))
        .route("/view", get(view))
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(engine.clone(), answer_unless_hung))
        .with_state(engine)
}

async fn answer_unless_hung(State(engine): Shared, request: Request, next: Next) -> Response {
    if engine.is_hung() {
        std::future::pending::<()>().await;
    }
    next.run(request).await
}

async fn system_stats() -> Json<Value> {
    let system = json!({"os": "posix", "comfyui_version": "0.3.75", "python_version": "3.12", "pytorch_version": "2", "argv": []});
    let device = json!({"name": "drill", "type": "cpu", "index": 0, "vram_total": 1_u64 << 34, "vram_free": 1_u64 << 33});
    Json(json!({"system": system, "devices": [device]}))
}

#[derive(Deserialize)]
struct Posted {
    prompt: Map<String, Value>,
    prompt_id: String,
    client_id: String,
}

async fn prompt(State(engine): Shared, Json(posted): Json<Posted>) -> Json<Value> {
    let Posted { prompt, prompt_id: id, client_id } = posted;
    let mut state = engine.state();
    state.numbers += 1;
    let number = state.numbers;
    state.pending.push_back(Item { number, id: id.clone(), client_id, prompt });
    engine.posted.notify_one();
    Json(json!({"prompt_id": id, "number": number, "node_errors": {}}))
}

async fn queue(State(engine): Shared) -> Json<Value> {
    let state = engine.state();
    let entry = |item: &Item| json!([item.number, item.id, {}, {}, []]);
    let running: Vec<_> = state.running.iter().map(entry).collect();
    let pending: Vec<_> = state.pending.iter().map(entry).collect();
    Json(json!({"queue_running": running, "queue_pending": pending}))
}

#[derive(Deserialize)]
struct Deletion {
    #[serde(default)]
    delete: Vec<String>,
}

async fn change_queue(State(engine): Shared, Json(change): Json<Deletion>) {
    engine.state().pending.retain(|item| !change.delete.contains(&item.id));
}

async fn change_history(State(engine): Shared, Json(change): Json<Deletion>) {
    engine.state().history.retain(|id, _| !change.delete.contains(id));
}

async fn history(State(engine): Shared, Path(id): Path<String>) -> Json<Value> {
    let entry = engine.state().history.get(&id).cloned();
    Json(entry.map_or(json!({}), |entry| json!({ id: entry })))
}

#[derive(Deserialize)]
struct Interruption {
    prompt_id: Option<String>,
}

async fn interrupt(State(engine): Shared, Json(wanted): Json<Interruption>) {
    let mut state = engine.state();
    let is_meant = |item: &Item| wanted.prompt_id.as_ref().is_none_or(|id| *id == item.id);
    if state.running.as_ref().is_some_and(is_meant) {
        state.is_interrupted = true;
    }
}

/// Below the folder, for names that do not lead out of it.
fn below(folder: &FilePath, subfolder: &str, filename: &str) -> Result<PathBuf, StatusCode> {
    let name = FilePath::new(subfolder).join(filename);
    let is_plain = name.components().all(|part| matches!(part, Component::Normal(_)));
    is_plain.then(|| folder.join(name)).ok_or(StatusCode::FORBIDDEN)
}

async fn upload(State(engine): Shared, mut form: Multipart) -> Result<Json<Value>, StatusCode> {
    let (mut subfolder, mut overwrites, mut file) = (String::new(), false, None);
    let bad = |_| StatusCode::BAD_REQUEST;
    while let Some(field) = form.next_field().await.map_err(bad)? {
        match field.name() {
            Some("subfolder") => subfolder = field.text().await.map_err(bad)?,
            Some("overwrite") => overwrites = field.text().await.map_err(bad)? == "true",
            Some("image") => {
                let name = field.file_name().unwrap_or_default().to_owned();
                file = Some((name, field.bytes().await.map_err(bad)?));
            }
            _ => {}
        }
    }
    let (wanted, bytes) = file.ok_or(StatusCode::BAD_REQUEST)?;
    let folder = engine.options.base_dir.join("input");
    // As ComfyUI does it: one file after the other, and the same content is not written again.
    let _turn = engine.uploads.lock().await;
    let mut name = wanted.clone();
    for number in 1.. {
        let path = below(&folder, &subfolder, &name)?;
        match tokio::fs::read(&path).await {
            Ok(there) if there == bytes && !overwrites => break,
            Ok(_) if !overwrites => name = renamed(&wanted, number),
            _ => {
                write(&path, bytes).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
                break;
            }
        }
    }
    Ok(Json(json!({"name": name, "subfolder": subfolder, "type": "input"})))
}

/// `picture (1).png` of `picture.png`.
fn renamed(name: &str, number: u64) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem} ({number}).{extension}"),
        None => format!("{name} ({number})"),
    }
}

async fn write(path: &FilePath, bytes: Bytes) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    tokio::fs::write(path, bytes).await
}

#[derive(Deserialize)]
struct Wanted {
    filename: String,
    #[serde(default)]
    subfolder: String,
    #[serde(rename = "type")]
    kind: String,
}

async fn view(State(engine): Shared, Query(wanted): Query<Wanted>) -> Result<Vec<u8>, StatusCode> {
    let folder = engine.options.base_dir.join(&wanted.kind);
    let path = below(&folder, &wanted.subfolder, &wanted.filename)?;
    tokio::fs::read(path).await.map_err(|_| StatusCode::NOT_FOUND)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Client {
    client_id: String,
}

async fn socket(State(engine): Shared, Query(client): Query<Client>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| tell(engine, client.client_id, socket))
}

async fn tell(engine: Arc<Engine>, client_id: String, mut socket: WebSocket) {
    let (sender, mut messages) = mpsc::unbounded_channel();
    engine.state().sockets.insert(client_id, sender.clone());
    let status = json!({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}}});
    let _ = sender.send(Some(status.to_string()));
    loop {
        tokio::select! {
            message = messages.recv() => match message.flatten() {
                Some(text) => if socket.send(Message::Text(text.into())).await.is_err() { return },
                None => return,
            },
            heard = socket.recv() => match heard {
                Some(Ok(Message::Text(text))) if text.contains("feature_flags") => {
                    let _ = sender.send(Some(json!({"type": "feature_flags", "data": {}}).to_string()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
        }
    }
}
