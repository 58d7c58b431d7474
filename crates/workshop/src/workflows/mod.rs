//! A seat's workflows: those of the operator's folder are given to it, and all are listed
//! with what they need.
//!
//! Invariant: what the participant changed, renamed or deleted is never overwritten and
//! never given again.

mod list;
mod operator;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use domain::SeatId;

pub use list::{Readiness, SeatWorkflow, WorkflowOrigin};

use crate::files::{Existing, FilesError, Given, SeatPath};
use crate::workflows::operator::{OperatorFolder, OperatorWorkflow, OperatorWorkflows};
use crate::{Workshop, WorkshopError};

/// Where ComfyUI keeps workflows, in a seat's user directory.
const FOLDER: &str = "workflows";
/// How many fresh copies of one original may lie beside each other.
const MAX_COPIES: u32 = 100;

pub(crate) struct Workflows {
    folder: Arc<OperatorFolder>,
    /// The revision of the folder that each seat has. Held while a seat is given something:
    /// two pages of one seat open at once.
    given: tokio::sync::Mutex<HashMap<SeatId, u64>>,
}

impl Workflows {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder: Arc::new(OperatorFolder::new(folder)), given: tokio::sync::Mutex::default() }
    }
}

impl Workshop {
    /// Gives the seat what is new in the operator's folder. Whatever fails is logged and
    /// tried again at the next look: the page that asks opens all the same.
    pub async fn give_workflows(&self, seat: SeatId) {
        if let Err(error) = self.try_give_workflows(seat).await {
            let error = crate::health::error_chain(&error);
            tracing::error!(%seat, error, "the seat could not be given its workflows");
        }
    }

    /// Files of the operator's folder that nobody gets, each with the reason.
    pub async fn workflow_problems(&self) -> Vec<String> {
        let Ok(offered) = self.operator_workflows().await else { return Vec::new() };
        offered.problems().map(|(path, reason)| format!("{path} {reason}")).collect()
    }

    /// Puts the original of a given workflow beside the seat's copy; tells its path.
    pub async fn restore_workflow(&self, seat: SeatId, path: &str) -> Result<SeatPath, WorkshopError> {
        let offered = self.operator_workflows().await?;
        let original = offered.find(path).ok_or(WorkshopError::NotFound)?;
        let files = self.files().seat(seat).await?;
        for copy in 1..=MAX_COPIES {
            let place = seat_path(&copy_name(original.path.as_str(), copy))?;
            let received = files.receive_bytes(&original.content).await?;
            match files.store_userdata(received, place, Existing::Refuse).await {
                Err(FilesError::AlreadyExists) => {}
                stored => return Ok(stored?.path),
            }
        }
        Err(FilesError::TooManyOfOneName.into())
    }

    async fn try_give_workflows(&self, seat: SeatId) -> Result<(), WorkshopError> {
        let offered = self.operator_workflows().await?;
        let mut given = self.inner.workflows.given.lock().await;
        if given.get(&seat).copied().unwrap_or(0) == offered.revision {
            return Ok(());
        }
        let before = self.store().given_workflows(seat).await?;
        let mut failure = None;
        for workflow in offered.workflows() {
            let before = before.get(workflow.path.as_str());
            if before != Some(&workflow.sha256)
                && let Err(error) = self.give(seat, workflow, before.cloned()).await
            {
                failure = Some(error);
            }
        }
        match failure {
            Some(error) => Err(error),
            None => {
                given.insert(seat, offered.revision);
                Ok(())
            }
        }
    }

    async fn give(
        &self,
        seat: SeatId,
        workflow: &OperatorWorkflow,
        before: Option<String>,
    ) -> Result<(), WorkshopError> {
        let files = self.files().seat(seat).await?;
        let received = files.receive_bytes(&workflow.content).await?;
        let place = seat_path(workflow.path.as_str())?;
        if files.give_userdata(received, place, before).await? == Given::Current {
            // After the file: should this fail, the next look finds the same content there.
            let path = workflow.path.as_str();
            self.store().save_given_workflow(seat, path, &workflow.sha256, self.now()).await?;
        }
        Ok(())
    }

    async fn operator_workflows(&self) -> Result<Arc<OperatorWorkflows>, WorkshopError> {
        let folder = Arc::clone(&self.inner.workflows.folder);
        let read = tokio::task::spawn_blocking(move || folder.read()).await;
        Ok(read.map_err(FilesError::CutShort)?)
    }
}

/// In the seat's user directory.
fn seat_path(path: &str) -> Result<SeatPath, WorkshopError> {
    Ok(SeatPath::parse_file(&format!("{FOLDER}/{path}")).map_err(FilesError::from)?)
}

/// `a/b.json` → `a/b (original).json`, `a/b (original 2).json`, …
fn copy_name(path: &str, copy: u32) -> String {
    let stem = path.len() - ".json".len();
    let (stem, extension) = path.split_at_checked(stem).unwrap_or((path, ""));
    match copy {
        1 => format!("{stem} (original){extension}"),
        copy => format!("{stem} (original {copy}){extension}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_lie_beside_the_original() {
        assert_eq!(copy_name("day 1/a.json", 1), "day 1/a (original).json");
        assert_eq!(copy_name("b.json", 3), "b (original 3).json");
    }
}
