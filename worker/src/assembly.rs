//! Puts the worker together and runs its parts.
//!
//! It stops in this order: no more tasks, runs given back, then the socket and ComfyUI, so that
//! a job is never lost between a worker that stops and one that starts.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use comfy_api::client::ClientError;
use domain::WorkerId;
use queue::{ConsumerOptions, TaskHandler};
use runtime::{Secret, Shutdown, TaskGroup};
use tokio_util::sync::CancellationToken;

use crate::catalog;
use crate::claim::RunStarter;
use crate::engine::{Engine, EngineOptions, Turns};
use crate::models::{ModelCache, ModelFolders};
use crate::registry::{RunRegistry, Stop};
use crate::run::{EngineInputs, InputCache, RunContext};
use crate::server::{Hello, ServerClient, ServerError, ServerLink, chain, keep_connected, until_answered};

/// ComfyUI instances of one worker.
const SLOTS: u32 = 1;
/// Jobs that are prepared while others run.
const STAGED: u32 = 1;
/// How long a job whose inputs are still on their way holds back the jobs behind it.
const ORDER_GRACE: Duration = Duration::from_secs(2);
/// After an answer of the server or of Redis that is no use and may be mended by the operator.
const QUEUE_RETRY_DELAY: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub struct WorkerOptions {
    pub server_url: String,
    pub token: Secret,
    pub name: String,
    pub cache_dir: PathBuf,
    pub cache_capacity_bytes: u64,
    pub model_capacity_bytes: u64,
    /// How much room jobs' inputs may take in ComfyUI's own input folder.
    pub engine_input_capacity_bytes: u64,
    pub engine: EngineOptions,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the address of the server cannot be used")]
    Server(#[from] ServerError),
    #[error("the address of comfyui cannot be used")]
    Engine(#[from] ClientError),
}

/// A worker whose parts run in a task group.
pub struct Worker {
    pub engine: Arc<Engine>,
    pub registry: Arc<RunRegistry>,
    /// What a queue's consumer hands tasks to.
    pub handler: Arc<dyn TaskHandler>,
    server: Arc<ServerClient>,
}

impl Worker {
    /// Starts everything but the consumption of tasks.
    pub fn start(
        options: WorkerOptions,
        id: WorkerId,
        shutdown: &Shutdown,
        tasks: &mut TaskGroup,
    ) -> Result<Self, StartError> {
        let engine_patience = options.engine.timing.start_limit;
        let server = Arc::new(ServerClient::new(&options.server_url, options.token.expose(), id)?);
        let link = Arc::new(ServerLink::default());
        let registry = Arc::new(RunRegistry::default());
        // Outlives the runs, which need the engine and the socket to end well.
        let services = CancellationToken::new();
        let output_dir = options.engine.source.output_dir();
        let base_dir = options.engine.source.base_dir();
        let engine_inputs =
            base_dir.as_deref().map(|base| EngineInputs::new(base, options.engine_input_capacity_bytes));
        if engine_inputs.is_none() {
            tracing::info!(
                "jobs' input files stay in the input folder of comfyui, below cm/ and 3d/cm/: this worker \
                 only uses it (COMFYUI_URL) and does not know where that is"
            );
        }
        let folders = Arc::new(ModelFolders::new(base_dir));
        let (engine, keeping_engine) = Engine::start(options.engine, services.clone())?;
        tasks.spawn("engine", unfailing(keeping_engine));
        let hello = Hello { name: options.name, slots: SLOTS, staged: STAGED };
        let connecting = keep_connected(
            server.clone(),
            link.clone(),
            registry.clone(),
            engine.clone(),
            hello,
            services.clone(),
        );
        tasks.spawn("socket", unfailing(connecting));
        let publishing = catalog::publish_changes(
            engine.clone(),
            folders.clone(),
            server.clone(),
            link.clone(),
            services.clone(),
        );
        tasks.spawn("catalog", unfailing(publishing));
        let (runs, soft) = (registry.clone(), shutdown.soft());
        let giving_back = async move {
            soft.cancelled().await;
            runs.stop_all(Stop::Released);
            runs.finished().await;
            services.cancel();
        };
        tasks.spawn("giving back", unfailing(giving_back));
        let context = Arc::new(RunContext {
            server: server.clone(),
            link,
            engine: engine.clone(),
            turns: Turns::new(SLOTS as usize, ORDER_GRACE),
            cache: InputCache::new(options.cache_dir, options.cache_capacity_bytes),
            models: ModelCache::new(folders, options.model_capacity_bytes),
            engine_inputs,
            output_dir,
            engine_patience,
        });
        let handler = Arc::new(RunStarter { registry: registry.clone(), context });
        Ok(Self { engine, registry, handler, server })
    }

    /// Takes tasks from the queue that the server names, once ComfyUI is there.
    pub fn consume(&self, shutdown: &Shutdown, tasks: &mut TaskGroup) {
        let (engine, server, handler) = (self.engine.clone(), self.server.clone(), self.handler.clone());
        let soft = shutdown.soft();
        let consuming = async move {
            if soft.run_until_cancelled(engine.ready(Duration::MAX)).await.is_none() {
                return;
            }
            while !soft.is_cancelled() {
                let Err(error) = consume_until(&server, handler.clone(), &soft).await else { continue };
                tracing::error!("no tasks: {}; trying again", chain(&error));
                soft.run_until_cancelled(tokio::time::sleep(QUEUE_RETRY_DELAY)).await;
            }
        };
        tasks.spawn("queue", unfailing(consuming));
    }
}

#[derive(Debug, thiserror::Error)]
enum ConsumeError {
    #[error("the server did not name the queue")]
    Config(#[from] ServerError),
    #[error("the queue cannot be used")]
    Queue(#[from] queue::QueueError),
}

/// Returns early only where the queue cannot be used.
async fn consume_until(
    server: &ServerClient,
    handler: Arc<dyn TaskHandler>,
    shutdown: &CancellationToken,
) -> Result<(), ConsumeError> {
    let asking = until_answered("find the queue", || server.config());
    let Some(config) = shutdown.run_until_cancelled(asking).await else { return Ok(()) };
    let config = config?;
    let mut options = ConsumerOptions::new(config.redis_url);
    options.queue = config.queue;
    options.concurrency = (SLOTS + STAGED) as usize;
    tracing::info!(queue = options.queue, "taking tasks");
    queue::consume(options, handler, shutdown.clone()).await?;
    Ok(())
}

async fn unfailing(task: impl Future<Output = ()>) -> Result<(), Infallible> {
    task.await;
    Ok(())
}
