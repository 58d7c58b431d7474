//! The binary `comfy-multi-worker`: settings, log, signals, and the [`worker`] between them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use domain::WorkerId;
use runtime::{Shutdown, TaskGroup, logging};
use worker::assembly::{Worker, WorkerOptions};
use worker::config::WorkerConfig;
use worker::engine::{EngineOptions, EngineSource, EngineTiming, LaunchOptions};

/// How long giving jobs back and stopping ComfyUI may take together.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How much room input files of earlier jobs may take, here and in ComfyUI's input folder each.
const CACHE_CAPACITY_BYTES: u64 = 16 << 30;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Also for the time before there is a log.
            eprintln!("comfy-multi-worker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let config = WorkerConfig::load()?;
    logging::init(&config.logging)?;
    let shutdown = Shutdown::on_signals(STOP_LIMIT).context("signals cannot be received")?;
    let mut tasks = TaskGroup::new(shutdown.clone());
    // New at each start: a worker back from the dead is another worker.
    let id = WorkerId::from_uuid(uuid::Uuid::new_v4());
    tracing::info!(name = config.worker_name, %id, server = config.server_url, "worker starts");
    let options = options(config)?;
    let worker = Worker::start(options, id, &shutdown, &mut tasks)?;
    worker.consume(&shutdown, &mut tasks);
    tasks.join().await?;
    tracing::info!("worker stopped");
    Ok(())
}

fn options(config: WorkerConfig) -> anyhow::Result<WorkerOptions> {
    let source = match (config.comfyui_url, config.comfyui_dir) {
        (Some(url), _) => EngineSource::Running { url },
        (None, Some(comfyui_dir)) => EngineSource::Launched(LaunchOptions {
            comfyui_dir: absolute(&comfyui_dir)?,
            // A bare name is looked up in PATH.
            python: match config.comfyui_python.components().count() {
                1 => config.comfyui_python,
                _ => absolute(&config.comfyui_python)?,
            },
            port: config.comfyui_port,
            args: config.comfyui_args,
            base_dir: absolute(&config.comfyui_base_dir)?,
        }),
        (None, None) => anyhow::bail!("neither COMFYUI_URL nor COMFYUI_DIR is set"),
    };
    Ok(WorkerOptions {
        server_url: config.server_url,
        token: config.worker_token,
        name: config.worker_name,
        cache_dir: config.cache_dir,
        cache_capacity_bytes: CACHE_CAPACITY_BYTES,
        model_capacity_bytes: config.model_cache_bytes,
        engine_input_capacity_bytes: CACHE_CAPACITY_BYTES,
        engine: EngineOptions {
            source,
            timing: EngineTiming {
                hang_limit: config.engine_hang_limit,
                ..EngineTiming::new(config.engine_start_timeout)
            },
        },
    })
}

/// ComfyUI runs in a folder of its own. Links are kept: a virtual environment's Python is one.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("the path {} cannot be used", path.display()))
}
