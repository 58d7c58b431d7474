//! Keeps a ComfyUI of our own alive.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::leftover::ProcessNote;
use super::process::EngineProcess;
use super::{Engine, EngineTiming, LaunchOptions};
use crate::server::Backoff;

/// A ComfyUI that lived this long was well: the next restart comes at once.
const GOOD_LIFE: Duration = Duration::from_secs(120);
const START_CHECK: Duration = Duration::from_millis(200);

/// Why one life of ComfyUI ended.
enum End {
    Died(String),
    Shutdown,
}

/// Starts ComfyUI, and again whenever it ends or hangs, until shutdown.
pub async fn supervise(
    engine: Arc<Engine>,
    launch: LaunchOptions,
    timing: EngineTiming,
    mut restart_requests: mpsc::UnboundedReceiver<String>,
    shutdown: CancellationToken,
) {
    let mut backoff = restart_backoff();
    loop {
        engine.set_starting();
        let mut life = Life { engine: &engine, launch: &launch, timing: &timing, well_since: None };
        match life.live(&mut restart_requests, &shutdown).await {
            End::Shutdown => return,
            End::Died(reason) => {
                tracing::error!("{reason}");
                engine.set_down(reason);
            }
        }
        if life.well_since.is_some_and(|since| since.elapsed() >= GOOD_LIFE) {
            backoff = restart_backoff();
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.delay()) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

fn restart_backoff() -> Backoff {
    Backoff::new(Duration::from_millis(250), Duration::from_secs(30))
}

struct Life<'a> {
    engine: &'a Engine,
    launch: &'a LaunchOptions,
    timing: &'a EngineTiming,
    well_since: Option<Instant>,
}

impl Life<'_> {
    async fn live(
        &mut self,
        restart_requests: &mut mpsc::UnboundedReceiver<String>,
        shutdown: &CancellationToken,
    ) -> End {
        let note = ProcessNote::new(&self.launch.base_dir, self.launch.port);
        match note.end_leftover().await {
            Ok(true) => tracing::warn!("ended a comfyui that an earlier worker had left behind"),
            Ok(false) => {}
            Err(error) => return End::Died(format!("a comfyui left behind could not be ended: {error}")),
        }
        // Whatever answers there would be taken for ours.
        if TcpStream::connect(("127.0.0.1", self.launch.port)).await.is_ok() {
            let port = self.launch.port;
            return End::Died(format!(
                "port {port} is in use by another program: stop it, or set COMFYUI_PORT, \
                 or set COMFYUI_URL to use it"
            ));
        }
        let mut process = match EngineProcess::start(self.launch).await {
            Ok(process) => process,
            Err(error) => {
                let python = self.launch.python.display();
                return End::Died(format!("comfyui could not be started with {python}: {error}"));
            }
        };
        if let Err(error) = note.write(process.pid()) {
            tracing::warn!("the note on comfyui's process could not be written: {error}");
        }
        tracing::info!(pid = process.pid(), port = self.launch.port, "starting comfyui");
        // A request from an earlier life means nothing to this one.
        while restart_requests.try_recv().is_ok() {}
        let end = tokio::select! {
            how = process.ended() => End::Died(how),
            how = self.watch() => End::Died(how),
            Some(reason) = restart_requests.recv() => End::Died(format!("comfyui is restarted: {reason}")),
            () = shutdown.cancelled() => End::Shutdown,
        };
        if let End::Died(reason) = &end {
            // Its runs should know before it is cleared away, which may take seconds.
            self.engine.set_down(reason.clone());
        }
        process.stop().await;
        if let Err(error) = note.remove() {
            tracing::warn!("the note on comfyui's process could not be removed: {error}");
        }
        end
    }

    /// Publishes that ComfyUI is ready, then asks after it. Returns when it has to be restarted.
    async fn watch(&mut self) -> String {
        let started = Instant::now();
        while !self.engine.answers(self.timing.check_limit).await {
            if started.elapsed() >= self.timing.start_limit {
                return format!(
                    "comfyui did not come up within {} s (ENGINE_START_TIMEOUT_SECONDS)",
                    self.timing.start_limit.as_secs()
                );
            }
            tokio::time::sleep(START_CHECK).await;
        }
        tracing::info!("comfyui is ready after {:.1} s", started.elapsed().as_secs_f32());
        self.well_since = Some(Instant::now());
        self.engine.set_ready();
        let mut misses = 0;
        while misses < self.timing.misses {
            tokio::time::sleep(self.timing.check_every).await;
            // While a node runs, ComfyUI may be unable to answer for minutes and yet be well.
            let well = self.engine.is_busy() || self.engine.answers(self.timing.check_limit).await;
            misses = if well { 0 } else { misses + 1 };
        }
        format!("comfyui hangs: {misses} questions in a row were not answered")
    }
}
