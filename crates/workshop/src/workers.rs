//! The workers that are connected now.

use std::collections::HashMap;
use std::sync::Mutex;

use domain::JobId;
use domain::{LeaseToken, ReturnReason, Timestamp, WorkerId};
use queue::report::{DeviceStats, EngineState, ServerFrame};
use tokio::sync::mpsc;

use crate::hub::lock;
use crate::worker_identity::WorkerIdentity;

#[derive(Default)]
pub(crate) struct Workers {
    connected: Mutex<HashMap<WorkerId, ConnectedWorker>>,
    /// Who has connected as whom since the server's start.
    owners: Mutex<HashMap<WorkerId, WorkerIdentity>>,
}

#[derive(Debug, Clone)]
pub(crate) struct ConnectedWorker {
    pub name: String,
    pub slots: u32,
    pub staged: u32,
    pub version: String,
    pub engine: EngineState,
    pub device: Option<DeviceStats>,
    /// It takes nothing more.
    pub is_draining: bool,
    pub last_seen_at: Timestamp,
    outbox: mpsc::Sender<ServerFrame>,
    /// Which of several connections of one worker this is: the latest counts.
    connection: u64,
}

/// What a worker says of itself when it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerHello {
    pub identity: WorkerIdentity,
    pub worker: WorkerId,
    pub name: String,
    pub version: String,
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
        is_draining: bool,
        now: Timestamp,
    ) -> u64 {
        let mut connected = lock(&self.connected);
        let connection = connected.get(&hello.worker).map_or(1, |earlier| earlier.connection + 1);
        let WorkerHello { identity, worker, name, version, slots, staged, engine } = hello;
        lock(&self.owners).insert(worker, identity);
        let entry = ConnectedWorker {
            name,
            slots,
            staged,
            version,
            engine,
            device: None,
            is_draining,
            last_seen_at: now,
            outbox,
            connection,
        };
        connected.insert(worker, entry);
        connection
    }

    /// Who connected as this worker, if anybody did.
    pub(crate) fn owner(&self, worker: WorkerId) -> Option<WorkerIdentity> {
        lock(&self.owners).get(&worker).cloned()
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
    pub(crate) fn seen(
        &self,
        worker: WorkerId,
        engine: &EngineState,
        device: Option<DeviceStats>,
        now: Timestamp,
    ) -> bool {
        lock(&self.connected).get_mut(&worker).is_some_and(|entry| {
            entry.last_seen_at = now;
            entry.device = device;
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

    /// How many jobs the workers that take any hold at most.
    pub(crate) fn capacity(&self) -> u32 {
        self.sum(|worker| worker.slots + worker.staged)
    }

    /// How many jobs the workers that take any execute at once.
    pub(crate) fn slots(&self) -> u32 {
        self.sum(|worker| worker.slots)
    }

    /// Whether what this worker holds takes room that is counted.
    pub(crate) fn takes_jobs(&self, worker: WorkerId) -> bool {
        lock(&self.connected).get(&worker).is_some_and(ConnectedWorker::takes_jobs)
    }

    pub(crate) fn drain(&self, name: &str, is_draining: bool) {
        for worker in lock(&self.connected).values_mut().filter(|worker| worker.name == name) {
            worker.is_draining = is_draining;
        }
    }

    /// Asks for a new life of the worker's ComfyUI; gives the worker's name, if it is there.
    pub(crate) fn restart_engine(&self, worker: WorkerId) -> Option<String> {
        let name = lock(&self.connected).get(&worker)?.name.clone();
        self.tell(worker, ServerFrame::RestartEngine);
        Some(name)
    }

    fn sum(&self, of: impl Fn(&ConnectedWorker) -> u32) -> u32 {
        lock(&self.connected).values().filter(|worker| worker.takes_jobs()).map(of).sum()
    }

    /// Tells the worker to stop a run. A full or closed outbox is no loss: the dispatcher
    /// says it again at its next pass for as long as the job runs.
    pub(crate) fn cancel(&self, worker: WorkerId, job: JobId, token: LeaseToken) {
        self.tell(worker, ServerFrame::Cancel { job, token });
    }

    /// Tells the worker to give a run back.
    pub(crate) fn give_back(&self, worker: WorkerId, job: JobId, token: LeaseToken, reason: ReturnReason) {
        self.tell(worker, ServerFrame::GiveBack { job, token, reason });
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

impl ConnectedWorker {
    pub(crate) fn takes_jobs(&self) -> bool {
        self.engine == EngineState::Ready && !self.is_draining
    }
}
