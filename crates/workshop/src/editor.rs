//! What a seat's editor asks: queue, history, jobs, and its live frames.

use std::collections::HashMap;

use comfy_api::events;
use comfy_api::views::{self, JobRecord, JobsSort, JobsSortOrder};
use domain::job::JobPhase;
use domain::{FailureKind, JobId, JobState, SeatId, Timestamp};
use serde_json::{Map, Value, json};
use store::{JobGraph, JobResult, StoredJob};
use tokio::sync::{broadcast, watch};

use crate::hub::{FramePayload, OpenPage, PageKind, SeatFrame};
use crate::{Workshop, WorkshopError};

pub use comfy_api::views::JobsQuery;

/// How many ended jobs are looked at to answer one request.
const HISTORY_LIMIT: u32 = 10_000;
/// The longest name that a client may have, in bytes.
const MAX_SID: usize = 128;

/// A seat's queue, as ComfyUI splits it.
#[derive(Debug, Default)]
pub struct SeatQueue {
    pub running: Vec<JobRecord>,
    /// In the order in which they will run.
    pub pending: Vec<JobRecord>,
}

/// Which records to read beside the states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    States,
    Results,
    Everything,
}

impl Workshop {
    /// The seat's own jobs that wait or run.
    pub async fn seat_queue(&self, seat: SeatId) -> Result<SeatQueue, WorkshopError> {
        self.seat_queue_with(seat, Detail::Everything).await
    }

    /// The seat's own ended jobs, oldest first. Without an offset the last `max_items`,
    /// with one that many from the oldest on, as ComfyUI counts.
    pub async fn seat_history(
        &self,
        seat: SeatId,
        max_items: Option<u32>,
        offset: Option<u32>,
    ) -> Result<Vec<JobRecord>, WorkshopError> {
        let limit = max_items.filter(|_| offset.is_none()).unwrap_or(HISTORY_LIMIT);
        let mut ended = self.store().seat_history(seat, limit).await?;
        ended.reverse();
        if let Some(offset) = offset {
            ended = ended
                .into_iter()
                .skip(offset as usize)
                .take(max_items.map_or(usize::MAX, |max| max as usize))
                .collect();
        }
        self.records(ended, Detail::Everything).await
    }

    /// One of the seat's own jobs, ended or not.
    pub async fn seat_record(&self, seat: SeatId, id: JobId) -> Result<JobRecord, WorkshopError> {
        let stored = self.store().seat_job(seat, id).await?;
        self.records(vec![stored], Detail::Everything).await?.pop().ok_or(WorkshopError::NotFound)
    }

    /// The page of the seat's own jobs that a `GET /jobs` asks for.
    pub async fn seat_jobs(&self, seat: SeatId, query: &JobsQuery) -> Result<Value, WorkshopError> {
        let SeatQueue { mut running, mut pending } = self.seat_queue_with(seat, Detail::States).await?;
        let mut records = Vec::new();
        records.append(&mut running);
        records.append(&mut pending);
        let wants = |phase| query.phases.as_ref().is_none_or(|phases| phases.contains(&phase));
        if views::JobPhase::ALL.into_iter().any(|phase| phase.has_ended() && wants(phase)) {
            let ended = self.store().seat_history(seat, HISTORY_LIMIT).await?;
            records.extend(self.records(ended, Detail::Results).await?);
        }
        Ok(page(query, records))
    }

    /// Takes the given ended jobs, or all, out of the seat's history. Files stay.
    pub async fn forget(&self, seat: SeatId, ids: Option<&[JobId]>) -> Result<(), WorkshopError> {
        self.store().remove_from_history(seat, ids, self.now()).await?;
        self.announce_queue(seat).await;
        Ok(())
    }

    /// How many of the seat's jobs wait or run.
    pub async fn queue_remaining(&self, seat: SeatId) -> Result<u32, WorkshopError> {
        Ok(self.store().active_count(seat).await?)
    }

