//! What a worker and the server say to each other, over HTTP and one WebSocket.
//!
//! | call | body | answer |
//! | --- | --- | --- |
//! | `GET  /worker/v1/config` | – | [`WorkerConfig`] |
//! | `GET  /worker/v1/status` | – | [`ServerStatus`], for `doctor`, with the token for all only |
//! | `GET  /worker/v1/socket` | WebSocket: [`WorkerFrame`] up, [`ServerFrame`] down, binary previews up | |
//! | `PUT  /worker/v1/catalog` | [`Catalog`] as JSON, `Content-Encoding: gzip` | 204 |
//! | `POST /worker/v1/jobs/{job}/claim` | [`Claim`] | [`Assignment`] |
//! | `GET  /worker/v1/jobs/{job}/inputs/{index}?token=` | – | the file's bytes |
//! | `GET  /worker/v1/jobs/{job}/models/{index}?token=` | `Range` | the model's bytes |
//! | `PUT  /worker/v1/jobs/{job}/artifacts?`[`ArtifactQuery`] | the file's bytes | [`PlacedFile`] |
//! | `POST /worker/v1/jobs/{job}/result` | [`ResultReport`] | 204 |
//! | `POST /worker/v1/jobs/{job}/release` | [`Release`] | 204 |
//!
//! Every call carries `Authorization: Bearer <worker token>`, and one about a job a `traceparent`
//! whose parent id is the number of the attempt, for the log. A lease that is no
//! longer current is answered 409 with [`Refusal`], and the worker drops the run.
//!
//! A binary frame is the job's UUID (16 bytes), the lease token (16 bytes), then
//! ComfyUI's own binary frame.

use std::collections::BTreeMap;

use domain::{FailureKind, JobId, LeaseToken, ReturnReason, WorkerId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The protocol version that a worker names in [`WorkerFrame::Hello`].
pub const PROTOCOL_VERSION: u32 = 3;

/// Where a worker finds its tasks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerConfig {
    pub redis_url: String,
    /// The queue's name in Redis.
    pub queue: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WorkerFrame {
    /// The first frame of each connection.
    Hello {
        protocol: u32,
        worker: WorkerId,
        /// What people call the machine.
        name: String,
        /// The worker program's own version.
        version: String,
        /// How many jobs it runs at once.
        slots: u32,
        /// How many more it prepares ahead.
        staged: u32,
        engine: EngineState,
    },
    /// Every few seconds: the worker lives, and so do these runs.
    Heartbeat {
        leases: Vec<LeaseRef>,
        engine: EngineState,
        /// As ComfyUI told it last; nothing while it does not answer.
        device: Option<DeviceStats>,
    },
    /// One text message of ComfyUI's WebSocket, for the job's owner: `{"type","data"}` with
    /// output files already renamed. The endings (`execution_success`, `execution_error`,
    /// `execution_interrupted`, `executing` null) are not sent: the result says them. An
    /// `execution_error` that ComfyUI goes on after (`ExecutionBlocked`) is an event.
    Event { job: JobId, token: LeaseToken, event: Value },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    /// Answers `Hello`: how often to send heartbeats.
    Welcome { heartbeat_ms: u64 },
    /// Interrupt this run and report it interrupted.
    Cancel { job: JobId, token: LeaseToken },
    /// The lease is gone: stop the run, report nothing.
    Drop { job: JobId, token: LeaseToken },
    /// Stop the run, whether it executes or only waits here, and give the job back with this
    /// reason. A run that has its result already reports it instead.
    GiveBack { job: JobId, token: LeaseToken, reason: ReturnReason },
    /// Begin a new life of ComfyUI. The running job is tried again.
    RestartEngine,
}

/// One lease that a worker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeaseRef {
    pub job: JobId,
    pub token: LeaseToken,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EngineState {
    /// ComfyUI is coming up.
    Starting,
    /// ComfyUI answers.
    Ready,
    /// ComfyUI is gone; the worker is bringing it back. The reason is for the operator.
    Down { reason: String },
}

/// The device that ComfyUI computes on, as its `/system_stats` tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceStats {
    /// `cuda:0 NVIDIA H100 …` or `cpu`.
    pub name: String,
    /// Its memory; the machine's for a CPU.
    pub memory_total_bytes: u64,
    pub memory_free_bytes: u64,
}

