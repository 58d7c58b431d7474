//! One run: from a lease in hand to its reported end.
//!
//! It ends in exactly one of three ways: reported, given back, or dropped because the lease is
//! somebody else's now. Nothing of it is told to the server without the lease's token.

mod engine_inputs;
mod follow;
mod inputs;
mod models;
mod outcome;
mod outputs;
mod places;
mod relay;
mod relevance;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::{FailureKind, ReturnReason};
use futures::future::{Either, select};
use queue::TaskMessage;
use queue::report::{Assignment, LeaseRef, Outcome, Release, ResultReport};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::engine::{Engine, Place, Turns};
use crate::models::ModelCache;
use crate::registry::{RunHandle, Stop};
use crate::server::{ServerClient, ServerError, ServerLink, chain, until_answered};

pub use engine_inputs::EngineInputs;
pub use inputs::InputCache;

/// How long a job may keep the worker from stopping while the server does not answer.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);

/// What all runs share.
pub struct RunContext {
    pub server: Arc<ServerClient>,
    pub link: Arc<ServerLink>,
    pub engine: Arc<Engine>,
    pub turns: Arc<Turns>,
    pub cache: InputCache,
    pub models: ModelCache,
    /// Inputs in ComfyUI's own folder, where that is known.
    pub engine_inputs: Option<EngineInputs>,
    /// Where ComfyUI writes outputs, if it is this worker's own.
    pub output_dir: Option<PathBuf>,
    /// A run that waits longer than this for ComfyUI to come up is given back.
    pub engine_patience: Duration,
}

/// How a run is over.
enum Ending {
    Report(Box<ResultReport>),
    GiveBack { reason: ReturnReason, detail: String },
    Gone,
}

/// Runs one task to its end.
pub async fn run(context: Arc<RunContext>, task: TaskMessage, handle: RunHandle) {
    let run = Run { context: &context, task: &task, handle: &handle };
    let started = Instant::now();
    let ending = run.to_its_end().await;
    let lease = run.lease();
    let seconds = (started.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    match ending {
        Ending::Report(report) => {
            let outcome = describe(&report.outcome);
            context.link.flush(lease).await;
            let reporting = until_answered("report a result", || context.server.report(&task, &report));
            match while_it_matters(&handle, reporting).await {
                Ok(Ok(())) => tracing::info!(seconds, "job {outcome}"),
                Ok(Err(ServerError::StaleLease | ServerError::NotFound { .. })) | Err(Stop::Dropped) => {
                    tracing::warn!(seconds, "job {outcome}, but its lease was gone: not counted");
                }
                Err(_) => {
                    tracing::error!(seconds, "job {outcome}, not reported: the server does not answer");
                }
                Ok(Err(error)) => {
                    tracing::error!(seconds, "job {outcome}, not reported: {}", chain(&error));
                }
            }
        }
        Ending::GiveBack { reason, detail } => {
            let release = Release { token: task.token, reason, detail };
            let releasing = until_answered("give a job back", || context.server.release(&task, &release));
            match while_it_matters(&handle, releasing).await {
                Ok(Ok(())) => {
                    tracing::info!(seconds, "job given back ({reason:?}): {}", release.detail);
                }
                Ok(Err(error)) => tracing::warn!("job not given back: {}", chain(&error)),
                Err(Stop::Dropped) => {
                    tracing::info!("job not given back: its lease is gone")
                }
                // Its lease lapses, and the server takes the job back by itself.
                Err(_) => tracing::warn!("job not given back: the server does not answer"),
            }
        }
        Ending::Gone => tracing::info!(seconds, "job dropped: its lease is gone"),
    }
    context.link.outbox.forget(lease);
}

/// One run, and all that it needs.
#[derive(Clone, Copy)]
struct Run<'a> {
    context: &'a RunContext,
    task: &'a TaskMessage,
    handle: &'a RunHandle,
}

