//! The background tasks of a process, by name.
//!
//! Invariant: no task ends unnoticed. One that fails, panics, or ends although nobody
//! asked it to, stops the process with a failure: a server whose dispatcher is dead
//! looks alive and helps nobody.

use std::collections::HashMap;
use std::error::Error;

use tokio::task::{Id, JoinError, JoinSet};

use crate::Shutdown;

type BoxError = Box<dyn Error + Send + Sync>;

/// Tasks that run until the shutdown is requested.
pub struct TaskGroup {
    shutdown: Shutdown,
    tasks: JoinSet<Result<(), BoxError>>,
    names: HashMap<Id, &'static str>,
}

/// How a background task ended that should not have.
#[derive(Debug, thiserror::Error)]
pub enum TaskFailure {
    #[error("background task `{name}` failed")]
    Failed {
        name: &'static str,
        #[source]
        source: BoxError,
    },
    #[error("background task `{name}` panicked")]
    Panicked {
        name: &'static str,
        #[source]
        source: JoinError,
    },
    #[error("background task `{name}` ended although it was not asked to")]
    EndedEarly { name: &'static str },
    #[error("background task `{name}` did not stop in time")]
    Abandoned { name: &'static str },
}

impl TaskGroup {
    pub fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, tasks: JoinSet::new(), names: HashMap::new() }
    }

    /// Runs a task that ends when the shutdown is requested, and not before.
    pub fn spawn<F, E>(&mut self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let handle = self.tasks.spawn(async move { task.await.map_err(Into::into) });
        self.names.insert(handle.id(), name);
    }

    /// Waits for all of them. The first failure requests the shutdown and is returned once
    /// the others have ended; a hard shutdown drops what still runs.
    pub async fn join(mut self) -> Result<(), TaskFailure> {
        let hard = self.shutdown.hard();
        let mut first_failure = None;
        loop {
            let joined = tokio::select! {
                // What has ended by the time of the hard shutdown counts as ended.
                biased;
                joined = self.tasks.join_next_with_id() => joined,
                () = hard.cancelled() => {
                    for name in self.names.values() {
                        tracing::error!(task = name, "did not stop in time");
                    }
                    let name = self.names.values().copied().next().unwrap_or("unknown");
                    self.tasks.abort_all();
                    return Err(first_failure.unwrap_or(TaskFailure::Abandoned { name }));
                }
            };
            let Some(joined) = joined else {
                return first_failure.map_or(Ok(()), Err);
            };
            if let Err(failure) = self.examine(joined) {
                tracing::error!(error = &failure as &dyn Error, "stopping: {failure}");
                self.shutdown.request();
                first_failure.get_or_insert(failure);
            }
        }
    }

    fn examine(&mut self, joined: Result<(Id, Result<(), BoxError>), JoinError>) -> Result<(), TaskFailure> {
        let (id, result) = match joined {
            Ok((id, result)) => (id, Ok(result)),
            Err(error) => (error.id(), Err(error)),
        };
        let name = self.names.remove(&id).unwrap_or("unknown");
        match result {
            Ok(Ok(())) if self.shutdown.is_requested() => {
                tracing::debug!(task = name, "stopped");
                Ok(())
            }
            Ok(Ok(())) => Err(TaskFailure::EndedEarly { name }),
            Ok(Err(source)) => Err(TaskFailure::Failed { name, source }),
            Err(source) => Err(TaskFailure::Panicked { name, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;
    use std::io;

    use super::*;

    /// A group with one good task, and one that comes to the given end.
    async fn join_with<F>(task: F) -> Result<(), TaskFailure>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let shutdown = Shutdown::new();
        let mut group = TaskGroup::new(shutdown.clone());
        let soft = shutdown.soft();
        group.spawn("good", async move {
            soft.cancelled().await;
            Ok::<(), Infallible>(())
        });
        group.spawn("other", task);
        group.join().await
    }

    #[tokio::test]
    async fn a_failing_task_stops_the_others() {
        let failure = join_with(async { Err(io::Error::other("broken")) }).await.unwrap_err();
        assert!(matches!(failure, TaskFailure::Failed { name: "other", .. }), "{failure:?}");
        assert_eq!(failure.source().unwrap().to_string(), "broken");
    }

    #[tokio::test]
    async fn a_panicking_task_stops_the_others() {
        let failure = join_with(async { panic!("broken") }).await.unwrap_err();
        assert!(matches!(failure, TaskFailure::Panicked { name: "other", .. }), "{failure:?}");
    }

    #[tokio::test]
    async fn a_task_that_just_ends_is_a_failure_too() {
        let failure = join_with(async { Ok(()) }).await.unwrap_err();
        assert!(matches!(failure, TaskFailure::EndedEarly { name: "other" }), "{failure:?}");
    }

    #[tokio::test]
    async fn a_requested_stop_is_no_failure() {
        let shutdown = Shutdown::new();
        let mut group = TaskGroup::new(shutdown.clone());
        let soft = shutdown.soft();
        group.spawn("good", async move {
            soft.cancelled().await;
            Ok::<(), Infallible>(())
        });
        shutdown.request();
        group.join().await.unwrap();
    }

    #[tokio::test]
    async fn a_task_that_does_not_stop_is_dropped_at_a_hard_shutdown() {
        let shutdown = Shutdown::new();
        let mut group = TaskGroup::new(shutdown.clone());
        group.spawn("deaf", pending::<io::Result<()>>());
        shutdown.force();
        let failure = group.join().await.unwrap_err();
        assert!(matches!(failure, TaskFailure::Abandoned { name: "deaf" }), "{failure:?}");
    }
}
