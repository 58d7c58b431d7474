//! What the queue's consumer does with a task: see that its run exists, and wait for it.

use std::sync::Arc;

use async_trait::async_trait;
use queue::report::LeaseRef;
use queue::{TaskHandler, TaskMessage, message};

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
        if task.version != message::MESSAGE_VERSION {
            tracing::warn!(job = %task.job, version = task.version, "a task of an unknown version is left alone");
            return;
        }
        let lease = LeaseRef { job: task.job, token: task.token };
        let context = self.context.clone();
        self.registry.join_or_start(lease, |handle| run::run(context, task, handle)).await;
    }
}
