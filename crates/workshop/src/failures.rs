//! What went wrong, in plain words: what happened, what to try, and the technical text apart.

use domain::{Failure, FailureKind};
use serde_json::Value;

/// A node raised: ComfyUI's `execution_error` data.
pub(crate) fn of_node(error: &Value) -> Failure {
    let text = |field: &str| error.get(field).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let (node, exception, message) = (text("node_type"), text("exception_type"), text("exception_message"));
    let (kind, what, advice) = match () {
        () if is_missing_model(&exception, &message) => (
            FailureKind::MissingModel,
            format!("The node {node} could not find or open a file that it needs: {message}"),
            "Choose another model in that node. If you need this one, tell the instructor its name.",
        ),
        () => (
            FailureKind::Node,
            format!("The node {node} stopped: {message}"),
            "Look at that node's inputs and settings, then press Run again.",
        ),
    };
    Failure { kind, message: what, advice: advice.to_owned(), detail: Some(error.to_string()) }
}

/// ComfyUI refused the graph that the server had accepted: the body of its answer.
pub(crate) fn of_refusal(response: &Value) -> Failure {
    let reason = response.pointer("/error/message").and_then(Value::as_str).unwrap_or("no reason given");
    Failure {
        kind: FailureKind::Refused,
        message: format!("ComfyUI on the GPU machine refused this graph: {reason}."),
        advice: "Reload the editor to get its current node list, then press Run.".to_owned(),
        detail: Some(response.to_string()),
    }
}

/// A file that the graph loads is gone.
pub(crate) fn of_missing_input(reason: impl std::fmt::Display) -> Failure {
    Failure {
        kind: FailureKind::InputMissing,
        message: format!("{reason}."),
        advice: "Upload the file again, or choose another, and press Run.".to_owned(),
        detail: None,
    }
}

/// The worker could not finish the job; `reason` is its own words.
pub(crate) fn of_infrastructure(kind: FailureKind, reason: &str) -> Failure {
    let (message, advice) = match kind {
        FailureKind::OutOfMemory => (
            "The GPU ran out of memory, even after a fresh start.",
            "Try a smaller picture, fewer frames or a smaller batch.",
        ),
        FailureKind::EngineDied => (
            "ComfyUI stopped or hung while your job ran, more than once. The job is set aside.",
            "Change the graph before you run it again; a smaller size is a good first try.",
        ),
        FailureKind::Transfer => {
            ("The results could not be brought over from the GPU machine.", "Press Run again.")
        }
        FailureKind::InputMissing => {
            ("A file that the graph loads could not be found.", "Upload it again and press Run.")
        }
        FailureKind::MissingModel => (
            "A model that the graph uses could not be brought to the GPU machine.",
            "Upload it again or choose another, and press Run. If it fails again, tell the instructor.",
        ),
        FailureKind::WorkerLost | FailureKind::Node | FailureKind::Refused => (
            "The GPU machine could not finish your job.",
            "Press Run again; if it fails again, tell the instructor.",
        ),
    };
    let detail = Some(reason).filter(|reason| !reason.is_empty());
    let detail = detail.map(|reason| Value::from(reason).to_string());
    Failure { kind, message: message.to_owned(), advice: advice.to_owned(), detail }
}

/// Python's and ComfyUI's ways of saying that a file is not there or no model.
fn is_missing_model(exception: &str, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    exception.ends_with("FileNotFoundError")
        || exception.ends_with("SafetensorError")
        || message.contains("model in folder")
        || message.contains("could not detect model type")
        || message.contains("no such file or directory")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node_error(exception: &str, message: &str) -> Failure {
        of_node(&json!({"node_type": "KSampler", "exception_type": exception, "exception_message": message}))
    }

    #[test]
    fn a_nodes_error_names_the_node_and_keeps_the_technical_text_apart() {
        let failure = node_error("RuntimeError", "size mismatch\n");
        assert_eq!(failure.kind, FailureKind::Node);
        assert_eq!(failure.message, "The node KSampler stopped: size mismatch");
        assert!(failure.detail.unwrap().contains("RuntimeError"));
    }

    #[test]
    fn a_missing_model_is_told_from_other_errors() {
        for (exception, message) in [
            ("FileNotFoundError", "Model in folder 'vae' with filename 'x' not found."),
            ("RuntimeError", "ERROR: Could not detect model type of: /models/x.safetensors"),
            ("safetensors_rust.SafetensorError", "Error while deserializing header"),
            ("OSError", "[Errno 2] No such file or directory: 'x'"),
        ] {
            assert_eq!(node_error(exception, message).kind, FailureKind::MissingModel, "{message}");
        }
        assert_eq!(node_error("ValueError", "nan").kind, FailureKind::Node);
    }

    #[test]
    fn every_kind_says_what_to_try() {
        use FailureKind::*;
        for kind in [Node, Refused, InputMissing, MissingModel, WorkerLost, EngineDied, OutOfMemory, Transfer]
        {
            let failure = of_infrastructure(kind, "exit 137");
            assert!(!failure.message.is_empty() && !failure.advice.is_empty(), "{kind:?}");
            assert_eq!(failure.detail.as_deref(), Some("\"exit 137\""));
        }
    }
}
