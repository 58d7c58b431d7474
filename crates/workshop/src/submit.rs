//! Queueing a prompt: checked against the stored catalog, written once, answered at once.

use comfy_api::annotated_path::AnnotatedPath;
use comfy_api::models::SeatModels;
use comfy_api::prompt::{PromptError, PromptRequest, prune_prompt};
use comfy_api::rewrite::{ResolvedInput, RewriteOptions, rewrite_prompt};
use comfy_api::shape::PromptShape;
use comfy_api::validate::{InputFiles, Validated, validate_prompt};
use domain::{JobId, Priority, SeatId, TraceId};
use serde_json::{Map, Value};
use store::{JobGraph, JobShape, NewJob, StoreError};
use tokio::sync::Semaphore;

use crate::files::SeatFiles;
use crate::spans::job_span;
use crate::{Workshop, WorkshopError, refusal};

/// The graphs of a class are seldom larger. Smaller ones come to a few megabytes when read, and
/// wait for nobody.
const LARGE_BODY_BYTES: usize = 128 << 10;

/// Editors and programs use some thirty letters; it is part of every list of jobs.
const MAX_CLIENT_ID_BYTES: usize = 1024;

/// Only few large graphs are read at once, so that many of them take neither the memory nor the
/// threads that all share.
static LARGE_BODIES: Semaphore = Semaphore::const_new(2);

/// ComfyUI's answer to a queued prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    pub job: JobId,
    pub number: i64,
    /// Output nodes that will not run, and why; the others do.
    pub node_errors: Map<String, Value>,
}

impl Workshop {
    /// Checks and queues the body of a `POST /prompt`.
    pub async fn submit(&self, seat: SeatId, body: &[u8]) -> Result<Submitted, WorkshopError> {
        let submitted = self.check_and_queue(seat, body).await;
        if submitted.is_err() {
            self.inner.metrics.refused.inc();
        }
        submitted
    }

    async fn check_and_queue(&self, seat: SeatId, body: &[u8]) -> Result<Submitted, WorkshopError> {
        // Kept to the end: what is read of it is far larger than the body itself.
        let (request, _turn) = if body.len() > LARGE_BODY_BYTES {
            let turn = LARGE_BODIES.acquire().await.expect("the turns are never closed");
            let body = body.to_vec();
            let parsed = tokio::task::spawn_blocking(move || PromptRequest::parse(&body)).await;
            (parsed.map_err(cut_short)??, Some(turn))
        } else {
            (PromptRequest::parse(body)?, None)
        };
        let id = self.job_id(request.prompt_id.as_deref())?;
        self.refuse_denied_nodes(&request.prompt)?;
        let catalog = self.catalog().ok_or_else(no_catalog)?;
        let definitions = self.definitions_for(seat, &request.prompt).await?.ok_or_else(no_catalog)?;
        let own = self.own_models(seat).await?;
        let files = self.files().seat(seat).await?;
        let (validated, request) = tokio::task::spawn_blocking(move || {
            let targets = request.partial_execution_targets.as_deref();
            let validated = validate_prompt(&request.prompt, &definitions, targets, &ExistingFiles(&files))?;
            let models = SeatModels { inputs: &catalog.model_inputs, own: &own };
            refuse_forbidden_paths(&validated, &definitions, models, &files)?;
            Ok::<_, PromptError>((validated, request))
        })
        .await
        .map_err(cut_short)?
        .map_err(refusal::explained)?;

        self.refuse_over_cap(seat).await?;
        self.refuse_over_quota(seat).await?;
        let now = self.now();
        let is_demo = self.seat(seat)?.is_demo;
        let workflow_id =
            request.extra_data.get("extra_pnginfo").and_then(|info| info.pointer("/workflow/id"));
        let new = NewJob {
            id,
            trace: self.new_trace(),
            seat,
            is_front: request.front,
            priority: if is_demo { Priority::Demo } else { Priority::Normal },
            interrupts: is_demo,
            shape: Some(shape(&prune_prompt(&validated.prompt, &validated.outputs))),
            client_id: request.client_id.filter(|id| (1..=MAX_CLIENT_ID_BYTES).contains(&id.len())),
            title: title(&validated.prompt, &validated.outputs),
            workflow_id: workflow_id.and_then(Value::as_str).map(str::to_owned),
            created_at: now,
            graph: JobGraph {
                prompt: validated.prompt,
                extra_data: request.extra_data,
                outputs_to_execute: validated.outputs,
            },
        };
        let stored = self.store().insert_job(&new).await.map_err(|error| match error {
            StoreError::DuplicateJob(id) => duplicate(id).into(),
            error => WorkshopError::from(error),
        })?;
        self.inner.metrics.submitted.inc();
        job_span!("job.prompt.submit", &stored).in_scope(|| tracing::info!("job queued"));
        self.inner.dispatcher.notify_one();
        self.announce_queue(seat).await;
        let mut node_errors = validated.node_errors;
        refusal::explain_node_errors(&mut node_errors);
        Ok(Submitted { job: id, number: stored.number, node_errors })
    }

