//! A whole server over HTTP on a free port, with a queue in memory, a clock set by hand,
//! counted "randomness" and a temporary data folder, and the people who talk to it.
//!
//! The dispatcher does not run by itself: a test says when a pass happens.

pub mod binary;
mod client;
mod clock;
mod worker;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::{AccessMode, SeatId};
use leptos::config::LeptosOptions;
use queue::MemoryQueue;
use runtime::config::Settings;
use serde_json::{Map, Value, json};
use server::auth::Credentials;
use server::comfy::frontend::Frontend;
use server::config::ServerConfig;
use server::connections::{Patience, Room, serve};
use server::limits::Limits;
use server::router::router;
use server::state::AppState;
use store::Store;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_sessions_sqlx_store::SqliteStore;
use uuid::Uuid;
use workshop::files::SeatFolders;
use workshop::{Mint, Parts, Workshop, WorkshopSettings};

pub use client::{Client, Frame, Reply, Socket, is_run_end};
pub use clock::ManualClock;
pub use worker::{FakeWorker, outputs};

pub const ADMIN_PASSWORD: &str = "instructor";
pub const WORKER_TOKEN: &str = "worker-token";
pub const METRICS_TOKEN: &str = "metrics-token";
pub const LEASE: Duration = Duration::from_secs(20);
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(15);
pub const MAX_PROMPT_BYTES: usize = 64 * 1024;
pub const MAX_UPLOAD_BYTES: usize = 256 * 1024;

pub struct TestApp {
    pub address: SocketAddr,
    pub workshop: Workshop,
    pub queue: MemoryQueue,
    pub clock: Arc<ManualClock>,
    pub folder: Arc<TempDir>,
    mint: Arc<CountingMint>,
    /// More lines of the settings.
    settings: String,
    pub store: Store,
    server: tokio::task::JoinHandle<()>,
}

/// "Random" ids in counting order.
#[derive(Default)]
pub struct CountingMint(AtomicU64);

impl Mint for CountingMint {
    fn uuid(&self) -> Uuid {
        let number = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        uuid::Builder::from_random_bytes(u128::from(number).to_be_bytes()).into_uuid()
    }