    /// The sid for a socket: the one it presents, as other programs choose their own, else a
    /// new one. It means something within the seat only; what another seat's editor was
    /// given is not taken over, as one browser may show both.
    pub fn editor_sid(&self, seat: SeatId, presented: Option<&str>) -> String {
        presented
            .filter(|sid| is_sid(sid) && seat_of_sid(sid).is_none_or(|given_to| given_to == seat))
            .map_or_else(|| format!("{seat}-{}", self.inner.parts.mint.uuid().simple()), str::to_owned)
    }

    /// Opens an editor's stream of frames. The frames to send at once come with it. An
    /// `observer` is the instructor, who looks on.
    pub async fn open_editor(
        &self,
        seat: SeatId,
        sid: &str,
        observer: bool,
    ) -> Result<(OpenPage, Vec<String>, broadcast::Receiver<SeatFrame>), WorkshopError> {
        let frames = self.inner.hub.subscribe(seat);
        let kind = if observer { PageKind::Observer } else { PageKind::Editor(sid.to_owned()) };
        let page = self.inner.hub.open(seat, kind);
        if !observer {
            self.store().touch_seat(seat, self.now()).await?;
        }
        let remaining = self.queue_remaining(seat).await?;
        let mut first = vec![events::status(remaining as usize, Some(sid)).to_string()];
        first.extend(self.inner.runs.catch_up(seat));
        Ok((page, first, frames))
    }

    /// Counts an open portal page, unless it is an `observer`'s, and tells it of every change.
    pub fn open_portal(&self, seat: SeatId, observer: bool) -> (OpenPage, watch::Receiver<u64>) {
        let changes = self.inner.hub.watch();
        let kind = if observer { PageKind::Observer } else { PageKind::Portal };
        (self.inner.hub.open(seat, kind), changes)
    }

    /// Tells the instructor's page of every change.
    pub fn watch_all(&self) -> watch::Receiver<u64> {
        self.inner.hub.watch()
    }

    /// The seat's queue changed: its editors fetch it again, and every portal looks at positions.
    pub(crate) async fn announce_queue(&self, seat: SeatId) {
        match self.queue_remaining(seat).await {
            Ok(remaining) => {
                let frame = events::status(remaining as usize, None).to_string();
                self.inner.hub.send_to_all(seat, FramePayload::Text(frame));
            }
            Err(error) => tracing::error!(seat.id = %seat, %error, "could not count a seat's queue"),
        }
        self.inner.hub.changed();
    }

    async fn seat_queue_with(&self, seat: SeatId, detail: Detail) -> Result<SeatQueue, WorkshopError> {
        let line = self.line().await?;
        let own = line.active.iter().filter(|stored| stored.job.seat == seat).cloned().collect();
        let records = self.records(own, detail).await?;
        let (running, pending) =
            records.into_iter().partition(|record| record.phase == views::JobPhase::InProgress);
        Ok(SeatQueue { running, pending })
    }

    async fn records(&self, stored: Vec<StoredJob>, detail: Detail) -> Result<Vec<JobRecord>, WorkshopError> {
        let ids: Vec<_> = stored.iter().map(|stored| stored.job.id).collect();
        let mut graphs = match detail {
            Detail::Everything => self.store().graphs(&ids).await?,
            Detail::States | Detail::Results => HashMap::new(),
        };
        let mut results = match detail {
            Detail::Everything | Detail::Results => self.store().results(&ids).await?,
            Detail::States => HashMap::new(),
        };
        let record = |stored: StoredJob| {
            let graph = graphs.remove(&stored.job.id);
            let result = results.remove(&stored.job.id).unwrap_or_default();
            record(&stored, graph, result)
        };
        Ok(stored.into_iter().map(record).collect())
    }
}

fn is_sid(text: &str) -> bool {
    (1..=MAX_SID).contains(&text.len()) && text.chars().all(|letter| !letter.is_control())
}

/// Whose editor was given this sid, if one of ours was.
fn seat_of_sid(sid: &str) -> Option<SeatId> {
    sid.split_once('-')?.0.parse().ok()
}