    fn refuse_denied_nodes(&self, prompt: &Map<String, Value>) -> Result<(), PromptError> {
        let denied = &self.settings().denied_nodes;
        for (id, node) in prompt {
            let class = node.get("class_type").and_then(Value::as_str).unwrap_or_default();
            if denied.denies(class) {
                let message = format!(
                    "The node {class} is not allowed in this workshop, because it could reach beyond your own workspace. Take it out of the graph, then press Run again."
                );
                return Err(PromptError::new("node_not_allowed", &message, &format!("Node ID '#{id}'")));
            }
        }
        Ok(())
    }

    /// The instructor may limit what one seat has waiting.
    async fn refuse_over_cap(&self, seat: SeatId) -> Result<(), WorkshopError> {
        let Some(cap) = self.policy().max_queued_per_seat else { return Ok(()) };
        if self.queue_remaining(seat).await? < cap {
            return Ok(());
        }
        let message = format!(
            "You have {cap} jobs in the queue, which is as many as the instructor allows. Wait for one to finish, or cancel one, then press Run again."
        );
        Err(PromptError { status: 429, ..PromptError::new("too_many_jobs", &message, "") }.into())
    }

    pub(crate) fn new_trace(&self) -> TraceId {
        TraceId::from_uuid(&self.inner.parts.mint.uuid())
    }

    fn job_id(&self, requested: Option<&str>) -> Result<JobId, PromptError> {
        let Some(text) = requested else { return Ok(JobId::from_uuid(self.inner.parts.mint.uuid())) };
        // As the newest ComfyUI: a canonical lower-case UUID or nothing.
        text.parse::<JobId>().ok().filter(|id| id.to_string() == text).ok_or_else(|| {
            PromptError::new("invalid_prompt_id", "The prompt_id must be a lower-case UUID", text)
        })
    }
}

fn cut_short(error: tokio::task::JoinError) -> WorkshopError {
    WorkshopError::BadRequest(format!("the graph could not be checked: {error}"))
}

struct ExistingFiles<'a>(&'a SeatFiles);

impl InputFiles for ExistingFiles<'_> {
    fn exists(&self, path: &AnnotatedPath) -> bool {
        self.0.exists_blocking(path)
    }
}

/// Tries the rewriting that the dispatch will do, so that a path that is not allowed is
/// refused now, with its node named, and not after the wait.
fn refuse_forbidden_paths(
    validated: &Validated,
    catalog: &Map<String, Value>,
    models: SeatModels<'_>,
    files: &SeatFiles,
) -> Result<(), PromptError> {
    let options = RewriteOptions { output_folder: "cm/check", input_folder: "cm/check", models };
    let resolve = |path: &AnnotatedPath| {
        files.exists_blocking(path).then(|| ResolvedInput { sha256: "0".repeat(64), bytes: 0 })
    };
    let prompt = prune_prompt(&validated.prompt, &validated.outputs);
    rewrite_prompt(&prompt, catalog, &options, &resolve)
        .map(drop)
        .map_err(|error| error.to_prompt_error(&prompt))
}

fn no_catalog() -> PromptError {
    let message = "The GPU machine has not connected yet. Your graph is safe here: press Run again when the bar above says that it is ready.";
    PromptError { status: 503, ..PromptError::new("engine_never_seen", message, "") }
}

fn duplicate(id: JobId) -> PromptError {
    PromptError::new("invalid_prompt_id", "A job with this prompt_id has been queued before", &id.to_string())
}

/// What the graph is like, as far as its duration goes.
fn shape(prompt: &Map<String, Value>) -> JobShape {
    let shape = PromptShape::of(prompt);
    JobShape { keys: shape.keys(), work: shape.work() }
}

/// What to call the job: the first output node by the name that the participant gave it.
fn title(prompt: &Map<String, Value>, outputs: &[String]) -> String {
    let node = outputs.first().and_then(|id| prompt.get(id));
    node.map_or_else(|| "Job".to_owned(), node_title)
}

/// A node as the participant sees it: its title, else its class.
pub(crate) fn node_title(node: &Value) -> String {
    let title = node.pointer("/_meta/title").and_then(Value::as_str).filter(|title| !title.trim().is_empty());
    let class = || node.get("class_type").and_then(Value::as_str);
    title.or_else(class).unwrap_or("Node").chars().take(120).collect()
}