    fn secret(&self) -> String {
        format!("secret-{}", self.uuid().simple())
    }
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_in(AccessMode::Link).await
    }

    pub async fn start_in(access_mode: AccessMode) -> Self {
        Self::start_with(access_mode, "").await
    }

    /// With lines of `.env` that the test is about.
    pub async fn start_with(access_mode: AccessMode, settings: &str) -> Self {
        // Fails only where another test of this process has done it before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = Arc::new(tempfile::tempdir().unwrap());
        write_frontend(&folder.path().join("frontend"));
        Self::open(
            folder,
            MemoryQueue::new(),
            Arc::default(),
            Arc::default(),
            access_mode,
            settings.to_owned(),
        )
        .await
    }

    /// Stops the server and starts another on the same data, as after a crash.
    pub async fn restart(self) -> Self {
        self.server.abort();
        let (folder, queue, clock, mint) =
            (Arc::clone(&self.folder), self.queue.clone(), Arc::clone(&self.clock), Arc::clone(&self.mint));
        self.store.close().await;
        let access_mode = self.workshop.settings().access_mode;
        Self::open(folder, queue, clock, mint, access_mode, self.settings.clone()).await
    }

    /// Stops the server and starts another on the data in this folder.
    pub async fn moved_to(mut self, folder: TempDir) -> Self {
        write_frontend(&folder.path().join("frontend"));
        self.folder = Arc::new(folder);
        self.restart().await
    }

    async fn open(
        folder: Arc<TempDir>,
        queue: MemoryQueue,
        clock: Arc<ManualClock>,
        mint: Arc<CountingMint>,
        access_mode: AccessMode,
        settings: String,
    ) -> Self {
        let store = Store::open(&folder.path().join("comfy-multi.sqlite")).await.unwrap();
        let sessions = SqliteStore::new(store.session_pool().clone());
        sessions.migrate().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = config(folder.path(), address, access_mode, &settings);
        let workshop = Workshop::open(Parts {
            store: store.clone(),
            files: SeatFolders::open(folder.path()).unwrap(),
            queue: Arc::new(queue.clone()),
            clock: Arc::clone(&clock) as _,
            mint: Arc::clone(&mint) as _,
            settings: WorkshopSettings {
                seats: 3,
                access_mode,
                lease: LEASE,
                delivery_timeout: DELIVERY_TIMEOUT,
                storage: config.storage.clone(),
                denied_nodes: config.denied_nodes.clone(),
                workflows_dir: folder.path().join("workflows"),
            },
        })
        .await
        .unwrap();
        let state = AppState {
            workshop: workshop.clone(),
            credentials: Arc::new(Credentials::new(ADMIN_PASSWORD, WORKER_TOKEN, Some(METRICS_TOKEN))),
            attempts: Arc::default(),
            limits: Arc::new(Limits::new(config.seat_requests_per_second)),
            frontend: Arc::new(Frontend::open(&folder.path().join("frontend"), None, None).unwrap()),
            worker_redis_url: "redis://127.0.0.1:1".into(),
            leptos: LeptosOptions::builder().output_name("comfy-multi").build(),
            config: Arc::new(config),
        };
        let app = router(state, sessions);
        let room = Room { all: 200, one_network: 50 };
        let server = tokio::spawn(serve(listener, app, room, Patience::default(), CancellationToken::new()));
        Self { address, workshop, queue, clock, folder, mint, settings, store, server }
    }

    pub fn anonymous(&self) -> Client {
        Client::new(self.address)
    }

    /// A browser that has opened the seat's join link.
    pub async fn seat(&self, number: u16) -> Client {
        let seat = SeatId::new(number).unwrap();
        let link = self.workshop.join_links().into_iter().find(|link| link.seat == seat).unwrap();
        let mut client = self.anonymous();
        let reply = client.get(&link.join_path).await;
        assert_eq!((reply.status, reply.header("location")), (303, Some(format!("/user/{seat}"))));
        client.keep_cookie(&reply);
        client.base = format!("/user/{seat}/comfy");
        client
    }

    pub async fn admin(&self) -> Client {
        let mut client = self.anonymous();
        let reply = client.post_form("/admin/login", &format!("password={ADMIN_PASSWORD}")).await;
        assert_eq!((reply.status, reply.header("location")), (303, Some("/admin".into())));
        client.keep_cookie(&reply);
        client
    }

    /// A worker that has connected and published the captured catalog.
    pub async fn worker(&self) -> FakeWorker {
        FakeWorker::connect(self.address, self.queue.clone()).await
    }

    /// Queues a picture job of the seat and runs it to its end, with `content` as its file.
    pub async fn run(&self, seat: &Client, worker: &mut FakeWorker, graph: Value, content: &[u8]) -> String {
        let id = seat.queue(&graph).await;
        self.dispatch().await;
        let task = worker.take().unwrap();
        worker.run(&task, content).await;
        id
    }

    /// One pass of the dispatcher.
    pub async fn dispatch(&self) {
        self.workshop.dispatch_once().await.unwrap();
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The node definitions captured from the real ComfyUI.
pub fn captured_object_info() -> Map<String, Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/comfy-api/tests/captures/object_info_0.3.64.json.gz");
    let file = std::fs::File::open(path).unwrap();
    serde_json::from_reader(flate2::read::GzDecoder::new(file)).unwrap()
}

/// A graph that makes a picture: EmptyImage → SaveImage.
pub fn picture(color: u32) -> Value {
    json!({"prompt": {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": color}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "picture"},
              "_meta": {"title": "My picture"}},
    }})
}

/// Just enough of a frontend package to be served.
fn write_frontend(folder: &Path) {
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    std::fs::write(
        folder.join("index.html"),
        "<!DOCTYPE html><html><head><title>ComfyUI</title></head><body></body></html>",
    )
    .unwrap();
    std::fs::write(folder.join("assets/index-BbCcDdEe.js"), "export const answer = 42;\n".repeat(100))
        .unwrap();
}

fn config(folder: &Path, address: SocketAddr, access_mode: AccessMode, settings: &str) -> ServerConfig {
    let mode = match access_mode {
        AccessMode::Link => "link",
        AccessMode::Open => "open",
    };
    // The machine that tests may have a full disk.
    let floor = if settings.contains("MIN_FREE_BYTES") { "" } else { "MIN_FREE_BYTES=1\n" };
    let dotenv = format!(
        "LISTEN_ADDR={address}\nDATA_DIR={}\nSEATS=3\nACCESS_MODE={mode}\nMAX_PROMPT_BYTES={MAX_PROMPT_BYTES}\nMAX_UPLOAD_BYTES={MAX_UPLOAD_BYTES}\n{floor}{settings}",
        folder.display(),
    );
    ServerConfig::read(Settings::from_parts(&dotenv, [])).unwrap()
}
