//! What workers say: connecting, claiming, progress, results.
//!
//! Invariant: everything that concerns a job is accepted with the token of its
//! current lease only; anything else is `StaleLease` and changes nothing.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use comfy_api::ENGINE_FOLDER;
use comfy_api::events;
use comfy_api::models::SeatModels;
use comfy_api::prompt::prune_prompt;
use comfy_api::restore::{EngineNames, restore_error, restore_event, restore_value};
use comfy_api::rewrite::{ResolvedInput, RewriteOptions, Rewritten, rewrite_prompt};
use domain::job::JobPhase;
use domain::{Failure, Job, JobId, LeaseToken, WorkerId};
use queue::report::{
    Assignment, DeviceStats, EngineState, InputFile, LeaseRef, NeededModel, Outcome, Release, ResultReport,
    ServerFrame,
};
use serde_json::{Map, Value};
use store::{Event, EventKind, JobResult, StoredJob, StoredWorker};
use tokio::sync::mpsc;

use crate::artifacts::output_folder;
use crate::editor::execution_error;
use crate::hub::FramePayload;
use crate::metrics::label;
use crate::runs::{CatchUp, Run};
use crate::spans::job_span;
use crate::submit::node_title;
use crate::workers::WorkerHello;
use crate::{Workshop, WorkshopError, failures, spans};

/// A connected worker. Dropping it says that the connection is over.
pub struct WorkerConnection {
    workshop: Workshop,
    worker: WorkerId,
    name: String,
    connection: u64,
}

impl Workshop {
    /// Enters a worker; frames for it go to `outbox`.
    pub async fn worker_connected(
        &self,
        hello: WorkerHello,
        outbox: mpsc::Sender<ServerFrame>,
    ) -> Result<WorkerConnection, WorkshopError> {
        self.require_worker(&hello.identity, hello.worker)?;
        let now = self.now();
        let (worker, name) = (hello.worker, hello.name.clone());
        let comfyui_version = self.catalog().and_then(|catalog| catalog.comfyui_version().map(str::to_owned));
        let is_draining =
            self.store().workers().await?.iter().any(|known| known.name == name && known.is_draining);
        let stored = StoredWorker {
            name: name.clone(),
            slots: hello.slots,
            comfyui_version,
            last_seen_at: now,
            is_draining,
        };
        self.store().save_worker(&stored).await?;
        let event = Event { worker: Some(name.clone()), ..Event::new(EventKind::WorkerConnected, now) };
        self.store().record_event(&event).await?;
        tracing::info!(worker.id = %worker, worker.name = %name, engine = ?hello.engine, "worker connected");
        let connection = self.inner.workers.connect(hello, outbox, is_draining, now);
        self.inner.dispatcher.notify_one();
        self.inner.hub.changed();
        Ok(WorkerConnection { workshop: self.clone(), worker, name, connection })
    }