fn record(stored: &StoredJob, graph: Option<JobGraph>, result: JobResult) -> JobRecord {
    let job = &stored.job;
    let mut graph = graph.unwrap_or_else(|| JobGraph {
        prompt: Map::new(),
        // Without the graph, the workflow's id is all that a list shows of it.
        extra_data: Map::from_iter([(
            "extra_pnginfo".into(),
            json!({"workflow": {"id": stored.workflow_id}}),
        )]),
        outputs_to_execute: Vec::new(),
    });
    if let Some(client_id) = &stored.client_id {
        graph.extra_data.insert("client_id".into(), Value::from(client_id.as_str()));
    }
    JobRecord {
        id: job.id.to_string(),
        number: stored.number,
        prompt: graph.prompt,
        extra_data: graph.extra_data,
        outputs_to_execute: graph.outputs_to_execute,
        create_time: job.created_at.unix_ms(),
        execution_start: job.started_at().map(Timestamp::unix_ms),
        execution_end: job.finished_at().map(Timestamp::unix_ms),
        phase: match job.phase() {
            JobPhase::Queued | JobPhase::Leased => views::JobPhase::Pending,
            JobPhase::Running => views::JobPhase::InProgress,
            JobPhase::Succeeded => views::JobPhase::Completed,
            JobPhase::Failed => views::JobPhase::Failed,
            JobPhase::Cancelled => views::JobPhase::Cancelled,
        },
        outputs: result.outputs,
        meta: result.meta,
        messages: result.messages,
        error: known_error(stored),
    }
}

/// What is known of why a job failed: ComfyUI's own data where a node raised, else our sentence;
/// in either case with what to try, so that the editor's dialog says what the portal says.
fn known_error(stored: &StoredJob) -> Option<Value> {
    let JobState::Failed { failure, .. } = &stored.job.state else { return None };
    let detail = failure.detail.as_deref().and_then(|detail| serde_json::from_str::<Value>(detail).ok());
    let is_of_a_node = |detail: &Value| detail.get("node_id").is_some();
    let Some(mut error) = detail.filter(is_of_a_node) else {
        return Some(Value::from(format!("{} {}", failure.message, failure.advice).trim_end()));
    };
    let said = error.get("exception_message").and_then(Value::as_str).unwrap_or_default();
    let words = match failure.kind {
        // The node is named by the dialog itself.
        FailureKind::Node => said.trim_end(),
        _ => failure.message.as_str(),
    };
    error["exception_message"] = format!("{words}\n\n{}\n", failure.advice).into();
    Some(error)
}

/// The data of the `execution_error` that tells an editor of a failed job.
pub(crate) fn execution_error(stored: &StoredJob, at: Timestamp) -> Value {
    views::execution_error(&stored.job.id.to_string(), known_error(stored).as_ref(), at.unix_ms())
}

/// Filters, sorts and cuts as the newest ComfyUI does.
fn page(query: &JobsQuery, mut records: Vec<JobRecord>) -> Value {
    records.retain(|record| {
        let id = record.extra_data.get("extra_pnginfo").and_then(|info| info.pointer("/workflow/id"));
        query.phases.as_ref().is_none_or(|phases| phases.contains(&record.phase))
            && query.workflow_id.as_deref().is_none_or(|wanted| id.and_then(Value::as_str) == Some(wanted))
    });
    let duration = |record: &JobRecord| {
        record.execution_end.zip(record.execution_start).map_or(0, |(end, start)| end - start)
    };
    match query.sort {
        JobsSort::CreatedAt => records.sort_by_key(|record| record.create_time),
        JobsSort::ExecutionDuration => records.sort_by_key(duration),
    }
    if query.order == JobsSortOrder::Descending {
        records.reverse();
    }
    let total = records.len();
    let limit = query.limit.unwrap_or(usize::MAX);
    let shown = records.iter().skip(query.offset).take(limit).map(views::job_summary).collect();
    views::jobs_page(shown, query.offset, query.limit, total)
}
