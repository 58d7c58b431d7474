//! What is known of the jobs on a worker right now: for relaying and for progress.
//!
//! Only a cache: after a restart of the server an entry is made again from the
//! record when the worker next speaks of the job.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use comfy_api::models::OwnModel;
use comfy_api::restore::EngineNames;
use comfy_api::rewrite::RewrittenInput;
use domain::{JobId, LeaseToken, SeatId};
use serde_json::{Map, Value};

use crate::hub::lock;
use crate::overview::JobProgress;

#[derive(Default)]
pub(crate) struct Runs {
    by_job: Mutex<HashMap<JobId, Run>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub seat: SeatId,
    pub token: LeaseToken,
    pub client_id: Option<String>,
    /// Node → what the participant calls it.
    pub titles: HashMap<String, String>,
    pub inputs: Vec<RewrittenInput>,
    pub models: Vec<OwnModel>,
    /// How to say in the participant's words what the engine says.
    pub names: EngineNames,
    pub progress: Option<JobProgress>,
    /// Nodes that ComfyUI did not need to run again.
    pub cached: HashSet<String>,
    /// The latest of each message that an editor needs to catch up, in the order to send them.
    pub catch_up: CatchUp,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct CatchUp {
    pub execution_start: Option<String>,
    pub execution_cached: Option<String>,
    pub progress_state: Option<String>,
    pub executing: Option<String>,
}

impl CatchUp {
    pub(crate) fn frames(&self) -> impl Iterator<Item = &String> {
        [&self.execution_start, &self.execution_cached, &self.progress_state, &self.executing]
            .into_iter()
            .flatten()
    }
}

impl Runs {
    /// Runs `use_it` on the job's run if the token is the one that the run was begun with.
    pub(crate) fn with<T>(
        &self,
        job: JobId,
        token: LeaseToken,
        use_it: impl FnOnce(&mut Run) -> T,
    ) -> Option<T> {
        lock(&self.by_job).get_mut(&job).filter(|run| run.token == token).map(use_it)
    }

    pub(crate) fn insert(&self, job: JobId, run: Run) {
        lock(&self.by_job).insert(job, run);
    }

    pub(crate) fn remove(&self, job: JobId) -> Option<Run> {
        lock(&self.by_job).remove(&job)
    }

    pub(crate) fn progress(&self, job: JobId) -> Option<JobProgress> {
        lock(&self.by_job).get(&job)?.progress.clone()
    }

    /// What an editor of the seat that (re)connects has missed.
    pub(crate) fn catch_up(&self, seat: SeatId) -> Vec<String> {
        let runs = lock(&self.by_job);
        runs.values().filter(|run| run.seat == seat).flat_map(|run| run.catch_up.frames().cloned()).collect()
    }
}

impl Run {
    /// Takes note of one of ComfyUI's messages.
    pub(crate) fn note(&mut self, kind: &str, data: &Map<String, Value>, frame: &str) {
        match kind {
            "execution_start" => {
                self.catch_up.execution_start = Some(frame.to_owned());
                // What was told of its preparation is over.
                self.progress = None;
            }
            "execution_cached" => {
                self.catch_up.execution_cached = Some(frame.to_owned());
                let nodes = data.get("nodes").and_then(Value::as_array).into_iter().flatten();
                self.cached = nodes.filter_map(Value::as_str).map(str::to_owned).collect();
            }
            "executing" => self.catch_up.executing = Some(frame.to_owned()),
            "progress_state" => {
                self.catch_up.progress_state = Some(frame.to_owned());
                self.progress = progress(data, &self.titles, &self.cached);
            }
            "notification" => self.progress = preparation(data).or_else(|| self.progress.take()),
            _ => {}
        }
    }
}

/// The portal's progress from what a worker tells while it fetches a model.
fn preparation(data: &Map<String, Value>) -> Option<JobProgress> {
    let name = data.get("name")?.as_str()?;
    let number = |field: &str| data.get(field).and_then(Value::as_f64);
    Some(JobProgress {
        node_id: String::new(),
        node_title: format!("Fetching {name}"),
        value: number("done_bytes")?,
        max: number("total_bytes")?,
        nodes_done: 0,
        nodes_total: 0,
    })
}

/// The portal's progress from a `progress_state`: its running node and the count of those that
/// are done, which it tells of the ones that ran in this job only, not of the `cached`.
fn progress(
    data: &Map<String, Value>,
    titles: &HashMap<String, String>,
    cached: &HashSet<String>,
) -> Option<JobProgress> {
    let nodes = data.get("nodes")?.as_object()?;
    let state = |node: &Value, name: &str| node.get("state").and_then(Value::as_str) == Some(name);
    let finished = nodes.iter().filter(|(_, node)| state(node, "finished")).map(|(id, _)| id);
    let nodes_done = finished.chain(cached).collect::<HashSet<_>>().len();
    let (id, node) = nodes.iter().rfind(|(_, node)| state(node, "running"))?;
    let number = |field: &str| node.get(field).and_then(Value::as_f64).unwrap_or(0.0);
    let shown = node.get("display_node_id").and_then(Value::as_str).unwrap_or(id);
    Some(JobProgress {
        node_id: shown.to_owned(),
        node_title: titles.get(shown).cloned().unwrap_or_else(|| shown.to_owned()),
        value: number("value"),
        max: number("max"),
        nodes_done: u32::try_from(nodes_done).unwrap_or(u32::MAX),
        nodes_total: u32::try_from(titles.len()).unwrap_or(u32::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_names_the_running_node_as_the_participant_does() {
        let data = serde_json::json!({"prompt_id": "p", "nodes": {
            "1": {"value": 1.0, "max": 1.0, "state": "finished", "display_node_id": "1"},
            "3": {"value": 2.0, "max": 4.0, "state": "running", "display_node_id": "3"},
        }});
        let titles = HashMap::from([
            ("1".into(), "Load".into()),
            ("2".into(), "Model".into()),
            ("3".into(), "My sampler".into()),
        ]);
        let progress = progress(data.as_object().unwrap(), &titles, &HashSet::from(["2".into()])).unwrap();
        assert_eq!(progress.node_title, "My sampler");
        assert_eq!(
            (progress.value, progress.max, progress.nodes_done, progress.nodes_total),
            (2.0, 4.0, 2, 3)
        );
    }

    #[test]
    fn a_model_on_its_way_is_told() {
        let data =
            serde_json::json!({"value": "…", "name": "mine/a.gguf", "done_bytes": 2, "total_bytes": 8});
        let progress = preparation(data.as_object().unwrap()).unwrap();
        assert_eq!(
            (progress.node_title.as_str(), progress.value, progress.max),
            ("Fetching mine/a.gguf", 2.0, 8.0)
        );
        assert_eq!(preparation(&Map::new()), None);
    }

    #[test]
    fn between_nodes_there_is_no_progress_to_show() {
        let data = serde_json::json!({"nodes": {"1": {"value": 1, "max": 1, "state": "finished"}}});
        assert_eq!(progress(data.as_object().unwrap(), &HashMap::new(), &HashSet::new()), None);
    }
}
