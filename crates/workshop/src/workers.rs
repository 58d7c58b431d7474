//! The workers that are connected now.

use std::collections::HashMap;
use std::sync::Mutex;

use domain::JobId;
use domain::{LeaseToken, Timestamp, WorkerId};
use queue::report::{EngineState, ServerFrame};
use tokio::sync::mpsc;

use crate::hub::lock;

#[derive(Default)]
pub(crate) struct Workers {
    connected: Mutex<HashMap<WorkerId, ConnectedWorker>>,
}

#[derive(Debug, Clone)]
pub(crate) struct ConnectedWorker {
    pub name: String,
    pub slots: u32,
    pub staged: u32,
    pub engine: EngineState,
    pub last_seen_at: Timestamp,
    outbox: mpsc::Sender<ServerFrame>,
    /// Which of several connections of one worker this is: the latest counts.
    connection: u64,
}

/// What a worker says of itself when it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerHello {
    pub worker: WorkerId,
    pub name: String,
    pub slots: u32,
    pub staged: u32,
    pub engine: EngineState,
}

impl Workers {
    /// Enters the worker and gives a number that ends just this connection.
    pub(crate) fn connect(
        &self,
        hello: WorkerHello,
        outbox: mpsc::Sender<ServerFrame>,
        now: Timestamp,
    ) -> u64 {
        let mut connected = lock(&self.connected);
        let connection = connected.get(&hello.worker).map_or(1, |earlier| earlier.connection + 1);
        let WorkerHello { worker, name, slots, staged, engine } = hello;
        let entry = ConnectedWorker { name, slots, staged, engine, last_seen_at: now, outbox, connection };
        connected.insert(worker, entry);
        connection
    }

    /// Strikes the worker off unless it has connected again since.
    pub(crate) fn disconnect(&self, worker: WorkerId, connection: u64) -> bool {
        let mut connected = lock(&self.connected);
        let is_latest = connected.get(&worker).is_some_and(|entry| entry.connection == connection);
        if is_latest {
            connected.remove(&worker);
        }
        is_latest
    }

    /// Notes a heartbeat; tells whether the engine's state changed.
    pub(crate) fn seen(&self, worker: WorkerId, engine: &EngineState, now: Timestamp) -> bool {
        lock(&self.connected).get_mut(&worker).is_some_and(|entry| {
            entry.last_seen_at = now;
            let changed = entry.engine != *engine;
            entry.engine.clone_from(engine);
            changed
        })
    }

    pub(crate) fn list(&self) -> Vec<(WorkerId, ConnectedWorker)> {
        let mut list: Vec<_> =
            lock(&self.connected).iter().map(|(id, worker)| (*id, worker.clone())).collect();
        list.sort_by(|(_, left), (_, right)| left.name.cmp(&right.name));
        list
    }

    /// How many jobs the ready workers hold at most.
    pub(crate) fn capacity(&self) -> u32 {
        let connected = lock(&self.connected);
        let ready = connected.values().filter(|worker| worker.engine == EngineState::Ready);
        ready.map(|worker| worker.slots + worker.staged).sum()
    }

    pub(crate) fn is_connected(&self, worker: WorkerId) -> bool {
        lock(&self.connected).contains_key(&worker)
    }

    /// Tells the worker to stop a run. A full or closed outbox is no loss: the dispatcher
    /// says it again at its next pass for as long as the job runs.
    pub(crate) fn cancel(&self, worker: WorkerId, job: JobId, token: LeaseToken) {
        self.tell(worker, ServerFrame::Cancel { job, token });
    }

    /// Tells the worker that its lease is gone.
    pub(crate) fn drop_run(&self, worker: WorkerId, job: JobId, token: LeaseToken) {
        self.tell(worker, ServerFrame::Drop { job, token });
    }

    fn tell(&self, worker: WorkerId, frame: ServerFrame) {
        if let Some(entry) = lock(&self.connected).get(&worker)
            && let Err(error) = entry.outbox.try_send(frame)
        {
            tracing::debug!(worker.id = %worker, %error, "could not reach the worker's socket");
        }
    }
}
