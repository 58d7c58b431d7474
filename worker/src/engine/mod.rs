//! The ComfyUI beside this worker: supervised, or merely watched where somebody else runs it.
//!
//! The state that is published here is the only word on whether ComfyUI answers. Each time it
//! comes up it counts as a new generation, and a run that began in an earlier one is lost.

mod attached;
mod device;
mod leftover;
mod options;
mod output;
mod process;
mod supervise;
mod turns;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use comfy_api::client::{ClientError, ComfyClient};
use queue::report::{DeviceStats, EngineState};
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
    /// How its latest life ended.
    last_end: Option<EngineEnd>,
}

/// How a life of ComfyUI ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineEnd {
    /// By itself, or because it was of no more use; says how. A run may be to blame.
    Died(String),
    /// The operator wanted it: nothing that ran is to blame.
    Restarted,
}

impl fmt::Display for EngineEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Died(reason) => formatter.write_str(reason),
            Self::Restarted => formatter.write_str("comfyui is restarted, as the operator asked"),
        }
    }
}

/// Who wants a new life of ComfyUI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restart {
    /// The operator.
    Asked,
    /// Nobody, but this one is of no more use.
    Needed { reason: String },
}

/// One ComfyUI, whichever process it is at the moment.
#[derive(Debug)]
pub struct Engine {
    client: ComfyClient,
    status: watch::Sender<EngineStatus>,
    /// As ComfyUI told it last; nothing while it does not answer.
    device: watch::Sender<Option<DeviceStats>>,
    running: AtomicUsize,
    restarts: mpsc::UnboundedSender<Restart>,
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
            status: watch::Sender::new(EngineStatus {
                state: EngineState::Starting,
                generation: 0,
                last_end: None,
            }),
            device: watch::Sender::default(),
            running: AtomicUsize::new(0),
            restarts,
        });
        let keeper = engine.clone();
        let keeping = async move {
            let asking = device::watch(keeper.clone(), options.timing.check_limit, shutdown.clone());
            let caring = async {
                match options.source {
                    EngineSource::Running { .. } => {
                        attached::watch(keeper, options.timing, requests, shutdown).await;
                    }
                    EngineSource::Launched(launch) => {
                        supervise::supervise(keeper, launch, options.timing, requests, shutdown).await;
                    }
                }
            };
            tokio::join!(caring, asking);
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

    /// The device that ComfyUI computes on.
    pub fn device(&self) -> Option<DeviceStats> {
        self.device.borrow().clone()
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

    /// Resolves when the life of this generation is over; says how it ended.
    pub async fn ended(&self, generation: u64) -> EngineEnd {
        let mut status = self.status();
        let over = status.wait_for(|now| now.generation != generation || now.state != EngineState::Ready);
        // The sender lives in self, so there is always an answer.
        let end = over.await.ok().and_then(|now| now.last_end.clone());
        end.unwrap_or_else(|| EngineEnd::Died(self.absence()))
    }

    /// Whether this is still the life of that generation.
    pub fn is_alive(&self, generation: u64) -> bool {
        let status = self.status.borrow();
        status.generation == generation && status.state == EngineState::Ready
    }

    /// Ends this life of ComfyUI and begins a new one. Without effect on one that somebody else runs.
    pub fn request_restart(&self, restart: Restart) {
        // The keeper is gone only at shutdown.
        let _ = self.restarts.send(restart);
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

    fn set_down(&self, end: EngineEnd) {
        self.status.send_if_modified(|status| {
            let state = EngineState::Down { reason: end.to_string() };
            let changed = status.state != state;
            status.state = state;
            status.last_end = Some(end);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> std::sync::Arc<Engine> {
        let source = EngineSource::Running { url: "http://127.0.0.1:1".to_owned() };
        let timing = EngineTiming::new(Duration::from_secs(1));
        Engine::start(EngineOptions { source, timing }, CancellationToken::new()).unwrap().0
    }

    #[tokio::test]
    async fn a_run_learns_how_the_life_that_it_began_in_has_ended() {
        let engine = engine();
        let died = EngineEnd::Died("comfyui ended with code 1".to_owned());
        for (generation, end) in (1..).zip([died, EngineEnd::Restarted]) {
            engine.set_starting();
            engine.set_ready();
            assert_eq!(engine.ready(Duration::ZERO).await.unwrap(), generation);
            assert!(engine.is_alive(generation));
            engine.set_down(end.clone());
            assert!(!engine.is_alive(generation));
            assert_eq!(engine.ended(generation).await, end);
            assert_eq!(engine.state(), EngineState::Down { reason: end.to_string() });
            engine.set_starting();
            assert_eq!(engine.ended(generation).await, end, "also while the next one comes up");
        }
    }
}
