//! The seat's saved workflows, each with what it lacks here.

use domain::{SeatId, Timestamp};
use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;
use serde::{Deserialize, Serialize};

use crate::error::AppError;
use crate::format::query_value;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowView {
    /// Below the seat's workflows, as in `day 1/portrait.json`.
    pub path: String,
    pub changed_at: Timestamp,
    pub origin: WorkflowOrigin,
    /// The workshop still has it, so that the original can be had again.
    pub has_original: bool,
    pub is_bookmarked: bool,
    pub readiness: WorkflowReadiness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkflowOrigin {
    /// The participant saved it.
    Own,
    /// As the workshop gave it.
    Given,
    /// The workshop gave it, and the participant changed it since.
    Changed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkflowReadiness {
    Ready,
    Needs(WorkflowNeeds),
    /// The file holds no workflow.
    Unreadable,
    /// It cannot be told now.
    Unknown,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowNeeds {
    /// Folder, if it can be told, and name.
    pub models: Vec<(Option<String>, String)>,
    pub nodes: Vec<String>,
    pub inputs: Vec<String>,
}

impl WorkflowView {
    /// The file's name without its ending.
    pub fn title(&self) -> &str {
        let name = self.path.rsplit_once('/').map_or(self.path.as_str(), |(_, name)| name);
        name.rsplit_once('.').map_or(name, |(title, _)| title)
    }

    /// The folders that lead there; empty if none do.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    pub fn file_name(&self) -> String {
        self.path.rsplit('/').next().unwrap_or(&self.path).to_owned()
    }

    /// The file itself.
    pub fn href(&self, seat: SeatId) -> String {
        format!("/user/{seat}/comfy/api/userdata/{}", query_value(&format!("workflows/{}", self.path)))
    }
}

impl WorkflowNeeds {
    /// Each missing thing in a line of its own, with what to do about it.
    pub fn lines(&self) -> Vec<String> {
        let models = self.models.iter().map(|(folder, name)| match folder {
            Some(folder) => format!("the model {name} in {folder}"),
            None => format!("the model {name}"),
        });
        let nodes =
            self.nodes.iter().map(|node| format!("the node {node}, which this workshop's machine lacks"));
        let inputs =
            self.inputs.iter().map(|input| format!("the file {input}: choose one of yours in the editor"));
        models.chain(nodes).chain(inputs).collect()
    }
}

#[server(name = ReadWorkflows, endpoint = "read-workflows", input = GetUrl)]
pub async fn read_workflows(seat: SeatId) -> Result<Vec<WorkflowView>, AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_seat_to_look, viewer};

    let seat = require_seat_to_look(seat)?;
    // Somebody who looks on changes nothing here.
    if viewer().require_seat(seat).is_ok() {
        workshop().give_workflows(seat).await;
    }
    let workflows = workshop().seat_workflows(seat).await.map_err(refuse)?;
    Ok(workflows.into_iter().map(Into::into).collect())
}

/// Puts the workshop's original beside the seat's copy.
#[server(name = RestoreWorkflow, endpoint = "restore-workflow")]
pub async fn restore_workflow(seat: SeatId, path: String) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_seat};

    let seat = require_seat(seat)?;
    workshop().restore_workflow(seat, &path).await.map(drop).map_err(refuse)
}

#[cfg(feature = "ssr")]
impl From<workshop::workflows::SeatWorkflow> for WorkflowView {
    fn from(workflow: workshop::workflows::SeatWorkflow) -> Self {
        use workshop::workflows::{Readiness, WorkflowOrigin as Origin};

        Self {
            path: workflow.path.to_string(),
            changed_at: workflow.modified_at,
            origin: match workflow.origin {
                Origin::Own => WorkflowOrigin::Own,
                Origin::Given => WorkflowOrigin::Given,
                Origin::Changed => WorkflowOrigin::Changed,
            },
            has_original: workflow.has_original,
            is_bookmarked: workflow.is_bookmarked,
            readiness: match workflow.readiness {
                Readiness::Ready => WorkflowReadiness::Ready,
                Readiness::Unreadable => WorkflowReadiness::Unreadable,
                Readiness::Unknown => WorkflowReadiness::Unknown,
                Readiness::Needs(needs) => WorkflowReadiness::Needs(WorkflowNeeds {
                    models: needs.models.into_iter().map(|model| (model.folder, model.name)).collect(),
                    nodes: needs.nodes.into_iter().collect(),
                    inputs: needs.inputs.into_iter().collect(),
                }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_is_named_and_linked_within_its_seat() {
        let workflow = WorkflowView {
            path: "day 1/my.portrait.json".to_owned(),
            changed_at: Timestamp::from_unix_ms(0),
            origin: WorkflowOrigin::Own,
            has_original: false,
            is_bookmarked: false,
            readiness: WorkflowReadiness::Ready,
        };
        assert_eq!((workflow.folder(), workflow.title()), ("day 1", "my.portrait"));
        assert_eq!(workflow.file_name(), "my.portrait.json");
        let href = "/user/user007/comfy/api/userdata/workflows%2Fday%201%2Fmy.portrait.json";
        assert_eq!(workflow.href(SeatId::new(7).unwrap()), href);
    }

    #[test]
    fn each_missing_thing_has_its_line() {
        let needs = WorkflowNeeds {
            models: vec![(Some("loras".into()), "a.safetensors".into()), (None, "b.pt".into())],
            nodes: vec!["Fancy".into()],
            inputs: vec!["x.png".into()],
        };
        assert_eq!(
            needs.lines(),
            [
                "the model a.safetensors in loras",
                "the model b.pt",
                "the node Fancy, which this workshop's machine lacks",
                "the file x.png: choose one of yours in the editor",
            ]
        );
    }
}
