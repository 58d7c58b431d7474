//! How a job ended, in the messages that both frontend generations read.

use serde_json::{Map, Value, json};

use super::{JobPhase, JobRecord};

const START: &str = "execution_start";
const ENDINGS: [&str; 3] = ["execution_success", "execution_error", "execution_interrupted"];

/// `status` of a history entry.
pub(super) fn execution_status(job: &JobRecord) -> Value {
    if !job.phase.has_ended() {
        return Value::Null;
    }
    let is_success = job.phase == JobPhase::Completed;
    json!({
        "status_str": if is_success { "success" } else { "error" },
        "completed": is_success,
        "messages": status_messages(job),
    })
}

/// The engine's messages, with an ending that agrees with the job's phase. Jobs that were
/// cancelled in the queue or failed around the engine have none from the engine; frontends
/// tell cancelled from failed by the last message only.
pub fn status_messages(job: &JobRecord) -> Vec<Value> {
    let ending = ending(job.phase);
    let mut messages: Vec<Value> = job
        .messages
        .iter()
        .filter(|message| match name(message) {
            Some(name) if ENDINGS.contains(&name) => Some(name) == ending,
            name => name.is_some(),
        })
        .cloned()
        .collect();
    if let Some(start) = job.execution_start
        && !messages.iter().any(|message| name(message) == Some(START))
    {
        messages.insert(0, json!([START, {"prompt_id": job.id, "timestamp": start}]));
    }
    let Some(ending) = ending else { return messages };
    // A failed attempt may have left an ending before that of the last one.
    let given = messages.iter().rposition(|message| name(message) == Some(ending));
    let given = given.map(|position| messages.remove(position));
    messages.retain(|message| name(message) != Some(ending));
    let data = match job.phase {
        JobPhase::Failed => {
            let given = given.as_ref().and_then(|message| message.get(1));
            execution_error(&job.id, job.error.as_ref().or(given), ended_at(job))
        }
        _ => given.and_then(|message| message.get(1).cloned()).unwrap_or_else(|| ending_data(job)),
    };
    messages.push(json!([ending, data]));
    messages
}

/// Complete data of an `execution_error` from what is known: the engine's own data, a
/// sentence, or nothing.
pub fn execution_error(prompt_id: &str, error: Option<&Value>, timestamp: i64) -> Value {
    let given = match error {
        Some(Value::Object(given)) => given.clone(),
        Some(Value::String(message)) => return infrastructure_error(prompt_id, message, timestamp),
        _ => return infrastructure_error(prompt_id, "The job failed. Please run it again.", timestamp),
    };
    let text = |name: &str, default: &str| match given.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => default.to_owned(),
    };
    let message = text("exception_message", &text("message", "The job failed."));
    let mut data = json!({
        "prompt_id": prompt_id,
        "node_id": text("node_id", ""),
        "node_type": text("node_type", ""),
        "executed": texts(given.get("executed")),
        "exception_message": message,
        "exception_type": text("exception_type", INFRASTRUCTURE),
        "traceback": texts(given.get("traceback")),
        "current_inputs": given.get("current_inputs").cloned().unwrap_or_else(|| json!({})),
        "current_outputs": given.get("current_outputs").cloned().unwrap_or_else(|| json!([])),
        "timestamp": given.get("timestamp").filter(|value| value.is_number()).cloned().unwrap_or(Value::from(timestamp)),
    });
    if let Some(data) = data.as_object_mut() {
        for (name, value) in given {
            data.entry(name).or_insert(value);
        }
    }
    data
}

/// Shown as the exception's type where no node raised one.
const INFRASTRUCTURE: &str = "JobFailed";

/// Data of an `execution_error` that no node raised: the worker was lost, the engine died.
pub fn infrastructure_error(prompt_id: &str, message: &str, timestamp: i64) -> Value {
    json!({
        "prompt_id": prompt_id,
        "node_id": "",
        "node_type": "",
        "executed": [],
        "exception_message": message,
        "exception_type": INFRASTRUCTURE,
        "traceback": [],
        "current_inputs": {},
        "current_outputs": [],
        "timestamp": timestamp,
    })
}

fn ending(phase: JobPhase) -> Option<&'static str> {
    match phase {
        JobPhase::Pending | JobPhase::InProgress => None,
        JobPhase::Completed => Some("execution_success"),
        JobPhase::Failed => Some("execution_error"),
        JobPhase::Cancelled => Some("execution_interrupted"),
    }
}

fn ending_data(job: &JobRecord) -> Value {
    let mut data = Map::new();
    data.insert("prompt_id".to_owned(), Value::from(job.id.as_str()));
    if job.phase == JobPhase::Cancelled {
        data.insert("node_id".to_owned(), Value::from(""));
        data.insert("node_type".to_owned(), Value::from(""));
        data.insert("executed".to_owned(), json!([]));
    }
    data.insert("timestamp".to_owned(), Value::from(ended_at(job)));
    Value::Object(data)
}

fn ended_at(job: &JobRecord) -> i64 {
    job.execution_end.or(job.execution_start).unwrap_or(job.create_time)
}

fn name(message: &Value) -> Option<&str> {
    message.get(0)?.as_str()
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => items.iter().map(crate::python::str).collect(),
        Some(Value::String(text)) => vec![text.clone()],
        _ => Vec::new(),
    }
}