/// What an engine offers. Stored by the server, so that the editor works while it is away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// `/object_info` as ComfyUI gave it.
    pub object_info: Map<String, Value>,
    /// Model folder → files, as `/experiment/models/{folder}` gave them.
    pub models: BTreeMap<String, Vec<ModelFile>>,
    pub embeddings: Vec<String>,
    /// `/system_stats` as ComfyUI gave it.
    pub system_stats: Value,
    /// The model folders that the worker can place participants' models in, each with the
    /// extensions that it lists.
    #[serde(default)]
    pub model_folders: BTreeMap<String, Vec<String>>,
    /// Class → input → the folders of `model_folders` that it lists, each with the extensions.
    #[serde(default)]
    pub model_inputs: ModelInputs,
}

/// Class → input → model folder → extensions.
pub type ModelInputs = BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<String>>>>;

/// One model file, named relative to its folder, `/`-separated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelFile {
    pub name: String,
    #[serde(default)]
    pub size: u64,
    /// Unix seconds.
    #[serde(default)]
    pub modified: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claim {
    pub token: LeaseToken,
    pub worker: WorkerId,
}

/// Everything that a run needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The graph to post: files and output prefixes already rewritten.
    pub prompt: Map<String, Value>,
    pub extra_data: Map<String, Value>,
    /// The output nodes to run, where the participant asked for only some or some are invalid.
    pub partial_execution_targets: Vec<String>,
    /// Files to bring to the engine's input folder first.
    pub inputs: Vec<InputFile>,
    /// Models of the participant's own to bring to the engine's model folders first.
    pub models: Vec<NeededModel>,
    /// Every output file of this attempt lies below this folder of the engine's output folder.
    pub output_folder: String,
    /// Nodes that the rewriting added: their events are not the participant's.
    pub added_nodes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputFile {
    /// Its place in the assignment, for the download.
    pub index: usize,
    /// Where it goes below the engine's input folder; names its content.
    pub subfolder: String,
    pub filename: String,
    pub sha256: String,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeededModel {
    /// Its place in the assignment, for the download.
    pub index: usize,
    /// One of the catalog's `model_folders`.
    pub folder: String,
    /// `<sha256>.<ext>`: what it is called below `cm/` of that folder.
    pub filename: String,
    pub sha256: String,
    pub bytes: u64,
}

/// Which output file follows, as ComfyUI reported it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArtifactQuery {
    pub token: LeaseToken,
    pub node: String,
    /// The key under which ComfyUI listed it: `images`, `audio`, …
    pub key: String,
    /// Its place in that list.
    pub index: u32,
    pub filename: String,
    pub subfolder: String,
    /// `output` or `temp`.
    pub kind: String,
}

/// Where the server put a file, as the participant's editor will name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedFile {
    pub filename: String,
    pub subfolder: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// How a run ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResultReport {
    pub token: LeaseToken,
    pub outcome: Outcome,
    /// Node → its outputs with placed file names, as in ComfyUI's history.
    pub outputs: Map<String, Value>,
    /// `meta` of ComfyUI's history entry.
    pub meta: Map<String, Value>,
    /// `status.messages` of ComfyUI's history entry.
    pub messages: Vec<Value>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Succeeded,
    /// A node raised: `execution_error` data.
    NodeError {
        error: Value,
    },
    /// ComfyUI stopped it: `execution_interrupted` data.
    Interrupted {
        data: Value,
    },
    /// ComfyUI answered the graph with an error: its body.
    Refused {
        response: Value,
    },
    /// Everything else that kept the run from ending.
    Failed {
        kind: FailureKind,
        reason: String,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Release {
    pub token: LeaseToken,
    pub reason: ReturnReason,
    /// For the operator's log.
    pub detail: String,
}

/// What the server tells whoever holds the workers' token: for `doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    pub version: String,
    pub workers: Vec<WorkerStatus>,
    /// As the catalog tells it.
    pub comfyui_version: Option<String>,
    /// The frontend that this ComfyUI was made with.
    pub wanted_frontend: Option<String>,
    /// The frontend that the server serves, as far as that is known.
    pub frontend: Option<String>,
    /// What ComfyUI computes on, such as its GPUs, as the catalog tells it.
    #[serde(default)]
    pub devices: Vec<String>,
    /// How many model files ComfyUI lists; `None` without a catalog.
    #[serde(default)]
    pub models: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    pub name: String,
    pub version: String,
    /// Why its ComfyUI is down.
    pub problem: Option<String>,
}

/// Why a call was refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refusal {
    /// `stale_lease`, `unauthorized`, `bad_request`, …
    pub error: String,
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_that_was_stored_before_seats_had_models_is_read() {
        let stored = r#"{"object_info": {}, "models": {}, "embeddings": [], "system_stats": null}"#;
        let catalog: Catalog = serde_json::from_str(stored).unwrap();
        assert!(catalog.model_folders.is_empty() && catalog.model_inputs.is_empty());
    }
}
