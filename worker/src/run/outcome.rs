//! How a run ended, read from what ComfyUI keeps of it.

use comfy_api::client::HistoryEntry;
use domain::{FailureKind, JobId};
use queue::report::Outcome;
use serde_json::{Value, json};

/// Python's and torch's words for it. Torch on the CPU raises a plain `RuntimeError`.
const OUT_OF_MEMORY: [&str; 4] =
    ["out of memory", "can't allocate memory", "not enough memory", "unable to allocate"];

/// The outcome of a run that ComfyUI is done with.
pub fn of(history: &HistoryEntry) -> Outcome {
    // The messages come first: ComfyUI calls a graph completed whose first step already failed.
    if let Some(error) = history.status.message("execution_error") {
        return if is_out_of_memory(error) {
            Outcome::Failed { kind: FailureKind::OutOfMemory, reason: out_of_memory(error) }
        } else {
            Outcome::NodeError { error: error.clone() }
        };
    }
    if let Some(data) = history.status.message("execution_interrupted") {
        return Outcome::Interrupted { data: data.clone() };
    }
    if history.status.completed {
        return Outcome::Succeeded;
    }
    let reason = "comfyui ended the job without saying why".to_owned();
    Outcome::Failed { kind: FailureKind::EngineDied, reason }
}

/// `execution_interrupted` data for a job that ComfyUI never began.
pub fn interruption(job: JobId) -> Value {
    json!({ "prompt_id": job, "node_id": null, "node_type": null, "executed": [] })
}

fn is_out_of_memory(error: &Value) -> bool {
    let exception = error["exception_type"].as_str().unwrap_or_default();
    let message = error["exception_message"].as_str().unwrap_or_default().to_lowercase();
    exception.ends_with("OutOfMemoryError")
        || exception.ends_with("MemoryError")
        || (exception.ends_with("RuntimeError") && OUT_OF_MEMORY.iter().any(|words| message.contains(words)))
}

fn out_of_memory(error: &Value) -> String {
    let node = error["node_type"].as_str().unwrap_or("a node");
    let message = error["exception_message"].as_str().unwrap_or_default();
    let first_line = message.lines().next().unwrap_or_default();
    format!("{node} ran out of memory: make the picture smaller or the batch shorter ({first_line})")
}

#[cfg(test)]
mod tests {
    use comfy_api::client::HistoryStatus;

    use super::*;

    fn history(completed: bool, messages: Value) -> HistoryEntry {
        let messages = messages.as_array().unwrap().clone();
        let status_str = if completed { "success" } else { "error" }.to_owned();
        HistoryEntry { status: HistoryStatus { status_str, completed, messages }, ..HistoryEntry::default() }
    }

    fn error(exception_type: &str, message: &str) -> HistoryEntry {
        let data = json!({"exception_type": exception_type, "exception_message": message, "node_type": "X"});
        history(false, json!([["execution_start", {}], ["execution_error", data]]))
    }

    #[test]
    fn a_completed_run_succeeded() {
        assert!(matches!(of(&history(true, json!([["execution_success", {}]]))), Outcome::Succeeded));
    }

    #[test]
    fn a_nodes_exception_is_the_participants() {
        assert!(matches!(of(&error("ValueError", "bad value")), Outcome::NodeError { .. }));
        assert!(matches!(of(&error("ValueError", "out of memory slots")), Outcome::NodeError { .. }));
    }

    #[test]
    fn an_error_counts_although_the_run_is_called_completed() {
        let both = history(true, json!([["execution_error", {"exception_type": "ValueError"}]]));
        assert!(matches!(of(&both), Outcome::NodeError { .. }));
    }

    #[test]
    fn running_out_of_memory_is_recognised() {
        for (exception, message) in [
            ("torch.OutOfMemoryError", "Allocation on device"),
            ("torch.cuda.OutOfMemoryError", "CUDA out of memory."),
            ("MemoryError", ""),
            ("numpy._core._exceptions._ArrayMemoryError", "Unable to allocate 3 TiB"),
            ("RuntimeError", "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        ] {
            let outcome = of(&error(exception, message));
            let expected = matches!(outcome, Outcome::Failed { kind: FailureKind::OutOfMemory, .. });
            assert!(expected, "{exception}: {outcome:?}");
        }
    }

    #[test]
    fn an_interrupted_run_keeps_comfyuis_own_words() {
        let entry = history(false, json!([["execution_interrupted", {"node_id": "3"}]]));
        assert!(matches!(of(&entry), Outcome::Interrupted { data } if data["node_id"] == "3"));
    }

    #[test]
    fn an_unexplained_end_is_the_engines_fault() {
        let outcome = of(&history(false, json!([])));
        assert!(matches!(outcome, Outcome::Failed { kind: FailureKind::EngineDied, .. }));
    }
}