    /// Renews the leases that a worker says it is at; it is told which of them are gone.
    pub async fn heartbeat(
        &self,
        worker: WorkerId,
        leases: &[LeaseRef],
        engine: &EngineState,
        device: Option<DeviceStats>,
    ) -> Result<(), WorkshopError> {
        let (now, lease_time) = (self.now(), self.settings().lease);
        if self.inner.workers.seen(worker, engine, device, now) {
            tracing::info!(worker.id = %worker, ?engine, "engine state changed");
            self.inner.dispatcher.notify_one();
            self.inner.hub.changed();
        }
        for LeaseRef { job, token } in leases.iter().copied() {
            let renewed = self.store().update_job(job, None, |job| job.renew(token, now, lease_time)).await;
            match renewed.map_err(WorkshopError::from) {
                Ok(_) => {}
                Err(WorkshopError::StaleLease | WorkshopError::NotFound) => {
                    self.inner.workers.drop_run(worker, job, token);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A worker takes a lease up and gets what it needs to run the job.
    pub async fn claim(
        &self,
        id: JobId,
        token: LeaseToken,
        worker: WorkerId,
    ) -> Result<Assignment, WorkshopError> {
        let (now, lease_time) = (self.now(), self.settings().lease);
        spans::note_worker(worker);
        let event = Event { worker: Some(worker.to_string()), ..Event::new(EventKind::Claimed, now) };
        let update = self
            .store()
            .update_job(id, Some(&event), |job| job.claim(token, worker, now, lease_time))
            .await?;
        match self.prepare(&update.stored, token).await {
            Ok(assignment) => {
                tracing::info!("job claimed");
                self.inner.hub.changed();
                Ok(assignment)
            }
            Err(Preparation::Job(failure)) => {
                self.fail(id, token, failure, JobResult::default()).await?;
                Err(WorkshopError::StaleLease)
            }
            Err(Preparation::Workshop(error)) => Err(error),
        }
    }

    /// Opens an input file of a claimed job.
    pub async fn input_file(
        &self,
        id: JobId,
        token: LeaseToken,
        index: usize,
    ) -> Result<std::fs::File, WorkshopError> {
        let input = self.with_run(id, token, |run| (run.seat, run.inputs.get(index).cloned())).await?;
        let (seat, Some(input)) = input else { return Err(WorkshopError::NotFound) };
        Ok(self.files().seat(seat).await?.open_path(&input.path).await?)
    }

    /// Passes one of ComfyUI's text messages on to the job's owner.
    pub async fn relay_event(
        &self,
        id: JobId,
        token: LeaseToken,
        mut event: Value,
    ) -> Result<(), WorkshopError> {
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        if kind == "execution_start" {
            self.started(id, token).await?;
        }
        let relayed = self
            .with_run(id, token, |run| {
                if !restore_event(&mut event, &run.names) {
                    return None;
                }
                let frame = event.to_string();
                if let Some(data) = event.get("data").and_then(Value::as_object) {
                    run.note(&kind, data, &frame);
                }
                Some((run.seat, run.client_id.clone(), frame))
            })
            .await?;
        // A node that the rewriting added is nothing that the participant knows of.
        let Some((seat, client_id, frame)) = relayed else { return Ok(()) };
        self.inner.hub.send(seat, client_id.as_deref(), FramePayload::Text(frame));
        match kind.as_str() {
            "execution_start" => self.announce_queue(seat).await,
            "progress_state" | "notification" => self.inner.hub.changed(),
            _ => {}
        }
        Ok(())
    }

    /// Passes one of ComfyUI's binary messages (previews) on to the job's owner, and to nobody else.
    pub async fn relay_preview(
        &self,
        id: JobId,
        token: LeaseToken,
        frame: Bytes,
    ) -> Result<(), WorkshopError> {
        let (seat, client_id) = self.with_run(id, token, |run| (run.seat, run.client_id.clone())).await?;
        self.inner.hub.send(seat, client_id.as_deref(), FramePayload::Binary(frame));
        Ok(())
    }

    /// The worker gives a job back unharmed; it goes to the front of the line.
    pub async fn release(&self, id: JobId, release: Release) -> Result<(), WorkshopError> {
        let now = self.now();
        let Release { token, reason, detail } = release;
        tracing::info!(?reason, detail, "job released by its worker");
        let event = Event { detail: Some(detail), ..Event::new(EventKind::Released, now) };
        let update = self.store().update_job(id, Some(&event), |job| job.release(token, reason, now)).await?;
        self.attempt_ended(&update.before, &update.stored).await;
        Ok(())
    }

    /// Closes an attempt with what came of it.
    pub async fn report_result(&self, id: JobId, report: ResultReport) -> Result<(), WorkshopError> {
        let token = report.token;
        let names = self.with_run(id, token, |run| run.names.clone()).await?;
        let result = restored_result(report.outputs, report.meta, report.messages, &names);
        let now = self.now();
        match report.outcome {
            Outcome::Succeeded => {
                let event = Event::new(EventKind::Succeeded, now);
                let update =
                    self.store().close_job(id, Some(&event), &result, |job| job.succeed(token, now)).await?;
                self.attempt_ended(&update.before, &update.stored).await;
                Ok(())
            }
            Outcome::Interrupted { .. } => {
                let event = Event::new(EventKind::Cancelled, now);
                let update = self
                    .store()
                    .close_job(id, Some(&event), &result, |job| job.interrupted(token, now))
                    .await?;
                self.attempt_ended(&update.before, &update.stored).await;
                Ok(())
            }
            Outcome::NodeError { mut error } => {
                restore_error(&mut error, &names);
                self.fail(id, token, failures::of_node(&error), result).await
            }
            Outcome::Refused { mut response } => {
                restore_value(&mut response, &names, true);
                self.fail(id, token, failures::of_refusal(&response), result).await
            }
            Outcome::Failed { kind, reason } => {
                tracing::warn!(?kind, reason, "the worker could not finish the job");
                self.fail(id, token, failures::of_infrastructure(kind, &reason), result).await
            }
        }
    }

    async fn started(&self, id: JobId, token: LeaseToken) -> Result<(), WorkshopError> {
        let now = self.now();
        let event = Event::new(EventKind::Started, now);
        let update = self.store().update_job(id, Some(&event), |job| job.start(token, now)).await?;
        if update.before != update.stored.job {
            job_span!("job.attempt.start", &update.stored).in_scope(|| tracing::info!("job started"));
            self.inner.metrics.started(&update.stored.job, now);
        }
        Ok(())
    }

    async fn fail(
        &self,
        id: JobId,
        token: LeaseToken,
        failure: Failure,
        result: JobResult,
    ) -> Result<(), WorkshopError> {
        let now = self.now();
        let event =
            Event { detail: Some(format!("{:?}", failure.kind)), ..Event::new(EventKind::Failed, now) };
        let update =
            self.store().close_job(id, Some(&event), &result, |job| job.fail(token, failure, now)).await?;
        self.attempt_ended(&update.before, &update.stored).await;
        Ok(())
    }

    /// Tells the job's owner how its attempt ended, in ComfyUI's order: the ending, `status`,
    /// `executing` null. The record is written before, so what a page then reads is final.
    pub(crate) async fn attempt_ended(&self, before: &Job, after: &StoredJob) {
        let job = &after.job;
        let run = self.inner.runs.remove(job.id);
        self.inner.metrics.ended(job);
        if let Some(reason) = job.returned.filter(|_| job.phase() == JobPhase::Queued) {
            let reason = format!("{reason:?}").to_lowercase();
            self.inner.metrics.returned.get_or_create(&label("reason", reason)).inc();
        }
        self.account_for(after).await;
        let seconds =
            job.finished_at().zip(job.started_at()).map(|(end, start)| end.since(start).as_secs_f64());
        // The span says which: the lapse's, or the call's of its worker.
        tracing::info!(phase = ?job.phase(), seconds, "attempt ended");
        let client_id = run.and_then(|run| run.client_id).or_else(|| after.client_id.clone());
        let send = |frame: Value| {
            self.inner.hub.send(job.seat, client_id.as_deref(), FramePayload::Text(frame.to_string()));
        };
        let id = job.id.to_string();
        let ended_at = job.finished_at().unwrap_or_else(|| self.now());
        let at = ended_at.unix_ms();
        let had_started = before.started_at().is_some();
        match job.phase() {
            JobPhase::Succeeded => send(events::execution_success(&id, at)),
            JobPhase::Failed => send(events::execution_error(execution_error(after, ended_at))),
            JobPhase::Cancelled if had_started => send(events::execution_interrupted(&id, "", "", &[], at)),
            _ => {}
        }
        if job.phase() == JobPhase::Succeeded {
            self.inner.hub.gallery_changed(job.seat);
        }
        self.announce_queue(job.seat).await;
        if had_started || job.phase() == JobPhase::Failed {
            send(events::executing_end(&id));
        }
        self.inner.dispatcher.notify_one();
    }

    /// Uses the job's run, which is made again from the record after a restart of the server.
    pub(crate) async fn with_run<T>(
        &self,
        id: JobId,
        token: LeaseToken,
        use_it: impl FnOnce(&mut Run) -> T,
    ) -> Result<T, WorkshopError> {
        if self.inner.runs.with(id, token, |_| ()).is_none() {
            let stored = self.store().job(id).await?;
            if !stored.job.is_held_by(token) {
                return Err(WorkshopError::StaleLease);
            }
            self.prepare(&stored, token).await.map_err(|error| match error {
                Preparation::Workshop(error) => error,
                Preparation::Job(_) => WorkshopError::NotFound,
            })?;
        }
        self.inner.runs.with(id, token, use_it).ok_or(WorkshopError::StaleLease)
    }

    /// Rewrites the graph for the engine and notes the run.
    async fn prepare(&self, stored: &StoredJob, token: LeaseToken) -> Result<Assignment, Preparation> {
        let job = &stored.job;
        let graph = self.store().graph(job.id).await.map_err(WorkshopError::from)?;
        let files = self.files().seat(job.seat).await.map_err(WorkshopError::from)?;
        let (output_folder, input_folder) = engine_folders(job);
        let prompt = prune_prompt(&graph.prompt, &graph.outputs_to_execute);
        let catalog = self.catalog().ok_or(WorkshopError::NotFound)?;
        let definitions = self.definitions_for(job.seat, &prompt).await?.ok_or(WorkshopError::NotFound)?;
        let own = self.own_models(job.seat).await?;
        let (rewritten, prompt) = tokio::task::spawn_blocking({
            let (output_folder, input_folder) = (output_folder.clone(), input_folder);
            move || {
                let options = RewriteOptions {
                    output_folder: &output_folder,
                    input_folder: &input_folder,
                    models: SeatModels { inputs: &catalog.model_inputs, own: &own },
                };
                let resolve = |path: &comfy_api::annotated_path::AnnotatedPath| {
                    let (sha256, bytes) = files.hash_blocking(path)?;
                    Some(ResolvedInput { sha256, bytes })
                };
                (rewrite_prompt(&prompt, &definitions, &options, &resolve), prompt)
            }
        })
        .await
        .map_err(|error| WorkshopError::BadRequest(format!("the graph could not be prepared: {error}")))?;
        let rewritten = rewritten.map_err(|error| Preparation::Job(failures::of_missing_input(&error)))?;
        let names = EngineNames::of(&rewritten, &output_folder);
        let Rewritten { prompt: engine_prompt, inputs, models, added_nodes } = rewritten;

        let manifest = inputs.iter().enumerate().map(|(index, input)| InputFile {
            index,
            subfolder: input.subfolder.clone(),
            filename: input.filename.clone(),
            sha256: input.sha256.clone(),
            bytes: input.bytes,
        });
        let needed = models.iter().enumerate().map(|(index, model)| NeededModel {
            index,
            folder: model.folder.clone(),
            filename: model.engine_filename(),
            sha256: model.sha256.clone(),
            bytes: model.bytes,
        });
        let assignment = Assignment {
            prompt: engine_prompt,
            extra_data: graph.extra_data,
            partial_execution_targets: graph.outputs_to_execute,
            inputs: manifest.collect(),
            models: needed.collect(),
            output_folder,
            added_nodes,
        };
        let titles: HashMap<_, _> = prompt.iter().map(|(id, node)| (id.clone(), node_title(node))).collect();
        self.inner.runs.insert(
            job.id,
            Run {
                seat: job.seat,
                token,
                client_id: stored.client_id.clone(),
                titles,
                inputs,
                models,
                names,
                progress: None,
                cached: HashSet::new(),
                catch_up: CatchUp::default(),
            },
        );
        Ok(assignment)
    }
}

impl Drop for WorkerConnection {
    fn drop(&mut self) {
        if self.workshop.inner.workers.disconnect(self.worker, self.connection) {
            tracing::warn!(worker.id = %self.worker, worker.name = %self.name, "worker disconnected");
            self.workshop.inner.dispatcher.notify_one();
            self.workshop.inner.hub.changed();
        }
    }
}

/// Why a job could not be prepared: its own fault, or ours.
enum Preparation {
    Job(Failure),
    Workshop(WorkshopError),
}

impl From<WorkshopError> for Preparation {
    fn from(error: WorkshopError) -> Self {
        Self::Workshop(error)
    }
}

/// Where a job's files lie on the engine: outputs apart for each attempt, inputs for each seat.
fn engine_folders(job: &Job) -> (String, String) {
    (output_folder(job.id, job.attempt), format!("{ENGINE_FOLDER}/{}", job.seat))
}

/// What the engine reported of outputs, in the participant's own names.
fn restored_result(
    outputs: Map<String, Value>,
    meta: Map<String, Value>,
    messages: Vec<Value>,
    names: &EngineNames,
) -> JobResult {
    let restored = |map: Map<String, Value>| {
        let mut value = Value::Object(map);
        restore_value(&mut value, names, false);
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    };
    let message = |mut message: Value| {
        let is_error = message.get(0).and_then(Value::as_str) == Some("execution_error");
        match message.get_mut(1).filter(|_| is_error) {
            Some(error) => restore_error(error, names),
            None => restore_value(&mut message, names, false),
        }
        message
    };
    JobResult {
        outputs: restored(outputs),
        meta: restored(meta),
        messages: messages.into_iter().map(message).collect(),
    }
}
