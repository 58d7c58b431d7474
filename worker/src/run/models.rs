//! Brings the participant's own models to the engine, and tells how far it is.

use std::sync::Mutex;
use std::time::Duration;

use comfy_api::ENGINE_FOLDER;
use domain::FailureKind;
use queue::report::{Assignment, NeededModel};
use serde_json::json;
use tokio::time::Instant;

use super::{Run, RunError};
use crate::models::FetchError;
use crate::outbox::Outgoing;
use crate::registry::Stop;
use crate::server::{ServerError, chain};
use crate::storage::Held;

/// How often it is told how far a model is.
const TELL_PERIOD: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Fetches the models one after the other; they stay until what is returned is dropped.
    pub(super) async fn bring_models(self, assignment: &Assignment) -> Result<Vec<Held>, RunError> {
        if assignment.models.is_empty() {
            return Ok(Vec::new());
        }
        self.engine_ready().await?;
        // Known a moment after the engine is there; where it cannot be asked, another worker may
        // be better off.
        let known = tokio::time::timeout(self.context.engine_patience, self.context.models.known()).await;
        if known.is_err() {
            return Err(RunError::EngineAway("comfyui did not name its model folders".to_owned()));
        }
        let mut held = Vec::with_capacity(assignment.models.len());
        for model in &assignment.models {
            let told_at = Mutex::new(None::<Instant>);
            let tell = |done_bytes: u64| {
                // Only held for a look at the clock; a poisoned one tells a little more.
                let mut told_at = told_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if told_at.is_none_or(|at| at.elapsed() >= TELL_PERIOD) {
                    *told_at = Some(Instant::now());
                    self.tell(model, done_bytes);
                }
            };
            let fetched = self.context.models.fetch(&self.context.server, self.task, model, &tell).await;
            held.push(fetched.map_err(|error| failure(model, &error))?);
            if told_at.into_inner().is_ok_and(|at| at.is_some()) {
                self.tell(model, model.bytes);
            }
        }
        Ok(held)
    }

    /// The server puts the participant's own name in the place of the engine's.
    fn tell(self, model: &NeededModel, done_bytes: u64) {
        let name = format!("{ENGINE_FOLDER}/{}", model.filename);
        let percent = done_bytes.saturating_mul(100) / model.bytes.max(1);
        let event = json!({"type": "notification", "data": {
            "value": format!("Fetching {name}, {percent} %"),
            "id": self.task.job,
            "name": name,
            "done_bytes": done_bytes,
            "total_bytes": model.bytes,
        }});
        self.context.link.outbox.push(Outgoing::Event { lease: self.lease(), event });
    }
}

fn failure(model: &NeededModel, error: &FetchError) -> RunError {
    let name = &model.filename;
    match error {
        FetchError::Server(ServerError::StaleLease) => RunError::Stopped(Stop::Dropped),
        FetchError::Server(ServerError::NotFound { .. }) => RunError::Failed(
            FailureKind::MissingModel,
            format!("the model {name} was deleted or replaced after the job was handed out"),
        ),
        // What arrives wrong again and again is wrong where it comes from.
        FetchError::Server(ServerError::Damaged { .. })
        | FetchError::NoFolder { .. }
        | FetchError::TooLarge { .. }
        | FetchError::BadName => RunError::Failed(
            FailureKind::MissingModel,
            format!("the model {name} could not be brought to the engine: {}", chain(error)),
        ),
        FetchError::Server(error) => RunError::Failed(
            FailureKind::Transfer,
            format!("the model {name} could not be fetched: {}", chain(error)),
        ),
    }
}
