//! The ComfyUI beside this worker: supervised, or merely watched where somebody else runs it.
//!
//! The state that is published here is the only word on whether ComfyUI answers. Each time it
//! comes up it counts as a new generation, and a run that began in an earlier one is lost.

mod attached;
mod leftover;
mod options;
mod output;
mod process;
mod supervise;
mod turns;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use comfy_api::client::{ClientError, ComfyClient};
use queue::report::EngineState;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub use options::{EngineOptions, EngineSource, EngineTiming, LaunchOptions};
pub use turns::{Place, Turn, Turns};

/// How the engine is, and which of its lives this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineStatus {
    pub state: EngineState,
    /// Counts up each time ComfyUI comes up.
    pub generation: u64,
}

/// One ComfyUI, whichever process it is at the moment.
#[derive(Debug)]
pub struct Engine {
    client: ComfyClient,
    status: watch::Sender<EngineStatus>,
    running: AtomicUsize,
    restarts: mpsc::UnboundedSender<String>,
}

/// The engine did not come up in time.
#[derive(Debug, thiserror::Error)]
#[error("comfyui is not there: {reason}")]
pub struct NotReady {
    pub reason: String,
}

impl Engine {
    /// An engine and the task that keeps it alive; the task ends, and ComfyUI with it, at shutdown.
    pub fn start(
        options: EngineOptions,
        shutdown: CancellationToken,
    ) -> Result<(std::sync::Arc<Self>, impl Future<Output = ()> + Send + use<>), ClientError> {
        let (restarts, requests) = mpsc::unbounded_channel();
        let engine = std::sync::Arc::new(Self {
            client: ComfyClient::new(&options.source.base_url())?,
            status: watch::Sender::new(EngineStatus { state: EngineState::Starting, generation: 0 }),
            running: AtomicUsize::new(0),
            restarts,
        });
        let keeper = engine.clone();
        let keeping = async move {
            match options.source {
                EngineSource::Running { .. } => {
                    attached::watch(keeper, options.timing, requests, shutdown).await
                }
                EngineSource::Launched(launch) => {
                    supervise::supervise(keeper, launch, options.timing, requests, shutdown).await;
                }
            }
        };
        Ok((engine, keeping))
    }

    pub fn client(&self) -> &ComfyClient {
        &self.client
    }

    pub fn status(&self) -> watch::Receiver<EngineStatus> {
        self.status.subscribe()
    }

    pub fn state(&self) -> EngineState {
        self.status.borrow().state.clone()
    }

    /// Waits until ComfyUI answers, and says which of its lives this is.
    pub async fn ready(&self, limit: Duration) -> Result<u64, NotReady> {
        let mut status = self.status();
        let waiting = status.wait_for(|status| status.state == EngineState::Ready);
        match tokio::time::timeout(limit, waiting).await {
            Ok(Ok(status)) => Ok(status.generation),
            _ => Err(NotReady { reason: self.absence() }),
        }
    }

    /// Resolves when the life of this generation is over; says why.
    pub async fn ended(&self, generation: u64) -> String {
        let mut status = self.status();
        let over = status.wait_for(|now| now.generation != generation || now.state != EngineState::Ready);
        // The sender lives in self, so there is always an answer.
        let _ = over.await;
        self.absence()
    }

    /// Whether this is still the life of that generation.
    pub fn is_alive(&self, generation: u64) -> bool {
        let status = self.status.borrow();
        status.generation == generation && status.state == EngineState::Ready
    }

    /// Ends this life of ComfyUI and begins a new one. Without effect on one that somebody else runs.
    pub fn request_restart(&self, reason: impl Into<String>) {
        // The keeper is gone only at shutdown.
        let _ = self.restarts.send(reason.into());
    }

    /// Says that a run is in progress, for as long as the guard lives: a busy ComfyUI may answer
    /// late and is not taken for a hung one.
    pub fn begin_run(&self) -> RunInProgress<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        RunInProgress { engine: self }
    }

    fn is_busy(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
    }

    fn absence(&self) -> String {
        match self.state() {
            EngineState::Down { reason } => reason,
            EngineState::Starting => "comfyui is starting".to_owned(),
            EngineState::Ready => "comfyui was started again".to_owned(),
        }
    }

    fn set_starting(&self) {
        self.status.send_modify(|status| status.state = EngineState::Starting);
    }

    fn set_ready(&self) {
        self.status.send_modify(|status| {
            status.state = EngineState::Ready;
            status.generation += 1;
        });
    }

    fn set_down(&self, reason: String) {
        self.status.send_if_modified(|status| {
            let state = EngineState::Down { reason };
            let changed = status.state != state;
            status.state = state;
            changed
        });
    }

    /// Whether ComfyUI answers within this time.
    async fn answers(&self, limit: Duration) -> bool {
        matches!(tokio::time::timeout(limit, self.client.queue()).await, Ok(Ok(_)))
    }
}

/// See [`Engine::begin_run`].
#[derive(Debug)]
pub struct RunInProgress<'a> {
    engine: &'a Engine,
}

impl Drop for RunInProgress<'_> {
    fn drop(&mut self) {
        self.engine.running.fetch_sub(1, Ordering::Relaxed);
    }
}
