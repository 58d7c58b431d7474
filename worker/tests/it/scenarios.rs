//! The worker against a real ComfyUI, told what to do by a server that speaks the protocol.
//!
//! One test, so that all scenarios share one ComfyUI, which takes long to start. They run one
//! after the other and each leaves the worker idle.

use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{FailureKind, ReturnReason, WorkerId};
use queue::TaskMessage;
use queue::report::{EngineState, LeaseRef, Outcome, ServerFrame};
use runtime::{Secret, Shutdown, TaskGroup};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use uuid::Uuid;
use worker::assembly::{Worker, WorkerOptions};
use worker::engine::{EngineOptions, EngineSource, EngineTiming};
use worker::registry::Stop;

use crate::contract;
use crate::seat_models::*;
use crate::support::comfyui::{engine_options, launch_options};
use crate::support::graphs;
use crate::support::proxy::Proxy;
use crate::support::server::{JobRecord, TOKEN, TestServer, Told};

/// The one worker of the test, and its server.
pub struct Bench {
    pub server: TestServer,
    pub worker: Worker,
    pub base_dir: tempfile::TempDir,
}

impl Bench {
    /// Delivers a task as a queue's consumer would.
    pub fn deliver(&self, task: &TaskMessage) -> JoinHandle<()> {
        let (handler, task) = (self.worker.handler.clone(), task.clone());
        tokio::spawn(async move { handler.handle(task).await })
    }

    /// Delivers a task that runs long, and waits until it is well under way.
    async fn deliver_long(&self, color: u32) -> (TaskMessage, JoinHandle<()>) {
        let task = self.server.add_job(|prefix| graphs::stepping(4096, 512, color, prefix));
        let delivery = self.deliver(&task);
        self.server.until(&task, "progress", |job| job.events("progress").len() >= 2).await;
        (task, delivery)
    }

    /// Delivers a task that makes a picture, and waits until the worker has it.
    async fn deliver_staged(&self, color: u32) -> (TaskMessage, JoinHandle<()>) {
        let task = self.server.add_job(|prefix| graphs::plain_image(color, prefix));
        let delivery = self.deliver(&task);
        self.server.until(&task, "a claim", |job| !job.told.is_empty()).await;
        (task, delivery)
    }

