//! Whether each thing that the workshop depends on answers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use queue::report::{EngineState, WorkerStatus};

use crate::Workshop;
use crate::overview::EngineStatus;

/// Dependency → `Ok`, or what is wrong with it.
pub type Health = BTreeMap<&'static str, Result<(), String>>;

#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// The latest push to the queue failed.
    pub queue_failed: AtomicBool,
}

impl Workshop {
    /// Asks each dependency now.
    pub async fn health(&self) -> Health {
        let database = self.store().ping().await.map_err(|error| error_chain(&error));
        let queue = self.inner.parts.queue.ping().await.map_err(|error| error_chain(&error));
        let worker = match self.engine_status() {
            EngineStatus::Ready => Ok(()),
            EngineStatus::Starting => Err("a worker is connected and its ComfyUI is not ready".into()),
            EngineStatus::Away | EngineStatus::NeverSeen => Err("no worker is connected".into()),
        };
        let catalog =
            self.catalog().map(|_| ()).ok_or_else(|| "no worker has published what it offers yet".into());
        Health::from([("database", database), ("redis", queue), ("worker", worker), ("catalog", catalog)])
    }

    /// Whether jobs can run now.
    pub fn engine_status(&self) -> EngineStatus {
        if self.catalog().is_none() {
            return EngineStatus::NeverSeen;
        }
        let workers = self.inner.workers.list();
        if workers.iter().any(|(_, worker)| worker.engine == EngineState::Ready) {
            EngineStatus::Ready
        } else if workers.is_empty() {
            EngineStatus::Away
        } else {
            EngineStatus::Starting
        }
    }

    /// The workers that are connected.
    pub fn worker_statuses(&self) -> Vec<WorkerStatus> {
        let status = |(_, worker): (_, crate::workers::ConnectedWorker)| WorkerStatus {
            name: worker.name,
            version: worker.version,
            problem: match worker.engine {
                EngineState::Down { reason } => Some(reason),
                EngineState::Starting | EngineState::Ready => None,
            },
        };
        self.inner.workers.list().into_iter().map(status).collect()
    }

    pub(crate) fn note_queue(&self, failed: bool) {
        let before = self.inner.health.queue_failed.swap(failed, Ordering::Relaxed);
        if before != failed {
            self.inner.hub.changed();
        }
    }
}

/// The error and its causes in one line.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
