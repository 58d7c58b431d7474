//! A ComfyUI that breaks: it speaks ComfyUI's API as far as a worker uses it, makes pictures of
//! one colour, and now and then crashes, hangs, runs out of memory, drops its socket or dawdles.

mod graph;
mod http;
mod runs;

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

/// A graph that saves under this name kills the process, every time.
pub const KILLER: &str = "killer";

/// What a ComfyUI does wrong by itself, beside being killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineOptions {
    pub seed: u64,
    /// How many of a hundred runs go wrong.
    pub fault_percent: u64,
    pub base_dir: PathBuf,
}

/// Serves ComfyUI's API on this port of this machine until the process ends.
pub async fn serve(port: u16, options: EngineOptions) -> anyhow::Result<()> {
    let life = count_life(&options.base_dir)?;
    let engine = Arc::new(Engine {
        random: Mutex::new(StdRng::seed_from_u64(options.seed ^ (life << 32))),
        options,
        state: Mutex::default(),
        is_hung: AtomicBool::new(false),
        posted: Notify::new(),
        uploads: tokio::sync::Mutex::default(),
    });
    let listener = TcpListener::bind(("127.0.0.1", port)).await.context("the port is taken")?;
    tokio::spawn(runs::run_all(engine.clone()));
    axum::serve(listener, http::router(engine)).await.context("the server ended")
}

/// How often this engine has been started: each life has other faults.
fn count_life(base_dir: &Path) -> anyhow::Result<u64> {
    std::fs::create_dir_all(base_dir)?;
    let file = base_dir.join("drill-lives");
    let lives: u64 = std::fs::read_to_string(&file).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    std::fs::write(file, (lives + 1).to_string())?;
    Ok(lives)
}

struct Engine {
    options: EngineOptions,
    random: Mutex<StdRng>,
    state: Mutex<State>,
    /// It answers nothing any more.
    is_hung: AtomicBool,
    posted: Notify,
    /// Files are written one after the other.
    uploads: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    numbers: u64,
    pending: VecDeque<Item>,
    running: Option<Item>,
    is_interrupted: bool,
    history: HashMap<String, Value>,
    sockets: HashMap<String, mpsc::UnboundedSender<Option<String>>>,
}

/// A posted graph.
#[derive(Debug, Clone)]
struct Item {
    number: u64,
    id: String,
    client_id: String,
    prompt: Map<String, Value>,
}

impl Engine {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn random(&self) -> MutexGuard<'_, StdRng> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_hung(&self) -> bool {
        self.is_hung.load(Ordering::Relaxed)
    }

    fn hang(&self) {
        self.is_hung.store(true, Ordering::Relaxed);
    }

    /// To the socket of the graph's client, if there is one.
    fn send(&self, item: &Item, message: &Value) {
        if let Some(socket) = self.state().sockets.get(&item.client_id) {
            // Whoever is gone asks the history.
            let _ = socket.send(Some(message.to_string()));
        }
    }

    fn drop_socket(&self, item: &Item) {
        if let Some(socket) = self.state().sockets.remove(&item.client_id) {
            let _ = socket.send(None);
        }
    }
}
