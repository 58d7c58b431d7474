//! Hands a graph to ComfyUI and stays with it until ComfyUI is done.
//!
//! The events say how far it is; whether it is over is decided by them or, should they stop
//! coming, by ComfyUI's history and queue. Only [`super::relay`] talks to the server meanwhile.

use std::time::Duration;

use comfy_api::client::{ClientError, EventStream, HistoryEntry, PromptRequest};
use domain::FailureKind;
use futures::StreamExt;
use queue::report::{Assignment, Outcome, ResultReport};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::relay::Relay;
use super::{Run, RunError, outcome, relevance, unless};
use crate::engine::{Engine, EngineEnd, Restart, Turn};
use crate::registry::Stop;
use crate::server::chain;

/// How often the run is looked up while its events come.
const POLL_PERIOD: Duration = Duration::from_secs(5);
/// The same while its socket is lost.
const POLL_PERIOD_BLIND: Duration = Duration::from_millis(500);
/// How long ComfyUI may take for a look-up or an interrupt.
const ASK_LIMIT: Duration = Duration::from_secs(5);
/// How often an interrupt is repeated: one that lands before the start is lost.
const INTERRUPT_PERIOD: Duration = Duration::from_millis(500);
/// How long a worker that stops waits for its job to stop.
const RELEASE_PATIENCE: Duration = Duration::from_secs(2);
/// A run that obeys no interrupt for this long is ended together with its ComfyUI.
const INTERRUPT_PATIENCE: Duration = Duration::from_secs(120);
/// How often a graph is posted to a ComfyUI that was gone at the moment.
const POST_TRIES: u32 = 5;
/// The history is written before the end is told, yet a moment's grace costs nothing.
const HISTORY_TRIES: u32 = 20;
const SHORT_WAIT: Duration = Duration::from_millis(100);

/// How ComfyUI and a graph parted.
enum Parting {
    Ended(HistoryEntry),
    /// Cancelled before ComfyUI began it.
    NeverBegan,
    Refused(Value),
}

/// Where a graph is, by ComfyUI's history and queue.
enum Whereabouts {
    Ended(HistoryEntry),
    InQueue,
    Nowhere,
    Unknown,
}

