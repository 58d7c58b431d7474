//! Watches a ComfyUI that somebody else runs.

use std::sync::Arc;

use queue::report::EngineState;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Engine, EngineEnd, EngineTiming, Restart};

/// Publishes whether ComfyUI answers, until shutdown. It cannot be restarted from here.
pub async fn watch(
    engine: Arc<Engine>,
    timing: EngineTiming,
    mut restart_requests: mpsc::UnboundedReceiver<Restart>,
    shutdown: CancellationToken,
) {
    let (mut misses, mut answered) = (0, Instant::now());
    loop {
        match tokio::time::timeout(timing.check_limit, engine.client().queue()).await {
            Ok(Ok(_)) => {
                (misses, answered) = (0, Instant::now());
                if engine.state() != EngineState::Ready {
                    tracing::info!("comfyui answers at {}", engine.client().base_url());
                    engine.set_ready();
                }
            }
            missed => {
                misses += 1;
                // Where nothing listens any more, ComfyUI is gone; a busy one only answers late.
                let nothing_there = matches!(&missed, Ok(Err(error)) if error.never_arrived());
                let gone = nothing_there || timing.is_hung(misses, answered.elapsed(), engine.is_busy());
                if gone && !matches!(engine.state(), EngineState::Down { .. }) {
                    let reason = format!("comfyui does not answer at {}", engine.client().base_url());
                    tracing::warn!("{reason}");
                    engine.set_down(EngineEnd::Died(reason));
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(timing.check_every) => {}
            Some(restart) = restart_requests.recv() => match restart {
                Restart::Asked => tracing::warn!(
                    "comfyui is not restarted, although the operator asked: this worker only uses it \
                     (COMFYUI_URL); restart it where it runs"
                ),
                Restart::Needed { reason } => {
                    tracing::error!("comfyui should be restarted by who runs it: {reason}");
                }
            },
            () = shutdown.cancelled() => return,
        }
    }
}
