//! `/api/jobs`, as frontends from 1.53 on read it.

use serde_json::{Map, Value, json};

use super::outputs::{as_file, summarise};
use super::status::{execution_error, execution_status};
use super::{JobPhase, JobRecord, extra_data};

/// One item of the list. Members without a value are left out, as the real server does.
pub fn job_summary(job: &JobRecord) -> Value {
    Value::Object(summary(job))
}

/// `GET /api/jobs/{id}`: the list's item with outputs, status and graph.
pub fn job_detail(job: &JobRecord) -> Value {
    let mut detail = summary(job);
    if job.phase.has_ended() {
        detail.insert("outputs".to_owned(), Value::Object(normalised_outputs(&job.outputs)));
        detail.insert("execution_status".to_owned(), execution_status(job));
    }
    detail.insert("workflow".to_owned(), json!({"prompt": job.prompt, "extra_data": extra_data(job)}));
    Value::Object(detail)
}

/// The answer to `GET /api/jobs`; `total` counts the jobs on all pages. The frontend
/// insists on a number for `limit`, so a list without one names its own length.
pub fn jobs_page(jobs: Vec<Value>, offset: usize, limit: Option<usize>, total: usize) -> Value {
    let has_more = offset.saturating_add(jobs.len()) < total;
    let limit = limit.unwrap_or(jobs.len());
    json!({
        "jobs": jobs,
        "pagination": {"offset": offset, "limit": limit, "total": total, "has_more": has_more},
    })
}

fn summary(job: &JobRecord) -> Map<String, Value> {
    let outputs = summarise(&job.outputs);
    let mut summary = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            summary.insert(name.to_owned(), value);
        }
    };
    put("id", Some(Value::from(job.id.as_str())));
    put("status", Some(Value::from(job.phase.as_str())));
    put("priority", Some(Value::from(job.number)));
    put("create_time", Some(Value::from(job.create_time)));
    put("execution_start_time", job.execution_start.map(Value::from));
    put("execution_end_time", job.execution_end.map(Value::from));
    put("execution_error", error(job));
    put("outputs_count", Some(Value::from(outputs.count)));
    put("previewable_outputs_count", Some(Value::from(outputs.previewable_count)));
    put("preview_output", outputs.preview);
    put("workflow_id", workflow_id(job));
    summary
}

fn error(job: &JobRecord) -> Option<Value> {
    if job.phase != JobPhase::Failed {
        return None;
    }
    let ended = job.execution_end.or(job.execution_start).unwrap_or(job.create_time);
    let recorded = job
        .messages
        .iter()
        .rev()
        .find(|message| message.get(0).is_some_and(|name| name == "execution_error"));
    let given = job.error.as_ref().or(recorded.and_then(|message| message.get(1)));
    Some(execution_error(&job.id, given, ended))
}

fn workflow_id(job: &JobRecord) -> Option<Value> {
    let id = job.extra_data.get("extra_pnginfo")?.get("workflow")?.get("id")?;
    id.is_string().then(|| id.clone())
}

fn normalised_outputs(outputs: &Map<String, Value>) -> Map<String, Value> {
    let mut outputs = outputs.clone();
    for shown in outputs.values_mut() {
        for (key, items) in shown.as_object_mut().into_iter().flatten() {
            let Some(items) = items.as_array_mut().filter(|_| key != "animated") else { continue };
            items.retain(|item| !item.is_null());
            for item in items {
                if item.is_string()
                    && let Some(file) = as_file(item)
                {
                    *item = Value::Object(file);
                }
            }
        }
    }
    outputs
}
