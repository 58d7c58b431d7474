//! What the queue's consumer does with a task: see that its run exists, and wait for it.

use std::sync::Arc;

use async_trait::async_trait;
use domain::WorkerId;
use queue::report::LeaseRef;
use queue::{TaskHandler, TaskMessage, message};
use tracing::Span;

use crate::registry::RunRegistry;
use crate::run::{self, RunContext};

/// Starts a run for each task, or joins the one in progress.
pub struct RunStarter {
    pub registry: Arc<RunRegistry>,
    pub context: Arc<RunContext>,
}

#[async_trait]
impl TaskHandler for RunStarter {
    async fn handle(&self, task: TaskMessage) {
        let span = span(&task, self.context.server.worker());
        if task.version != message::MESSAGE_VERSION {
            span.in_scope(|| {
                tracing::warn!(version = task.version, "a task of an unknown version is left alone");
            });
            return;
        }
        let lease = LeaseRef { job: task.job, token: task.token };
        let context = self.context.clone();
        self.registry.join_or_start(lease, &span, |handle| run::run(context, task, handle)).await;
    }
}

/// All that is logged of a run bears the job's ids by this span, by the names that the server uses
/// too. It is of the level `error`, so that no LOG leaves them out of a line that it keeps.
fn span(task: &TaskMessage, worker: WorkerId) -> Span {
    tracing::error_span!(
        "job.attempt.run",
        job.id = %task.job,
        seat.id = task.seat.map(tracing::field::display),
        worker.id = %worker,
        attempt = task.attempt,
        trace.id = %task.trace(),
    )
}