impl Run<'_> {
    /// Runs the graph; the turn is given up as soon as ComfyUI is done, while outputs may still be
    /// on their way to the server.
    pub(super) async fn execute(self, assignment: &Assignment, turn: Turn) -> Result<ResultReport, RunError> {
        let relay = Relay::new(self);
        // What is still on its way to the server of a run that was stopped is of no use there.
        let abandoned = CancellationToken::new();
        let following = async {
            let _turn = turn;
            let _busy = self.context.engine.begin_run();
            let parting = self.run_graph(assignment, &relay).await;
            if let Err(RunError::Stopped(_)) = parting {
                abandoned.cancel();
            }
            relay.close();
            parting
        };
        let passing_on = abandoned.run_until_cancelled(relay.pass_on(assignment));
        let (parting, passed_on) = tokio::join!(following, passing_on);
        let parting = parting?;
        let mut outputs = passed_on.expect("only a run without a parting is abandoned")?;
        let mut report = ResultReport {
            token: self.task.token,
            outcome: Outcome::Succeeded,
            outputs: serde_json::Map::new(),
            meta: serde_json::Map::new(),
            messages: Vec::new(),
        };
        match parting {
            Parting::Refused(response) => report.outcome = Outcome::Refused { response },
            Parting::NeverBegan => {
                report.outcome = Outcome::Interrupted { data: outcome::interruption(self.task.job) };
            }
            Parting::Ended(history) => {
                let placing = outputs.place_all(&history.outputs);
                let placed = unless(self.handle.stopped_beyond(Stop::Cancelled), placing).await;
                report.outputs = placed.map_err(RunError::Stopped).flatten()?;
                report.outcome = outcome::of(&history);
                report.meta = history.meta;
                report.meta.retain(|node, _| !assignment.added_nodes.contains(node));
                report.messages = history.status.messages;
                if let (Outcome::Succeeded, Some(reason)) = (&report.outcome, outputs.failure()) {
                    let reason = reason.to_owned();
                    report.outcome = Outcome::Failed { kind: FailureKind::Transfer, reason };
                }
            }
        }
        Ok(report)
    }

    async fn run_graph(self, assignment: &Assignment, relay: &Relay<'_>) -> Result<Parting, RunError> {
        let client_id = uuid::Uuid::new_v4().to_string();
        let (generation, events) = match self.hand_over(assignment, &client_id).await? {
            HandedOver::Taken { generation, events } => (generation, events),
            HandedOver::Refused(response) => return Ok(Parting::Refused(response)),
            HandedOver::Stopped(Stop::Cancelled) => return Ok(Parting::NeverBegan),
            HandedOver::Stopped(stop) => return Err(RunError::Stopped(stop)),
        };
        tracing::info!("job started");
        let follower = Follower {
            run: self,
            engine: &self.context.engine,
            prompt_id: self.task.job.to_string(),
            client_id,
            generation,
            added_nodes: &assignment.added_nodes,
            relay,
        };
        let parting = follower.follow(*events).await;
        if let Ok(Parting::Ended(history)) = &parting
            && matches!(outcome::of(history), Outcome::Failed { kind: FailureKind::OutOfMemory, .. })
            && let Err(error) = self.context.engine.client().free_memory().await
        {
            tracing::warn!("memory could not be freed: {}", chain(&error));
        }
        parting
    }

    /// Posts the graph, to the next ComfyUI where one vanishes before it has it.
    async fn hand_over(self, assignment: &Assignment, client_id: &str) -> Result<HandedOver, RunError> {
        let prompt_id = self.task.job.to_string();
        let engine = &self.context.engine;
        let targets = &assignment.partial_execution_targets;
        let request = PromptRequest {
            prompt: &assignment.prompt,
            prompt_id: &prompt_id,
            client_id,
            extra_data: &assignment.extra_data,
            partial_execution_targets: (!targets.is_empty()).then_some(targets.as_slice()),
        };
        let mut last_error = String::new();
        for _ in 0..POST_TRIES {
            let ready = unless(self.handle.stopped(), self.engine_ready()).await;
            let generation = match ready {
                Ok(generation) => generation?,
                Err(stop) => return Ok(HandedOver::Stopped(stop)),
            };
            let opened = async {
                self.clear_earlier_attempt(&prompt_id).await?;
                engine.client().events(client_id).await
            };
            match opened.await {
                Ok(events) => match engine.client().post_prompt(&request).await {
                    Ok(_) => return Ok(HandedOver::Taken { generation, events: Box::new(events) }),
                    Err(ClientError::Refused { body }) => return Ok(HandedOver::Refused(body)),
                    // It may have arrived: posting again would run it twice, so it is looked for.
                    Err(error) if !error.never_arrived() && !matches!(error, ClientError::Status { .. }) => {
                        tracing::warn!("{}; looking whether it has the graph", chain(&error));
                        return Ok(HandedOver::Taken { generation, events: Box::new(events) });
                    }
                    Err(error) => last_error = chain(&error),
                },
                Err(error) => last_error = chain(&error),
            }
            tracing::warn!("the graph could not be handed over: {last_error}; trying again");
            sleep(INTERRUPT_PERIOD).await;
        }
        Err(RunError::EngineAway(last_error))
    }

    /// An earlier attempt of this job may have run in the same ComfyUI under the same id: its
    /// remains would be taken for this attempt's.
    async fn clear_earlier_attempt(self, prompt_id: &str) -> Result<(), ClientError> {
        let comfyui = self.context.engine.client();
        while comfyui.queue().await?.contains(prompt_id) {
            comfyui.delete_pending(prompt_id).await?;
            comfyui.interrupt(prompt_id).await?;
            sleep(INTERRUPT_PERIOD).await;
        }
        comfyui.delete_history(prompt_id).await
    }
}

enum HandedOver {
    Taken { generation: u64, events: Box<EventStream> },
    Refused(Value),
    Stopped(Stop),
}

/// Stays with one graph.
struct Follower<'a> {
    run: Run<'a>,
    engine: &'a Engine,
    prompt_id: String,
    client_id: String,
    generation: u64,
    added_nodes: &'a [String],
    relay: &'a Relay<'a>,
}

