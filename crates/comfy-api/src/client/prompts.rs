//! Posting graphs, following them, and stopping them.

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{ANSWER_LIMIT, ClientError, ComfyClient};

/// A graph to run.
#[derive(Debug, Clone, Serialize)]
pub struct PromptRequest<'a> {
    pub prompt: &'a Map<String, Value>,
    pub prompt_id: &'a str,
    /// Whose socket gets the events of the run.
    pub client_id: &'a str,
    pub extra_data: &'a Map<String, Value>,
    /// The output nodes to run; all of them where this is `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial_execution_targets: Option<&'a [String]>,
}

/// ComfyUI's answer to a graph that it takes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PostedPrompt {
    pub prompt_id: String,
    pub number: f64,
    /// The nodes that it leaves out, because what they feed on is wrong.
    #[serde(default)]
    pub node_errors: Value,
}

/// What ComfyUI kept of a finished run.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct HistoryEntry {
    #[serde(default)]
    pub outputs: Map<String, Value>,
    #[serde(default)]
    pub meta: Map<String, Value>,
    #[serde(default)]
    pub status: HistoryStatus,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct HistoryStatus {
    pub status_str: String,
    pub completed: bool,
    /// Pairs of an event's name and its data.
    #[serde(default)]
    pub messages: Vec<Value>,
}

impl HistoryStatus {
    /// The data of the message of this name, such as `execution_error`.
    pub fn message(&self, name: &str) -> Option<&Value> {
        self.messages.iter().find(|pair| pair[0] == name).map(|pair| &pair[1])
    }
}

/// The ids of the graphs that ComfyUI runs and keeps for later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueState {
    pub running: Vec<String>,
    pub pending: Vec<String>,
}

impl QueueState {
    pub fn contains(&self, prompt_id: &str) -> bool {
        self.running.iter().chain(&self.pending).any(|id| id == prompt_id)
    }
}

#[derive(Deserialize)]
struct QueueAnswer {
    queue_running: Vec<Value>,
    queue_pending: Vec<Value>,
}

impl ComfyClient {
    /// Hands over a graph. [`ClientError::Refused`] holds ComfyUI's answer where it does not take it.
    pub async fn post_prompt(&self, request: &PromptRequest<'_>) -> Result<PostedPrompt, ClientError> {
        const CALL: &str = "/prompt";
        let transport = |source| ClientError::Transport { call: CALL.to_owned(), source };
        let response = self.http.post(self.url(CALL)).json(request).timeout(ANSWER_LIMIT).send().await;
        let response = response.map_err(transport)?;
        let status = response.status();
        let body = response.bytes().await.map_err(transport)?;
        let decode = |source| ClientError::Decode { call: CALL.to_owned(), source };
        match status {
            StatusCode::OK => serde_json::from_slice(&body).map_err(decode),
            StatusCode::BAD_REQUEST => {
                Err(ClientError::Refused { body: serde_json::from_slice(&body).map_err(decode)? })
            }
            other => Err(ClientError::Status {
                call: CALL.to_owned(),
                status: other.as_u16(),
                body: String::from_utf8_lossy(&body).into_owned(),
            }),
        }
    }

    /// What is kept of this run, once it has ended.
    pub async fn history(&self, prompt_id: &str) -> Result<Option<HistoryEntry>, ClientError> {
        let mut entries: std::collections::HashMap<String, HistoryEntry> =
            self.get_json(&format!("/history/{prompt_id}"), &[]).await?;
        Ok(entries.remove(prompt_id))
    }

    pub async fn queue(&self) -> Result<QueueState, ClientError> {
        let answer: QueueAnswer = self.get_json("/queue", &[]).await?;
        let ids =
            |items: Vec<Value>| items.iter().filter_map(|item| item[1].as_str().map(str::to_owned)).collect();
        Ok(QueueState { running: ids(answer.queue_running), pending: ids(answer.queue_pending) })
    }

    /// Takes a graph out of the line. Does nothing to a running one.
    pub async fn delete_pending(&self, prompt_id: &str) -> Result<(), ClientError> {
        self.post_json("/queue", &json!({ "delete": [prompt_id] })).await.map(drop)
    }

    /// Stops a graph if it is the one that runs now. One that lands before the start is lost.
    pub async fn interrupt(&self, prompt_id: &str) -> Result<(), ClientError> {
        self.post_json("/interrupt", &json!({ "prompt_id": prompt_id })).await.map(drop)
    }

    /// Forgets what was kept of a finished run.
    pub async fn delete_history(&self, prompt_id: &str) -> Result<(), ClientError> {
        self.post_json("/history", &json!({ "delete": [prompt_id] })).await.map(drop)
    }

    /// Unloads the models and forgets cached results, as soon as nothing runs.
    pub async fn free_memory(&self) -> Result<(), ClientError> {
        self.post_json("/free", &json!({ "unload_models": true, "free_memory": true })).await.map(drop)
    }
}
