//! The text frames of ComfyUI's `/ws`: `{"type", "data"}`, members in its order.

mod binary;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

pub use binary::{BinaryFrame, BinaryFrameError, ImageFormat, frame_for_client};

/// How many jobs are waiting or running. A new socket's first frame also tells the client
/// its `sid`, which it adopts as its `client_id`.
pub fn status(queue_remaining: usize, sid: Option<&str>) -> Value {
    let mut data = Map::new();
    data.insert("status".to_owned(), json!({"exec_info": {"queue_remaining": queue_remaining}}));
    if let Some(sid) = sid {
        data.insert("sid".to_owned(), Value::from(sid));
    }
    frame("status", Value::Object(data))
}

/// What this server can do; the same object answers `GET /api/features`.
pub fn features(max_upload_size: u64) -> Value {
    json!({"supports_preview_metadata": true, "max_upload_size": max_upload_size})
}

/// The reply to a client's own flags.
pub fn feature_flags(max_upload_size: u64) -> Value {
    frame("feature_flags", features(max_upload_size))
}

pub fn execution_start(prompt_id: &str, timestamp: i64) -> Value {
    frame("execution_start", json!({"prompt_id": prompt_id, "timestamp": timestamp}))
}

/// Sent in every run, with no nodes where nothing was cached.
pub fn execution_cached(prompt_id: &str, nodes: &[String], timestamp: i64) -> Value {
    frame("execution_cached", json!({"nodes": nodes, "prompt_id": prompt_id, "timestamp": timestamp}))
}

pub fn executing(prompt_id: &str, node: &str, display_node: &str) -> Value {
    frame("executing", json!({"node": node, "display_node": display_node, "prompt_id": prompt_id}))
}

/// Tells a socket that reconnects which node its prompt is at.
pub fn executing_still(node: &str) -> Value {
    frame("executing", json!({"node": node}))
}

/// The run is over, and its history entry exists.
pub fn executing_end(prompt_id: &str) -> Value {
    frame("executing", json!({"node": null, "prompt_id": prompt_id}))
}

/// `output` is what the node shows, or null.
pub fn executed(prompt_id: &str, node: &str, display_node: &str, output: Value) -> Value {
    let data = json!({"node": node, "display_node": display_node, "output": output, "prompt_id": prompt_id});
    frame("executed", data)
}

pub fn execution_success(prompt_id: &str, timestamp: i64) -> Value {
    frame("execution_success", json!({"prompt_id": prompt_id, "timestamp": timestamp}))
}

/// `data` as [`crate::views::execution_error`] completes it.
pub fn execution_error(data: Value) -> Value {
    frame("execution_error", data)
}

/// The node is empty where the job was stopped before it started.
pub fn execution_interrupted(
    prompt_id: &str,
    node_id: &str,
    node_type: &str,
    executed: &[String],
    timestamp: i64,
) -> Value {
    let data = json!({
        "prompt_id": prompt_id,
        "node_id": node_id,
        "node_type": node_type,
        "executed": executed,
        "timestamp": timestamp,
    });
    frame("execution_interrupted", data)
}

/// Frontend 1.58 shows the job as initializing with this text until it starts.
pub fn notification(prompt_id: &str, text: &str) -> Value {
    frame("notification", json!({"id": prompt_id, "value": text}))
}

fn frame(kind: &str, data: Value) -> Value {
    json!({"type": kind, "data": data})
}