    async fn is_idle(&self) {
        let comfyui = self.worker.engine.client();
        let queue = comfyui.queue().await.unwrap();
        assert_eq!(queue, Default::default(), "comfyui has nothing left to do");
        let none = self.server.until_any(|server| server.leases().is_empty().then_some(())).await;
        assert!(none.is_some(), "leases left: {:?}", self.server.leases());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_runs_jobs_in_a_real_comfyui() {
    let _ = tracing_subscriber::fmt().with_test_writer().with_env_filter("info,comfyui=warn").try_init();
    let server = TestServer::start("redis://unused", "unused").await;
    let base_dir = tempfile::tempdir().unwrap();
    let shutdown = Shutdown::new();
    let mut tasks = TaskGroup::new(shutdown.clone());
    let options = WorkerOptions {
        server_url: server.url(),
        token: Secret::new(TOKEN),
        name: "bench".to_owned(),
        cache_dir: base_dir.path().join("cache"),
        cache_capacity_bytes: 1 << 30,
        model_capacity_bytes: MODEL_CAPACITY_BYTES,
        engine_input_capacity_bytes: ENGINE_INPUT_CAPACITY_BYTES,
        engine: engine_options(launch_options(&base_dir.path().join("engine"))),
    };
    let id = WorkerId::from_uuid(Uuid::new_v4());
    let worker = Worker::start(options, id, &shutdown, &mut tasks).unwrap();
    let bench = Bench { server, worker, base_dir };

    macro_rules! scenarios {
        ($($scenario:ident),* $(,)?) => {$(
            let started = Instant::now();
            $scenario(&bench).await;
            bench.is_idle().await;
            println!("scenario {} passed in {:.1} s", stringify!($scenario), started.elapsed().as_secs_f32());
        )*};
    }
    scenarios![
        the_catalog_is_published_when_comfyui_is_up,
        our_validation_answers_as_comfyui_does,
        a_picture_is_made_and_handed_over,
        an_input_is_fetched_once_and_used,
        an_input_that_is_there_is_not_written_again,
        a_missing_input_is_told,
        the_inputs_that_list_models_are_found,
        a_model_is_fetched_once_and_opened_by_comfyui,
        a_model_that_two_runs_want_is_fetched_once,
        a_broken_connection_is_gone_on_with,
        a_model_with_a_wrong_hash_is_refused,
        a_model_that_is_gone_is_told,
        the_model_unused_for_longest_makes_room,
        old_inputs_leave_comfyuis_folder,
        progress_is_passed_on,
        nodes_that_were_added_are_not_seen,
        a_nodes_error_is_told,
        a_refused_graph_is_told,
        a_job_is_cancelled_while_it_runs,
        a_staged_job_is_cancelled_before_it_runs,
        a_running_job_is_given_back_and_the_next_one_starts,
        a_staged_job_is_given_back_before_it_runs,
        a_job_that_ended_before_it_is_taken_back_is_reported,
        a_job_taken_back_while_it_ends_has_one_end,
        a_giving_back_and_another_command_have_one_end,
        a_job_survives_the_loss_of_the_server,
        a_second_delivery_joins_the_run,
        a_lease_lost_while_running_ends_the_run,
        a_stale_lease_is_never_run,
        jobs_run_in_the_order_of_their_delivery,
        a_comfyui_of_somebody_else_is_used_over_a_bad_line,
        a_killed_comfyui_is_told_and_comes_back,
        a_restart_that_the_operator_asked_for_harms_no_job,
    ];
    a_worker_that_stops_gives_its_jobs_back(&bench, &shutdown).await;
    tasks.join().await.unwrap();
    assert!(bench.worker.engine.client().queue().await.is_err(), "comfyui has ended with the worker");
}

async fn the_catalog_is_published_when_comfyui_is_up(bench: &Bench) {
    let catalog = bench.server.until_any(|server| server.catalogs().pop()).await.expect("a catalog");
    assert_eq!(catalog.object_info["SaveImage"]["output_node"], true);
    assert!(catalog.models.contains_key("checkpoints"));
    assert!(catalog.system_stats["system"]["comfyui_version"].is_string());
    assert!(matches!(bench.worker.engine.state(), EngineState::Ready));
    assert_eq!(bench.server.versions(), [env!("CARGO_PKG_VERSION")]);
    let device = bench.server.until_any(TestServer::device).await.expect("the device in a heartbeat");
    assert_eq!(device.name, "cpu");
    assert!(
        device.memory_free_bytes > 0 && device.memory_free_bytes < device.memory_total_bytes,
        "{device:?}"
    );
}

async fn our_validation_answers_as_comfyui_does(bench: &Bench) {
    let base_dir = bench.base_dir.path().join("engine");
    let compared = contract::answers_agree(bench.worker.engine.client(), &base_dir).await;
    assert!(compared.prompts >= 1500 && compared.departures < 60, "{compared:?}");
    println!("{compared:?}");
}

async fn a_picture_is_made_and_handed_over(bench: &Bench) {
    let task = bench.server.add_job(|prefix| graphs::plain_image(0xff_00_00, prefix));
    bench.deliver(&task).await.unwrap();
    let (record, result) = bench.server.until_result(&task).await;
    assert!(matches!(result.outcome, Outcome::Succeeded), "{:?}", result.outcome);
    let images = json!([
        {"filename": "placed-2-images-0.png", "subfolder": "", "type": "output"},
        {"filename": "placed-2-images-1.png", "subfolder": "", "type": "output"},
    ]);
    assert_eq!(result.outputs["2"]["images"], images);
    let left = bench.base_dir.path().join("engine/output").join(&record.assignment.output_folder);
    assert!(!left.exists(), "what was handed over is removed from the engine's disk");
    assert_eq!(result.meta["2"]["node_id"], "2");
    assert_eq!(result.messages.last().unwrap()[0], "execution_success");
    let pictures = record.artifacts();
    assert_eq!(pictures.len(), 2, "each file once");
    for (_, content) in pictures {
        assert!(content.starts_with(b"\x89PNG"));
    }
    let executed = record.events("executed");
    assert_eq!(executed.len(), 1);
    assert_eq!(executed[0]["output"]["images"], images);
    // What the editor needs, in ComfyUI's order; the files before the message that names them.
    let order: Vec<_> = record.told.iter().filter_map(name_of).collect();
    let expected = [
        "claim",
        "execution_start",
        "execution_cached",
        "executing 1",
        "executing 2",
        "file",
        "file",
        "executed 2",
        "result",
    ];
    assert_eq!(order, expected);
}

/// What was told, without progress.
fn name_of(told: &Told) -> Option<String> {
    Some(match told {
        Told::Claimed => "claim".to_owned(),
        Told::Event(event) => {
            let kind = event["type"].as_str().unwrap();
            match event["data"]["node"].as_str() {
                _ if kind.starts_with("progress") => return None,
                Some(node) => format!("{kind} {node}"),
                None => kind.to_owned(),
            }
        }
        Told::Preview => return None,
        Told::Model { .. } => "model".to_owned(),
        Told::Artifact { .. } => "file".to_owned(),
        Told::Result(_) => "result".to_owned(),
        Told::Released(_) => "release".to_owned(),
    })
}

async fn an_input_is_fetched_once_and_used(bench: &Bench) {
    // A picture to begin with: one that ComfyUI made.
    let first = bench.server.add_job(|prefix| graphs::plain_image(0x10_20_30, prefix));
    bench.deliver(&first).await.unwrap();
    let picture = bench.server.job(&first).artifacts()[0].1.clone();
    for round in 0..2 {
        let task = bench.server.add_job_with_inputs(std::slice::from_ref(&picture), |prefix, files| {
            graphs::inverted(&files[0], prefix)
        });
        bench.deliver(&task).await.unwrap();
        let (record, result) = bench.server.until_result(&task).await;
        assert!(matches!(result.outcome, Outcome::Succeeded), "round {round}: {:?}", result.outcome);
        let kinds: Vec<_> = record.artifacts().iter().map(|(query, _)| query.kind.clone()).collect();
        assert!(kinds.contains(&"output".to_owned()) && kinds.contains(&"temp".to_owned()), "{kinds:?}");
        assert_eq!(result.outputs["4"]["images"][0]["type"], "temp");
    }
    let cached = std::fs::read_dir(bench.base_dir.path().join("cache")).unwrap().count();
    assert_eq!(cached, 1, "one file, kept by its hash");
}

/// A job that runs may be reading the file that a staged one needs too.
async fn an_input_that_is_there_is_not_written_again(bench: &Bench) {
    let first = bench.server.add_job(|prefix| graphs::plain_image(0x11_22_33, prefix));
    bench.deliver(&first).await.unwrap();
    let picture = bench.server.job(&first).artifacts()[0].1.clone();
    let folder = bench.base_dir.path().join("engine/input/cm/user003");
    let mut written = Vec::new();
    for round in ["brought", "there", "torn"] {
        let task = bench.server.add_job_with_inputs_in(
            "cm/user003",
            std::slice::from_ref(&picture),
            |prefix, files| graphs::inverted(&files[0], prefix),
        );
        let path = folder.join(&bench.server.job(&task).assignment.inputs[0].filename);
        if round == "torn" {
            std::fs::write(&path, &picture[..picture.len() / 2]).unwrap();
        }
        bench.deliver(&task).await.unwrap();
        let (_, result) = bench.server.until_result(&task).await;
        assert!(matches!(result.outcome, Outcome::Succeeded), "{round}: {:?}", result.outcome);
        assert_eq!(std::fs::read(&path).unwrap(), picture, "{round}");
        written.push(std::fs::metadata(&path).unwrap().modified().unwrap());
    }
    assert_eq!(written[0], written[1], "it was written again");
}

async fn a_missing_input_is_told(bench: &Bench) {
    let gone = Bytes::from_static(b"not there any more");
    let task = bench.server.add_job_with_inputs(&[gone], |prefix, files| graphs::inverted(&files[0], prefix));
    let record = bench.server.job(&task);
    let task = bench.server.add_assignment(task.job, record.assignment, &[]);
    bench.deliver(&task).await.unwrap();
    let (_, result) = bench.server.until_result(&task).await;
    let expected = matches!(result.outcome, Outcome::Failed { kind: FailureKind::InputMissing, .. });
    assert!(expected, "{:?}", result.outcome);
}

async fn progress_is_passed_on(bench: &Bench) {
    let task = bench.server.add_job(|prefix| graphs::stepping(512, 256, 1, prefix));
    bench.deliver(&task).await.unwrap();
    let (record, result) = bench.server.until_result(&task).await;
    assert!(matches!(result.outcome, Outcome::Succeeded), "{:?}", result.outcome);
    let steps: Vec<_> =
        record.events("progress").iter().filter(|data| data["node"] == "4").copied().collect();
    assert!(steps.len() > 3, "{} steps", steps.len());
    let values: Vec<_> = steps.iter().map(|data| data["value"].as_f64().unwrap()).collect();
    assert!(values.is_sorted(), "{values:?}");
    let states = record.events("progress_state");
    assert_eq!(states.last().unwrap()["nodes"]["6"]["state"], "finished");
    assert!(states.iter().all(|data| data["prompt_id"] == task.job.to_string()));
}

async fn nodes_that_were_added_are_not_seen(bench: &Bench) {
    let task = bench.server.add_job(|prefix| {
        let mut graph = graphs::plain_image(5, prefix);
        let joined = json!({"string_a": prefix, "string_b": "x", "delimiter": "-"});
        graph.insert("added".into(), json!({"class_type": "StringConcatenate", "inputs": joined}));
        graph["2"]["inputs"]["filename_prefix"] = json!(["added", 0]);
        graph
    });
    let mut record = bench.server.job(&task);
    record.assignment.added_nodes = vec!["added".to_owned()];
    let task = bench.server.add_assignment(task.job, record.assignment, &[]);
    bench.deliver(&task).await.unwrap();
    let (record, result) = bench.server.until_result(&task).await;
    assert!(matches!(result.outcome, Outcome::Succeeded), "{:?}", result.outcome);
    assert!(record.events("executing").iter().any(|data| data["node"] == "2"));
    let told = record.told.iter().filter_map(|told| match told {
        Told::Event(event) => Some(event.to_string()),
        _ => None,
    });
    for event in told {
        assert!(!event.contains("\"added\""), "{event}");
    }
}

async fn a_nodes_error_is_told(bench: &Bench) {
    let task = bench.server.add_job(graphs::raising);
    bench.deliver(&task).await.unwrap();
    let (record, result) = bench.server.until_result(&task).await;
    let Outcome::NodeError { error } = result.outcome else { panic!("{:?}", result.outcome) };
    assert_eq!(error["node_id"], "3");
    assert_eq!(error["exception_type"], "ZeroDivisionError");
    assert!(record.events("execution_error").is_empty(), "the result says it");
    assert_eq!(result.messages.last().unwrap()[0], "execution_error");
}

async fn a_refused_graph_is_told(bench: &Bench) {
    let task = bench.server.add_job(graphs::unknown_class);
    bench.deliver(&task).await.unwrap();
    let (_, result) = bench.server.until_result(&task).await;
    let Outcome::Refused { response } = result.outcome else { panic!("{:?}", result.outcome) };
    assert!(response["error"]["type"].is_string(), "{response}");
}

async fn a_job_is_cancelled_while_it_runs(bench: &Bench) {
    let (task, delivery) = bench.deliver_long(21).await;
    bench.server.command(ServerFrame::Cancel { job: task.job, token: task.token });
    delivery.await.unwrap();
    let (record, result) = bench.server.until_result(&task).await;
    let Outcome::Interrupted { data } = result.outcome else { panic!("{:?}", result.outcome) };
    assert_eq!(data["prompt_id"], task.job.to_string());
    assert_eq!(data["node_id"], "3");
    assert!(record.events("execution_interrupted").is_empty(), "the result says it");
}

async fn a_staged_job_is_cancelled_before_it_runs(bench: &Bench) {
    let (running, first) = bench.deliver_long(22).await;
    let (staged, second) = bench.deliver_staged(1).await;
    let both = [&running, &staged].map(lease);
    let kept = bench.server.until_any(|server| {
        let leases = server.leases();
        both.iter().all(|lease| leases.contains(lease)).then_some(())
    });
    assert!(kept.await.is_some(), "both leases are kept alive: {:?}", bench.server.leases());
    bench.server.command(ServerFrame::Cancel { job: staged.job, token: staged.token });
    second.await.unwrap();
    let (record, result) = bench.server.until_result(&staged).await;
    assert!(matches!(result.outcome, Outcome::Interrupted { .. }), "{:?}", result.outcome);
    assert!(record.events("execution_start").is_empty());
    assert!(bench.server.job(&running).result().is_none(), "the other one still runs");
    bench.server.command(ServerFrame::Cancel { job: running.job, token: running.token });
    first.await.unwrap();
    bench.server.until_result(&running).await;
}

fn give_back(task: &TaskMessage, reason: ReturnReason) -> ServerFrame {
    ServerFrame::GiveBack { job: task.job, token: task.token, reason }
}

fn lease(task: &TaskMessage) -> LeaseRef {
    LeaseRef { job: task.job, token: task.token }
}

/// Why the job was given back; that must be all of its end.
fn reason_of_return(record: &JobRecord) -> ReturnReason {
    let is_end = |told: &&Told| matches!(told, Told::Result(_) | Told::Released(_));
    assert_eq!(record.told.iter().filter(is_end).count(), 1, "one end: {:?}", record.told);
    record.release().expect("it was given back").reason
}

async fn a_running_job_is_given_back_and_the_next_one_starts(bench: &Bench) {
    let (running, first) = bench.deliver_long(32).await;
    let (staged, second) = bench.deliver_staged(33).await;
    let pressed = Instant::now();
    bench.server.command(give_back(&running, ReturnReason::Demo));
    bench.server.command(give_back(&running, ReturnReason::Demo));
    let started = |job: &JobRecord| !job.events("execution_start").is_empty();
    bench.server.until(&staged, "a start", started).await;
    let waited = pressed.elapsed();
    println!("the next job started {} ms after the command", waited.as_millis());
    // An interruption that went unnoticed would be found by a look-up after 5 s.
    assert!(waited < Duration::from_secs(4), "the next job started {waited:?} after the command");
    first.await.unwrap();
    assert_eq!(reason_of_return(&bench.server.job(&running)), ReturnReason::Demo);
    let left = bench.base_dir.path().join("engine/output/user001").join(running.job.to_string());
    assert!(!left.exists(), "nothing of it stays on the engine's disk");
    second.await.unwrap();
    let (_, result) = bench.server.until_result(&staged).await;
    assert!(matches!(result.outcome, Outcome::Succeeded), "{:?}", result.outcome);
    // Its next attempt, in the same ComfyUI under the same id.
    let again = bench.server.dispatch_again(&running);
    let third = bench.deliver(&again);
    bench.server.until(&again, "progress", |job| !job.events("progress").is_empty()).await;
    bench.server.command(give_back(&again, ReturnReason::Recalled));
    third.await.unwrap();
    assert_eq!(reason_of_return(&bench.server.job(&again)), ReturnReason::Recalled);
}

async fn a_staged_job_is_given_back_before_it_runs(bench: &Bench) {
    let (running, first) = bench.deliver_long(34).await;
    let (staged, second) = bench.deliver_staged(35).await;
    bench.server.command(give_back(&staged, ReturnReason::Recalled));
    second.await.unwrap();
    let record = bench.server.job(&staged);
    assert_eq!(reason_of_return(&record), ReturnReason::Recalled);
    assert!(record.events("execution_start").is_empty());
    assert!(bench.server.job(&running).result().is_none(), "the other one still runs");
    bench.server.command(ServerFrame::Cancel { job: running.job, token: running.token });
    first.await.unwrap();
    bench.server.until_result(&running).await;
}

async fn a_job_that_ended_before_it_is_taken_back_is_reported(bench: &Bench) {
    bench.server.hold_artifacts(true);
    let (task, delivery) = bench.deliver_staged(36).await;
    let (comfyui, id) = (bench.worker.engine.client(), task.job.to_string());
    while comfyui.history(&id).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    // Said directly, so that it is certain to be known before the files are with the server.
    assert!(bench.worker.registry.stop(lease(&task), Stop::Preempted(ReturnReason::Demo)));
    bench.server.hold_artifacts(false);
    delivery.await.unwrap();
    let (record, result) = bench.server.until_result(&task).await;
    assert!(matches!(result.outcome, Outcome::Succeeded), "{:?}", result.outcome);
    assert_eq!(record.artifacts().len(), 2);
    assert!(record.release().is_none());
}

async fn a_job_taken_back_while_it_ends_has_one_end(bench: &Bench) {
    let mut given_back = 0;
    // The last nodes take a few milliseconds each, about as long as a command does.
    let moments = ["4", "5", "5", "6", "6", "6"];
    for (color, node) in (0x60..).zip(moments) {
        let task = bench.server.add_job(|prefix| graphs::stepping(512, 256, color, prefix));
        let delivery = bench.deliver(&task);
        let begun = |job: &JobRecord| job.events("executing").iter().any(|data| data["node"] == node);
        bench.server.until(&task, "the node's begin", begun).await;
        bench.server.command(give_back(&task, ReturnReason::Demo));
        delivery.await.unwrap();
        let record = bench.server.job(&task);
        match record.result() {
            Some(result) => {
                assert!(matches!(result.outcome, Outcome::Succeeded), "{:?}", result.outcome);
                assert_eq!(record.artifacts().len(), 1);
                assert!(record.release().is_none());
            }
            None => {
                assert_eq!(reason_of_return(&record), ReturnReason::Demo);
                given_back += 1;
            }
        }
    }
    println!("{given_back} of {} were given back, the others had ended", moments.len());
}

async fn a_giving_back_and_another_command_have_one_end(bench: &Bench) {
    // Which of two commands that come together is obeyed is the registry's to say, and its
    // tests do; here ComfyUI may also have stopped before the second one is heard.
    let (task, delivery) = bench.deliver_long(37).await;
    bench.server.command(give_back(&task, ReturnReason::Demo));
    bench.server.command(ServerFrame::Cancel { job: task.job, token: task.token });
    bench.server.command(give_back(&task, ReturnReason::Demo));
    delivery.await.unwrap();
    let record = bench.server.job(&task);
    match record.result() {
        Some(result) => {
            assert!(matches!(result.outcome, Outcome::Interrupted { .. }), "{:?}", result.outcome);
            assert!(record.release().is_none());
        }
        None => assert_eq!(reason_of_return(&record), ReturnReason::Demo),
    }
    let (task, delivery) = bench.deliver_long(38).await;
    bench.server.command(give_back(&task, ReturnReason::Demo));
    bench.server.command(ServerFrame::Drop { job: task.job, token: task.token });
    delivery.await.unwrap();
    assert!(bench.server.job(&task).result().is_none());
}

async fn a_job_survives_the_loss_of_the_server(bench: &Bench) {
    let task = bench.server.add_job(|prefix| graphs::stepping(1024, 512, 2, prefix));
    let delivery = bench.deliver(&task);
    bench.server.until(&task, "progress", |job| !job.events("progress").is_empty()).await;
    bench.server.set_away(true);
    let comfyui = bench.worker.engine.client();
    let id = task.job.to_string();
    while comfyui.history(&id).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    assert!(bench.server.job(&task).result().is_none());
    bench.server.set_away(false);
    delivery.await.unwrap();
    let (record, result) = bench.server.until_result(&task).await;
    assert!(matches!(result.outcome, Outcome::Succeeded), "{:?}", result.outcome);
    assert_eq!(record.artifacts().len(), 1);
}

async fn a_second_delivery_joins_the_run(bench: &Bench) {
    let task = bench.server.add_job(|prefix| graphs::stepping(512, 256, 3, prefix));
    let first = bench.deliver(&task);
    bench.server.until(&task, "a claim", |job| !job.told.is_empty()).await;
    // As a queue does that lost its connection: the delivery is dropped, then made again.
    first.abort();
    bench.deliver(&task).await.unwrap();
    let (record, _) = bench.server.until_result(&task).await;
    let count = |wanted: fn(&Told) -> bool| record.told.iter().filter(|told| wanted(told)).count();
    assert_eq!(count(|told| matches!(told, Told::Claimed)), 1);
    assert_eq!(count(|told| matches!(told, Told::Result(_))), 1);
}

async fn a_lease_lost_while_running_ends_the_run(bench: &Bench) {
    let (task, delivery) = bench.deliver_long(23).await;
    let again = bench.server.dispatch_again(&task);
    bench.server.command(ServerFrame::Drop { job: task.job, token: task.token });
    delivery.await.unwrap();
    let record = bench.server.job(&task);
    assert!(record.told.is_empty(), "nothing of the lost attempt counts: {:?}", record.told);
    // The same job, again, under the same id in the same ComfyUI.
    let mut assignment = record.assignment;
    assignment.prompt = graphs::plain_image(9, &format!("{}/ComfyUI", assignment.output_folder));
    let again =
        TaskMessage { attempt: again.attempt, ..bench.server.add_assignment(task.job, assignment, &[]) };
    bench.deliver(&again).await.unwrap();
    let (_, result) = bench.server.until_result(&again).await;
    assert!(matches!(result.outcome, Outcome::Succeeded), "{:?}", result.outcome);
}

async fn a_stale_lease_is_never_run(bench: &Bench) {
    let claimed_late = bench.server.add_job(|prefix| graphs::plain_image(11, prefix));
    bench.server.make_stale(&claimed_late);
    bench.deliver(&claimed_late).await.unwrap();
    let comfyui = bench.worker.engine.client();
    assert!(comfyui.history(&claimed_late.job.to_string()).await.unwrap().is_none());
    // One that turns stale unnoticed: the first refused file ends it.
    let task = bench.server.add_job(|prefix| graphs::stepping(1024, 512, 12, prefix));
    let delivery = bench.deliver(&task);
    bench.server.until(&task, "progress", |job| !job.events("progress").is_empty()).await;
    bench.server.make_stale(&task);
    delivery.await.unwrap();
    let record: JobRecord = bench.server.job(&task);
    assert!(record.result().is_none() && record.artifacts().is_empty());
}

async fn jobs_run_in_the_order_of_their_delivery(bench: &Bench) {
    let tasks: Vec<_> = (0..4)
        .map(|color| bench.server.add_job(|prefix| graphs::plain_image(0x40 + color, prefix)))
        .collect();
    let mut deliveries = Vec::new();
    for task in &tasks {
        deliveries.push(bench.deliver(task));
        bench.server.until(task, "a claim", |job| !job.told.is_empty()).await;
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    let start = |task: &TaskMessage| {
        let record = bench.server.job(task);
        let start: &Value = record.events("execution_start")[0];
        start["timestamp"].as_u64().unwrap()
    };
    let starts: Vec<_> = tasks.iter().map(start).collect();
    assert!(starts.is_sorted(), "{starts:?}");
}

async fn a_comfyui_of_somebody_else_is_used_over_a_bad_line(bench: &Bench) {
    let url = bench.worker.engine.client().base_url();
    let proxy = Proxy::start(url.rsplit(':').next().unwrap().parse().unwrap()).await;
    let shutdown = Shutdown::new();
    let mut tasks = TaskGroup::new(shutdown.clone());
    let source = EngineSource::Running { url: format!("http://{}", proxy.address) };
    let timing = EngineTiming::new(Duration::from_secs(60));
    let options = WorkerOptions {
        server_url: bench.server.url(),
        token: Secret::new(TOKEN),
        name: "guest".to_owned(),
        cache_dir: bench.base_dir.path().join("cache"),
        cache_capacity_bytes: 1 << 30,
        model_capacity_bytes: MODEL_CAPACITY_BYTES,
        engine_input_capacity_bytes: ENGINE_INPUT_CAPACITY_BYTES,
        engine: EngineOptions { source, timing },
    };
    let id = WorkerId::from_uuid(Uuid::new_v4());
    let guest = Worker::start(options, id, &shutdown, &mut tasks).unwrap();
    // Long enough that much is left of it when the socket is open again, half a second later.
    let task = bench.server.add_job(|prefix| graphs::stepping(2048, 512, 31, prefix));
    let (handler, delivered) = (guest.handler.clone(), task.clone());
    let delivery = tokio::spawn(async move { handler.handle(delivered).await });
    let progress = |job: &JobRecord| job.events("progress").len();
    let seen = progress(&bench.server.until(&task, "progress", |job| progress(job) > 0).await);
    proxy.cut();
    bench.server.until(&task, "progress after the cut", |job| progress(job) > seen + 2).await;
    delivery.await.unwrap();
    let (_, result) = bench.server.until_result(&task).await;
    assert!(matches!(result.outcome, Outcome::Succeeded), "{:?}", result.outcome);
    shutdown.request();
    tasks.join().await.unwrap();
    assert!(bench.worker.engine.client().queue().await.is_ok(), "it outlives a worker that only used it");
}

async fn a_killed_comfyui_is_told_and_comes_back(bench: &Bench) {
    let (task, delivery) = bench.deliver_long(24).await;
    let (staged, waiting) = bench.deliver_staged(25).await;
    let catalogs = bench.server.catalogs().len();
    kill_comfyui(bench);
    delivery.await.unwrap();
    let (_, result) = bench.server.until_result(&task).await;
    let Outcome::Failed { kind: FailureKind::EngineDied, reason } = &result.outcome else {
        panic!("{:?}", result.outcome)
    };
    assert!(reason.contains("signal 9"), "{reason}");
    // The staged one has not begun: it waits for the new ComfyUI and runs there.
    waiting.await.unwrap();
    let (_, result) = bench.server.until_result(&staged).await;
    assert!(matches!(result.outcome, Outcome::Succeeded), "{:?}", result.outcome);
    let published = bench.server.until_any(|server| (server.catalogs().len() > catalogs).then_some(()));
    assert!(published.await.is_some(), "the new ComfyUI's catalog is published");
}

async fn a_restart_that_the_operator_asked_for_harms_no_job(bench: &Bench) {
    let (task, delivery) = bench.deliver_long(39).await;
    let (staged, waiting) = bench.deliver_staged(40).await;
    let life = bench.worker.engine.status().borrow().generation;
    let device = bench.server.until_any(TestServer::device).await;
    assert!(device.is_some());
    bench.server.command(ServerFrame::RestartEngine);
    delivery.await.unwrap();
    let record = bench.server.job(&task);
    assert_eq!(reason_of_return(&record), ReturnReason::WorkerStopped);
    assert_eq!(record.release().unwrap().detail, "comfyui is restarted, as the operator asked");
    let none = bench.server.until_any(|server| server.device().is_none().then_some(())).await;
    assert!(none.is_some(), "no device while there is no ComfyUI");
    waiting.await.unwrap();
    let (record, result) = bench.server.until_result(&staged).await;
    assert!(matches!(result.outcome, Outcome::Succeeded), "{:?}", result.outcome);
    assert!(record.release().is_none());
    assert_eq!(bench.worker.engine.status().borrow().generation, life + 1);
    assert_eq!(
        bench.server.until_any(TestServer::device).await.map(|device| device.name),
        Some("cpu".into())
    );
}

fn kill_comfyui(bench: &Bench) {
    let folder = std::fs::read_dir(bench.base_dir.path().join("engine")).unwrap();
    let mut names = folder.map(|entry| entry.unwrap().path());
    let note = names.find(|path| path.to_string_lossy().contains(".comfy-multi-engine-")).expect("a note");
    let note = std::fs::read_to_string(note).unwrap();
    let pid = note.split(' ').next().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

async fn a_worker_that_stops_gives_its_jobs_back(bench: &Bench, shutdown: &Shutdown) {
    let (running, first) = bench.deliver_long(26).await;
    let (staged, second) = bench.deliver_staged(27).await;
    let before = Instant::now();
    shutdown.request();
    first.await.unwrap();
    second.await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(10), "it took {:?}", before.elapsed());
    for task in [&running, &staged] {
        let record = bench.server.job(task);
        assert_eq!(reason_of_return(&record), ReturnReason::WorkerStopped);
        assert!(record.result().is_none());
    }
}
