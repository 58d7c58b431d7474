//! Why a job did not succeed.

use serde::{Deserialize, Serialize};

/// What went wrong, and so whose it is to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// A node raised an exception: the participant's to mend. Never retried.
    Node,
    /// ComfyUI refused the graph although the server had accepted it. Never retried.
    Refused,
    /// An input file of the job is gone. Never retried.
    InputMissing,
    /// A node could not find or read a model. Never retried.
    MissingModel,
    /// The worker stopped renewing its lease.
    WorkerLost,
    /// ComfyUI died or hung while the job ran.
    EngineDied,
    /// The GPU or the machine ran out of memory.
    OutOfMemory,
    /// The results could not be fetched from the engine or brought to the server.
    Transfer,
}

impl FailureKind {
    /// Whether another attempt may succeed without the participant changing anything.
    pub fn is_infrastructure(self) -> bool {
        match self {
            Self::Node | Self::Refused | Self::InputMissing | Self::MissingModel => false,
            Self::WorkerLost | Self::EngineDied | Self::OutOfMemory | Self::Transfer => true,
        }
    }

    /// Whether the job itself is under suspicion of having killed its engine.
    pub fn kills_engine(self) -> bool {
        matches!(self, Self::EngineDied)
    }
}

/// One failure as it is kept and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub kind: FailureKind,
    /// A sentence for the participant: what happened.
    pub message: String,
    /// Another: what to try.
    #[serde(default)]
    pub advice: String,
    /// ComfyUI's `execution_error` data as JSON text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