impl Follower<'_> {
    async fn follow(&self, events: EventStream) -> Result<Parting, RunError> {
        let mut events = Some(events);
        let mut polls = interval(POLL_PERIOD);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        polls.reset();
        let mut interrupts = interval(INTERRUPT_PERIOD);
        interrupts.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop: Option<(Stop, Instant)> = None;
        let mut nowhere = 0;
        loop {
            tokio::select! {
                frame = next_frame(&mut events) => match frame {
                    Some(Ok(frame)) => {
                        let message = relevance::judge(frame, self.run.task.job, self.added_nodes);
                        if self.relay.take(message) {
                            return self.history().await;
                        }
                    }
                    lost => {
                        let why = lost.and_then(Result::err).map(|error| chain(&error)).unwrap_or_default();
                        tracing::debug!("comfyui's event socket is lost: {why}");
                        events = None;
                        polls.reset_after(POLL_PERIOD_BLIND);
                    }
                },
                end = self.engine.ended(self.generation) => return self.engine_ended(end),
                reason = self.run.handle.stopped_beyond(stop.map(|(reason, _)| reason)) => {
                    stop = Some((reason, Instant::now()));
                    interrupts.reset_immediately();
                }
                _ = interrupts.tick(), if stop.is_some() => {
                    self.interrupt().await;
                    match stop {
                        Some((Stop::Released, since)) if since.elapsed() >= RELEASE_PATIENCE => {
                            return Err(RunError::Stopped(Stop::Released));
                        }
                        Some((_, since)) if since.elapsed() >= INTERRUPT_PATIENCE => {
                            let reason = "a job did not obey its interruption".to_owned();
                            self.engine.request_restart(Restart::Needed { reason });
                        }
                        _ => {}
                    }
                    // A job taken out of the queue is nowhere, and no event says so.
                    polls.reset_immediately();
                }
                _ = polls.tick() => match self.whereabouts().await {
                    Whereabouts::Ended(history) => return part(self.run.handle.stop(), history),
                    Whereabouts::InQueue => {
                        nowhere = 0;
                        if events.is_none() {
                            events = self.reopen().await;
                        }
                        if events.is_none() {
                            polls.reset_after(POLL_PERIOD_BLIND);
                        }
                    }
                    Whereabouts::Nowhere => {
                        nowhere += 1;
                        // Once may be the moment between the queue and the history.
                        if nowhere >= 2 {
                            let reason = "comfyui no longer knows the job".to_owned();
                            return self.engine_ended(EngineEnd::Died(reason));
                        }
                        polls.reset_after(POLL_PERIOD_BLIND);
                    }
                    Whereabouts::Unknown => polls.reset_after(POLL_PERIOD_BLIND),
                },
            }
        }
    }

    /// ComfyUI is gone, and what it knew of the run with it.
    fn engine_ended(&self, end: EngineEnd) -> Result<Parting, RunError> {
        match (self.run.handle.stop(), end) {
            (Some(Stop::Cancelled), _) => Ok(Parting::NeverBegan),
            (Some(stop), _) => Err(RunError::Stopped(stop)),
            (None, EngineEnd::Restarted) => Err(RunError::EngineAway(EngineEnd::Restarted.to_string())),
            (None, EngineEnd::Died(reason)) => Err(RunError::Failed(FailureKind::EngineDied, reason)),
        }
    }

    /// What ComfyUI keeps of the run that it has just ended.
    async fn history(&self) -> Result<Parting, RunError> {
        for _ in 0..HISTORY_TRIES {
            match self.whereabouts().await {
                Whereabouts::Ended(history) => return part(self.run.handle.stop(), history),
                _ if !self.engine.is_alive(self.generation) => {
                    return self.engine_ended(self.engine.ended(self.generation).await);
                }
                _ => sleep(SHORT_WAIT).await,
            }
        }
        self.engine_ended(EngineEnd::Died("comfyui ended the job but kept nothing of it".to_owned()))
    }

    async fn whereabouts(&self) -> Whereabouts {
        let comfyui = self.engine.client();
        let asking = async {
            Ok::<_, ClientError>(match comfyui.history(&self.prompt_id).await? {
                Some(history) => Whereabouts::Ended(history),
                None if comfyui.queue().await?.contains(&self.prompt_id) => Whereabouts::InQueue,
                None => Whereabouts::Nowhere,
            })
        };
        match timeout(ASK_LIMIT, asking).await {
            Ok(Ok(found)) => found,
            // Whether ComfyUI is gone is for the engine's keeper to say; a busy one answers late.
            Ok(Err(_)) | Err(_) => Whereabouts::Unknown,
        }
    }

    async fn interrupt(&self) {
        let comfyui = self.engine.client();
        let interrupting = async {
            comfyui.delete_pending(&self.prompt_id).await?;
            comfyui.interrupt(&self.prompt_id).await
        };
        match timeout(ASK_LIMIT, interrupting).await {
            Ok(Ok(())) => {}
            // It is repeated until the run has ended.
            Ok(Err(error)) => tracing::debug!("not interrupted: {}", chain(&error)),
            Err(_) => tracing::debug!("comfyui does not answer an interrupt"),
        }
    }

    async fn reopen(&self) -> Option<EventStream> {
        match timeout(ASK_LIMIT, self.engine.client().events(&self.client_id)).await {
            Ok(Ok(events)) => Some(events),
            Ok(Err(_)) | Err(_) => None,
        }
    }
}

