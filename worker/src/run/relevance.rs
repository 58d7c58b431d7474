//! Which of ComfyUI's messages belong to a run, and what its owner may see of them.

use comfy_api::client::Frame;
use domain::JobId;
use serde_json::{Value, json};

/// What one message means for a run.
#[derive(Debug, PartialEq)]
pub enum Relevance {
    /// ComfyUI is done with the graph, one way or another; its history has the result.
    End,
    /// A text message for the owner: `{"type","data"}`.
    Event(Value),
    /// A binary message for the owner.
    Preview(bytes::Bytes),
    /// Somebody else's, or told by other means.
    Nothing,
}

/// ComfyUI's own affairs, which the server tells its seats itself.
const OWN_AFFAIRS: [&str; 4] = ["status", "feature_flags", "logs", "assets.seed.completed"];
/// What the result says.
const ENDINGS: [&str; 2] = ["execution_success", "execution_interrupted"];

/// Judges a message of the socket of the run of `job`; `added` are the nodes of the graph that
/// the participant does not know.
pub fn judge(frame: Frame, job: JobId, added: &[String]) -> Relevance {
    match frame {
        Frame::Text { kind, data, .. } => judge_text(&kind, data, &job.to_string(), added),
        Frame::Binary(bytes) if is_foreign_preview(&bytes, &job.to_string()) => Relevance::Nothing,
        Frame::Binary(bytes) => Relevance::Preview(bytes),
    }
}

fn judge_text(kind: &str, mut data: Value, job: &str, added: &[String]) -> Relevance {
    let is_added = |node: &Value| node.as_str().is_some_and(|node| added.iter().any(|name| name == node));
    let foreign = data.get("prompt_id").is_some_and(|id| id != job);
    if foreign || OWN_AFFAIRS.contains(&kind) || ENDINGS.contains(&kind) {
        return Relevance::Nothing;
    }
    match kind {
        "executing" if data["prompt_id"] != job => return Relevance::Nothing,
        "executing" if data["node"].is_null() => return Relevance::End,
        // A blocked branch is told this way while the graph goes on; it is no ending.
        "execution_error" if data["exception_type"] != "ExecutionBlocked" => return Relevance::Nothing,
        "executing" | "executed" | "progress" if is_added(&data["node"]) => return Relevance::Nothing,
        "execution_cached" => {
            if let Some(nodes) = data["nodes"].as_array_mut() {
                nodes.retain(|node| !is_added(node));
            }
        }
        "progress_state" => {
            if let Some(nodes) = data["nodes"].as_object_mut() {
                nodes.retain(|node, _| !added.contains(node));
            }
        }
        _ => {}
    }
    Relevance::Event(json!({ "type": kind, "data": data }))
}

/// Whether a preview names another graph. Kinds that name none can only be this run's: nothing
/// else uses its client id.
fn is_foreign_preview(bytes: &[u8], job: &str) -> bool {
    const PREVIEW_WITH_METADATA: [u8; 4] = [0, 0, 0, 4];
    let Some((&PREVIEW_WITH_METADATA, rest)) = bytes.split_first_chunk::<4>() else { return false };
    let metadata = rest.split_first_chunk::<4>().and_then(|(length, rest)| {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        serde_json::from_slice::<Value>(rest.get(..length)?).ok()
    });
    metadata.is_none_or(|metadata| metadata["prompt_id"] != job)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "7f1f6a0e-26f0-4b6e-93d7-0d6a3c9b3a11";

    fn judged(kind: &str, data: Value) -> Relevance {
        let frame = Frame::Text { kind: kind.into(), data, raw: String::new() };
        judge(frame, JOB.parse().unwrap(), &["added".to_owned()])
    }

    fn passes(kind: &str, data: Value) {
        assert_eq!(
            judged(kind, data.clone()),
            Relevance::Event(json!({"type": kind, "data": data})),
            "{kind}"
        );
    }

    #[test]
    fn the_messages_of_the_run_are_passed_as_they_are() {
        passes("execution_start", json!({"prompt_id": JOB, "timestamp": 1}));
        passes("executing", json!({"node": "3", "display_node": "3", "prompt_id": JOB}));
        passes("progress", json!({"value": 1, "max": 4, "prompt_id": JOB, "node": "3"}));
        passes("executed", json!({"node": "9", "output": {"images": []}, "prompt_id": JOB}));
        passes("my_pack.feedback", json!({"widget": "seed"}));
        passes("execution_error", json!({"prompt_id": JOB, "exception_type": "ExecutionBlocked"}));
    }

    #[test]
    fn the_end_is_the_executing_message_without_a_node() {
        assert_eq!(judged("executing", json!({"node": null, "prompt_id": JOB})), Relevance::End);
        assert_eq!(judged("executing", json!({"node": null, "prompt_id": "other"})), Relevance::Nothing);
        assert_eq!(judged("executing", json!({"node": "3"})), Relevance::Nothing, "sent on reconnection");
    }

    #[test]
    fn endings_and_comfyuis_own_affairs_are_not_passed() {
        for kind in ["execution_success", "execution_interrupted", "execution_error", "status", "logs"] {
            assert_eq!(judged(kind, json!({"prompt_id": JOB})), Relevance::Nothing, "{kind}");
        }
    }

    #[test]
    fn another_runs_messages_are_not_passed() {
        for kind in ["execution_start", "progress", "executed", "my_pack.feedback"] {
            assert_eq!(
                judged(kind, json!({"prompt_id": "other", "node": "3"})),
                Relevance::Nothing,
                "{kind}"
            );
        }
    }

    #[test]
    fn nodes_that_we_added_are_not_seen() {
        for kind in ["executing", "executed", "progress"] {
            assert_eq!(
                judged(kind, json!({"node": "added", "prompt_id": JOB})),
                Relevance::Nothing,
                "{kind}"
            );
        }
        let cached = judged("execution_cached", json!({"nodes": ["1", "added"], "prompt_id": JOB}));
        let expected = json!({"type": "execution_cached", "data": {"nodes": ["1"], "prompt_id": JOB}});
        assert_eq!(cached, Relevance::Event(expected));
        let state = judged("progress_state", json!({"nodes": {"1": {}, "added": {}}, "prompt_id": JOB}));
        let expected = json!({"type": "progress_state", "data": {"nodes": {"1": {}}, "prompt_id": JOB}});
        assert_eq!(state, Relevance::Event(expected));
    }

    #[test]
    fn previews_are_passed_unless_they_name_another_graph() {
        let with_metadata = |metadata: &str| {
            let mut bytes = vec![0, 0, 0, 4];
            bytes.extend_from_slice(&u32::try_from(metadata.len()).unwrap().to_be_bytes());
            bytes.extend_from_slice(metadata.as_bytes());
            bytes.extend_from_slice(&[0xff, 0xd8]);
            bytes
        };
        let own = with_metadata(&json!({"node_id": "3", "prompt_id": JOB}).to_string());
        let foreign = with_metadata(&json!({"node_id": "3", "prompt_id": "other"}).to_string());
        assert!(!is_foreign_preview(&own, JOB));
        assert!(is_foreign_preview(&foreign, JOB));
        assert!(is_foreign_preview(&own[..20], JOB), "cut off");
        assert!(!is_foreign_preview(&[0, 0, 0, 1, 0, 0, 0, 1, 0xff], JOB), "the kind without metadata");
    }
}
