//! Stopping in two steps: soft, where everything finishes what it has in hand, and
//! hard, after a limit or a second signal, where it lets go.
//!
//! Invariant: hard implies soft.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Shutdown {
    /// Never requested by itself.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requested by SIGINT or SIGTERM; hard `limit` after that, or at the next signal.
    ///
    /// The limit also holds for a shutdown that was requested from within.
    pub fn on_signals(limit: Duration) -> io::Result<Self> {
        let mut signals = Signals::new()?;
        let shutdown = Self::new();
        let watched = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                name = signals.next() => tracing::info!(signal = name, "stopping; a second signal stops at once"),
                () = watched.soft.cancelled() => {}
            }
            watched.request();
            tokio::select! {
                name = signals.next() => tracing::warn!(signal = name, "stopping at once"),
                () = tokio::time::sleep(limit) => {
                    tracing::warn!(limit_s = limit.as_secs(), "stopping took too long; stopping at once");
                }
            }
            watched.force();
        });
        Ok(shutdown)
    }

    /// Asks everybody to finish.
    pub fn request(&self) {
        self.soft.cancel();
    }

    /// Asks everybody to let go.
    pub fn force(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    pub fn is_requested(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Cancelled when everybody should finish.
    pub fn soft(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Cancelled when everybody should let go.
    pub fn hard(&self) -> CancellationToken {
        self.hard.clone()
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_shutdown_from_within_turns_hard_after_the_limit() {
        let limit = Duration::from_millis(20);
        let shutdown = Shutdown::on_signals(limit).unwrap();
        assert!(!shutdown.is_requested());
        let before = Instant::now();
        shutdown.request();
        shutdown.hard().cancelled().await;
        assert!(before.elapsed() >= limit);
    }

    #[test]
    fn hard_implies_soft() {
        let shutdown = Shutdown::new();
        shutdown.force();
        assert!(shutdown.is_requested());
    }
}