impl Run<'_> {
    fn lease(&self) -> LeaseRef {
        LeaseRef { job: self.task.job, token: self.task.token }
    }

    async fn to_its_end(self) -> Ending {
        // The place in line counts from the moment the task came.
        let place = self.context.turns.enter();
        let claiming = until_answered("claim a job", || self.context.server.claim(self.task));
        let assignment = match unless(self.handle.stopped(), claiming).await {
            Ok(Ok(assignment)) => assignment,
            // Told to stop before there was an answer: the lease may be ours by now.
            Err(stop) => return self.stopped(stop),
            Ok(Err(ServerError::StaleLease | ServerError::NotFound { .. })) => return Ending::Gone,
            Ok(Err(error)) => {
                tracing::error!("job not claimed: {}", chain(&error));
                return Ending::Gone;
            }
        };
        self.handle.mark_claimed();
        tracing::info!("job claimed");
        match self.claimed(&assignment, place).await {
            Ok(report) => Ending::Report(Box::new(report)),
            Err(RunError::Stopped(stop)) => {
                // A weightier reason may have come since.
                self.handle.request_stop(stop);
                self.stopped(self.handle.stop().unwrap_or(stop))
            }
            Err(RunError::EngineAway(detail)) => {
                Ending::GiveBack { reason: ReturnReason::WorkerStopped, detail }
            }
            Err(RunError::Failed(kind, reason)) => {
                tracing::warn!("job failed ({kind:?}): {reason}");
                self.report(Outcome::Failed { kind, reason })
            }
        }
    }

    async fn claimed(self, assignment: &Assignment, place: Place) -> Result<ResultReport, RunError> {
        let preparing = self.prepare(assignment);
        // What was brought to the engine stays until the run is over.
        let _held = unless(self.handle.stopped(), preparing).await.map_err(RunError::Stopped)??;
        let turn = unless(self.handle.stopped(), place.turn()).await.map_err(RunError::Stopped)?;
        let report = self.execute(assignment, turn).await;
        if let Some(output_dir) = &self.context.output_dir {
            outputs::discard(output_dir, &assignment.output_folder).await;
        }
        report
    }

    /// Ends a run that has no result: ComfyUI never saw it, or has stopped it.
    fn stopped(self, stop: Stop) -> Ending {
        match stop {
            Stop::Preempted(reason) => {
                Ending::GiveBack { reason, detail: "the server asked for it".to_owned() }
            }
            Stop::Cancelled => {
                self.report(Outcome::Interrupted { data: outcome::interruption(self.task.job) })
            }
            Stop::Released => Ending::GiveBack {
                reason: ReturnReason::WorkerStopped,
                detail: "the worker stops".to_owned(),
            },
            Stop::Dropped => Ending::Gone,
        }
    }

    fn report(self, outcome: Outcome) -> Ending {
        Ending::Report(Box::new(ResultReport {
            token: self.task.token,
            outcome,
            outputs: Map::new(),
            meta: Map::new(),
            messages: Vec::<Value>::new(),
        }))
    }
}

/// Why a run did not come to a result of ComfyUI.
#[derive(Debug)]
enum RunError {
    Stopped(Stop),
    /// ComfyUI is not there, by no fault of the job's.
    EngineAway(String),
    Failed(FailureKind, String),
}

/// Tells the server, unless it took the lease back; but not for ever once the worker stops.
async fn while_it_matters<T>(handle: &RunHandle, telling: impl Future<Output = T>) -> Result<T, Stop> {
    let given_up = async {
        handle.stopped_beyond(Stop::Cancelled).await;
        tokio::time::sleep(RELEASE_LIMIT).await;
    };
    tokio::select! {
        told = unless(handle.stopped_beyond(Stop::Released), telling) => told,
        () = given_up => Err(Stop::Released),
    }
}

/// Does the work, unless there is this reason to stop.
async fn unless<T>(stopped: impl Future<Output = Stop>, work: impl Future<Output = T>) -> Result<T, Stop> {
    match select(std::pin::pin!(stopped), std::pin::pin!(work)).await {
        Either::Left((stop, _)) => Err(stop),
        Either::Right((done, _)) => Ok(done),
    }
}

fn describe(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::NodeError { .. } => "ended with a node's error",
        Outcome::Interrupted { .. } => "interrupted",
        Outcome::Refused { .. } => "refused by comfyui",
        Outcome::Failed { .. } => "failed",
    }
}
