//! What a ComfyUI offers: its nodes, models and itself.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ClientError, ComfyClient};

/// One file of `/experiment/models/{folder}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelEntry {
    pub name: String,
    #[serde(default)]
    pub size: u64,
    /// Seconds in ComfyUI 0.3, milliseconds in the newest.
    #[serde(default)]
    pub modified: f64,
}

/// A kind of models, such as `checkpoints`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ModelFolder {
    pub name: String,
    /// Where ComfyUI looks for them, as paths of its machine.
    #[serde(default)]
    pub folders: Vec<String>,
}

impl ComfyClient {
    pub async fn system_stats(&self) -> Result<Value, ClientError> {
        self.get_json("/system_stats", &[]).await
    }

    /// Every node class with its inputs and outputs.
    pub async fn object_info(&self) -> Result<Map<String, Value>, ClientError> {
        self.get_json("/object_info", &[]).await
    }

    pub async fn model_folders(&self) -> Result<Vec<ModelFolder>, ClientError> {
        self.get_json("/experiment/models", &[]).await
    }

    /// The model files of one kind.
    pub async fn models(&self, folder: &str) -> Result<Vec<ModelEntry>, ClientError> {
        self.get_json(&format!("/experiment/models/{folder}"), &[]).await
    }

    pub async fn embeddings(&self) -> Result<Vec<String>, ClientError> {
        self.get_json("/embeddings", &[]).await
    }
}