/// What an ended run means for one that may have been told to stop.
fn part(stop: Option<Stop>, history: HistoryEntry) -> Result<Parting, RunError> {
    match stop {
        Some(stop @ (Stop::Released | Stop::Dropped)) => Err(RunError::Stopped(stop)),
        Some(stop @ Stop::Preempted(_)) if !has_result(&history) => Err(RunError::Stopped(stop)),
        Some(Stop::Preempted(_) | Stop::Cancelled) | None => Ok(Parting::Ended(history)),
    }
}

/// Whether the run came to an end of its own, good or bad, before an interruption reached it.
fn has_result(history: &HistoryEntry) -> bool {
    match outcome::of(history) {
        Outcome::Interrupted { .. } | Outcome::Failed { kind: FailureKind::EngineDied, .. } => false,
        Outcome::Succeeded | Outcome::NodeError { .. } | Outcome::Refused { .. } | Outcome::Failed { .. } => {
            true
        }
    }
}

/// The next event; never, while there is no socket.
async fn next_frame(
    events: &mut Option<EventStream>,
) -> Option<Result<comfy_api::client::Frame, ClientError>> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use comfy_api::client::HistoryStatus;
    use domain::ReturnReason;
    use serde_json::json;

    use super::*;

    /// Whether a run that was told to stop, and ended with this message, is reported as it ended.
    fn is_reported(stop: Option<Stop>, message: &str) -> bool {
        let status_str = "whatever".to_owned();
        let messages = vec![json!([message, {}])];
        let completed = message == "execution_success";
        let status = HistoryStatus { status_str, completed, messages };
        match part(stop, HistoryEntry { status, ..HistoryEntry::default() }) {
            Ok(Parting::Ended(_)) => true,
            Err(RunError::Stopped(stopped)) => {
                assert_eq!(Some(stopped), stop);
                false
            }
            _ => panic!("an ended run either counts or was stopped"),
        }
    }

    #[test]
    fn a_run_taken_back_is_reported_where_it_ended_by_itself() {
        let stop = Some(Stop::Preempted(ReturnReason::Demo));
        assert!(!is_reported(stop, "execution_interrupted"));
        assert!(is_reported(stop, "execution_success"));
        assert!(is_reported(stop, "execution_error"));
        assert!(!is_reported(stop, "execution_start"), "an end without a reason is no result");
    }

    #[test]
    fn a_cancelled_run_is_reported_and_one_whose_lease_goes_is_not() {
        for message in ["execution_interrupted", "execution_success"] {
            assert!(is_reported(None, message));
            assert!(is_reported(Some(Stop::Cancelled), message));
            assert!(!is_reported(Some(Stop::Released), message));
            assert!(!is_reported(Some(Stop::Dropped), message));
        }
    }
}
