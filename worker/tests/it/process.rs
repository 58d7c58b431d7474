//! The binary, with a real Redis and a real ComfyUI: started, killed, started again, stopped.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use domain::ReturnReason;
use queue::report::Outcome;
use queue::{JobQueue, ProducerOptions, QUEUE_NAME, RedisQueue};
use runtime::{EmbeddedRedis, EmbeddedRedisOptions};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::support::comfyui::{free_port, launch_options};
use crate::support::graphs;
use crate::support::server::{TOKEN, TestServer};

const PATIENCE: Duration = Duration::from_secs(120);

fn worker(server: &TestServer, token: &str, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comfy-multi-worker"));
    command
        .current_dir(folder)
        .env("SERVER_URL", server.url())
        .env("WORKER_TOKEN", token)
        .env("WORKER_NAME", "bench")
        .env_remove("COMFYUI_URL")
        .env_remove("COMFYUI_DIR")
        .kill_on_drop(true);
    command
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id().expect("it runs")).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

async fn end_of(mut child: Child) -> ExitStatus {
    timeout(PATIENCE, child.wait()).await.expect("the worker ends").unwrap()
}

/// Waits until nothing listens on this port.
async fn until_silent(port: u16) {
    let silent = async { while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {} };
    timeout(Duration::from_secs(10), silent).await.expect("comfyui ends with its worker");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_killed_and_replaced_without_leaving_anything_behind() {
    let folder = tempfile::tempdir().unwrap();
    let redis_options = EmbeddedRedisOptions::new(folder.path(), free_port());
    let (redis_url, redis) = EmbeddedRedis::start(redis_options).await.unwrap();
    let queue = RedisQueue::new(ProducerOptions::new(redis_url.as_str())).unwrap();
    let server = TestServer::start(&redis_url, QUEUE_NAME).await;
    let launch = launch_options(&folder.path().join("engine"));
    let start = || {
        worker(&server, TOKEN, folder.path())
            .env("COMFYUI_DIR", &launch.comfyui_dir)
            .env("COMFYUI_PYTHON", &launch.python)
            .env("COMFYUI_PORT", launch.port.to_string())
            .env("COMFYUI_ARGS", launch.args.join(" "))
            .env("LOG", "info,comfyui=warn")
            .spawn()
            .unwrap()
    };

    // The server comes later than the worker.
    server.set_away(true);
    let first = start();
    let task = server.add_job(|prefix| graphs::plain_image(1, prefix));
    queue.push(&task).await.unwrap();
    let asked = server.until_any(|server| (server.turned_away() > 1).then_some(())).await;
    assert!(asked.is_some(), "the worker waits for the server");
    server.set_away(false);
    let (_, result) = server.until_result(&task).await;
    assert!(matches!(result.outcome, Outcome::Succeeded), "{:?}", result.outcome);

    // Killed in mid-job: its ComfyUI goes with it, and the next worker does the job again.
    let task = server.add_job(|prefix| graphs::stepping(4096, 512, 2, prefix));
    queue.push(&task).await.unwrap();
    server.until(&task, "progress", |job| !job.events("progress").is_empty()).await;
    signal(&first, Signal::KILL);
    end_of(first).await;
    until_silent(launch.port).await;
    let mut assignment = server.job(&task).assignment;
    assignment.prompt = graphs::plain_image(2, &format!("{}/ComfyUI", assignment.output_folder));
    let again = server.add_assignment(task.job, assignment, &[]);
    queue.push(&again).await.unwrap();
    let second = start();
    let (record, result) = server.until_result(&again).await;
    assert!(matches!(result.outcome, Outcome::Succeeded), "{:?}", result.outcome);
    assert_eq!(record.events("execution_start").len(), 1);

    // Stopped in mid-job: the job is given back at once.
    let task = server.add_job(|prefix| graphs::stepping(4096, 512, 3, prefix));
    queue.push(&task).await.unwrap();
    server.until(&task, "progress", |job| !job.events("progress").is_empty()).await;
    signal(&second, Signal::TERM);
    assert!(end_of(second).await.success(), "a worker that is asked to stop stops well");
    until_silent(launch.port).await;
    let record = server.job(&task);
    let release = record.release().expect("the job is given back");
    assert_eq!(release.reason, ReturnReason::WorkerStopped, "{release:?}");
    assert!(record.result().is_none());
    redis.stop().await;
}

#[tokio::test]
async fn a_wrong_token_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start("redis://unused", "unused").await;
    let mut child = worker(&server, "another-token", folder.path())
        .env("COMFYUI_URL", format!("http://127.0.0.1:{}", free_port()))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let explained = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("does not accept the worker token") {
                return;
            }
        }
        panic!("the worker ended without a word on its token");
    };
    timeout(PATIENCE, explained).await.expect("a word on the token");
    signal(&child, Signal::TERM);
    assert!(end_of(child).await.success());
}
