//! Keeps a ComfyUI of our own alive.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::leftover::ProcessNote;
use super::output::EngineOutput;
use super::process::EngineProcess;
use super::{Engine, EngineEnd, EngineTiming, LaunchOptions, Restart};
use crate::server::Backoff;

/// A ComfyUI that lived this long was well: the next restart comes at once.
const GOOD_LIFE: Duration = Duration::from_secs(120);
const START_CHECK: Duration = Duration::from_millis(200);

/// Starts ComfyUI, and again whenever it ends or hangs, until shutdown.
pub async fn supervise(
    engine: Arc<Engine>,
    launch: LaunchOptions,
    timing: EngineTiming,
    mut restart_requests: mpsc::UnboundedReceiver<Restart>,
    shutdown: CancellationToken,
) {
    let mut backoff = restart_backoff();
    loop {
        engine.set_starting();
        let mut life = Life { engine: &engine, launch: &launch, timing: &timing, well_since: None };
        let Some(end) = life.live(&mut restart_requests, &shutdown).await else { return };
        match &end {
            EngineEnd::Died(reason) => tracing::error!("{reason}"),
            EngineEnd::Restarted => tracing::info!("comfyui was ended for the restart; starting it again"),
        }
        let well = life.well_since.is_some_and(|since| since.elapsed() >= GOOD_LIFE);
        if well || end == EngineEnd::Restarted {
            backoff = restart_backoff();
        }
        engine.set_down(end);
        // Requests that came until now are fulfilled by the life that begins.
        while restart_requests.try_recv().is_ok() {}
        tokio::select! {
            () = tokio::time::sleep(backoff.delay()) => {}
            // Whoever asks for it may have mended what keeps ComfyUI from coming up.
            Some(Restart::Asked) = restart_requests.recv() => {
                tracing::info!("starting comfyui at once, as the operator asked");
                backoff = restart_backoff();
            }
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
    /// One life of ComfyUI; `None` means shutdown.
    async fn live(
        &mut self,
        restart_requests: &mut mpsc::UnboundedReceiver<Restart>,
        shutdown: &CancellationToken,
    ) -> Option<EngineEnd> {
        let died = |reason| Some(EngineEnd::Died(reason));
        let note = ProcessNote::new(&self.launch.base_dir, self.launch.port);
        match note.end_leftover().await {
            Ok(true) => tracing::warn!("ended a comfyui that an earlier worker had left behind"),
            Ok(false) => {}
            Err(error) => return died(format!("a comfyui left behind could not be ended: {error}")),
        }
        // Whatever answers there would be taken for ours.
        if TcpStream::connect(("127.0.0.1", self.launch.port)).await.is_ok() {
            let port = self.launch.port;
            return died(format!(
                "port {port} is in use by another program: stop it, or set COMFYUI_PORT, \
                 or set COMFYUI_URL to use it"
            ));
        }
        let mut process = match EngineProcess::start(self.launch).await {
            Ok(process) => process,
            Err(error) => {
                let python = self.launch.python.display();
                return died(format!("comfyui could not be started with {python}: {error}"));
            }
        };
        if let Err(error) = note.write(process.pid()) {
            tracing::warn!("the note on comfyui's process could not be written: {error}");
        }
        tracing::info!(pid = process.pid(), port = self.launch.port, "starting comfyui");
        let output = process.output();
        let end = tokio::select! {
            how = process.ended() => died(how),
            how = self.watch(&output) => died(how),
            Some(restart) = restart_requests.recv() => Some(match restart {
                Restart::Asked => {
                    tracing::warn!("the operator asked to restart comfyui: it is ended now, and what runs is given back");
                    EngineEnd::Restarted
                }
                Restart::Needed { reason } => EngineEnd::Died(format!("comfyui is restarted: {reason}")),
            }),
            () = shutdown.cancelled() => None,
        };
        if let Some(end) = &end {
            // Its runs should know before it is cleared away, which may take seconds.
            self.engine.set_down(end.clone());
        }
        process.stop().await;
        if let Err(error) = note.remove() {
            tracing::warn!("the note on comfyui's process could not be removed: {error}");
        }
        end
    }

    /// Publishes that ComfyUI is ready, then asks after it. Returns when it has to be restarted.
    async fn watch(&mut self, output: &EngineOutput) -> String {
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
        output.mark_ready();
        self.engine.set_ready();
        let (mut misses, mut answered) = (0, Instant::now());
        while !self.timing.is_hung(misses, answered.elapsed(), self.engine.is_busy()) {
            tokio::time::sleep(self.timing.check_every).await;
            if self.engine.answers(self.timing.check_limit).await {
                (misses, answered) = (0, Instant::now());
            } else {
                misses += 1;
            }
        }
        format!("comfyui hangs: {misses} questions in a row were not answered")
    }
}
