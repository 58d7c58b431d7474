//! The embedded Redis against the real redis-server.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect fails")]

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use runtime::{EmbeddedRedis, EmbeddedRedisOptions, RedisError};

const PATIENCE: Duration = Duration::from_secs(30);

fn options(data_dir: &Path) -> EmbeddedRedisOptions {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let mut options = EmbeddedRedisOptions::new(data_dir, port);
    if let Ok(program) = std::env::var("REDIS_SERVER") {
        options.program = PathBuf::from(program);
    }
    options
}

async fn start(options: &EmbeddedRedisOptions) -> (String, EmbeddedRedis) {
    EmbeddedRedis::start(options.clone()).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn connect(url: &str) -> Option<MultiplexedConnection> {
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.ok()
}

/// A field of INFO; of the Redis that is there now or soon.
async fn info(url: &str, field: &str) -> String {
    let answered = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            let Some(mut connection) = connect(url).await else { continue };
            if let Ok(text) = redis::cmd("INFO").query_async::<String>(&mut connection).await {
                return text;
            }
        }
    };
    let text = tokio::time::timeout(PATIENCE, answered).await.expect("redis answers");
    let start = format!("{field}:");
    text.lines().find_map(|line| line.strip_prefix(&start)).expect("the field is there").to_owned()
}

async fn set(url: &str, key: &str, value: &str) {
    let mut connection = connect(url).await.unwrap();
    redis::cmd("SET").arg(key).arg(value).query_async::<()>(&mut connection).await.unwrap();
}

async fn get(url: &str, key: &str) -> Option<String> {
    redis::cmd("GET").arg(key).query_async(&mut connect(url).await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn it_runs_privately_and_keeps_its_data_over_a_stop() {
    let data_dir = tempfile::tempdir().unwrap();
    let options = options(data_dir.path());
    let (url, redis) = start(&options).await;
    set(&url, "kept", "yes").await;
    let without_password = format!("redis://127.0.0.1:{}/", options.port);
    let mut stranger = connect(&without_password).await.unwrap();
    assert!(redis::cmd("GET").arg("kept").query_async::<Option<String>>(&mut stranger).await.is_err());
    redis.stop().await;
    assert!(connect(&url).await.is_none(), "it still runs");

    for name in ["password", "redis.conf"] {
        let mode = std::fs::metadata(options.directory.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let (second_url, redis) = start(&options).await;
    assert_eq!(second_url, url);
    assert_eq!(get(&url, "kept").await.as_deref(), Some("yes"));
    redis.stop().await;
}

#[tokio::test]
async fn one_that_is_killed_is_started_again() {
    let data_dir = tempfile::tempdir().unwrap();
    let (url, redis) = start(&options(data_dir.path())).await;
    let first = info(&url, "process_id").await;
    let killed = Command::new("kill").args(["-KILL", &first]).status().unwrap();
    assert!(killed.success());
    let restarted = async { while info(&url, "process_id").await == first {} };
    tokio::time::timeout(PATIENCE, restarted).await.expect("it is started again");
    redis.stop().await;
}

#[tokio::test]
async fn one_left_over_is_taken_over_watched_and_stopped() {
    let data_dir = tempfile::tempdir().unwrap();
    let options = options(data_dir.path());
    // The files of an earlier server, and its Redis that nobody stopped.
    let (url, redis) = start(&options).await;
    redis.stop().await;
    let mut left_over = Command::new(&options.program)
        .arg(options.directory.join("redis.conf"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let run = info(&url, "run_id").await;

    let (same_url, redis) = start(&options).await;
    assert_eq!(same_url, url);
    assert_eq!(info(&url, "run_id").await, run);

    left_over.kill().unwrap();
    left_over.wait().unwrap();
    assert_ne!(info(&url, "run_id").await, run, "a dead one is replaced");
    redis.stop().await;
    assert!(connect(&url).await.is_none(), "it still runs");
}

#[tokio::test]
async fn an_adopted_one_is_stopped_too() {
    let data_dir = tempfile::tempdir().unwrap();
    let options = options(data_dir.path());
    let (url, redis) = start(&options).await;
    redis.stop().await;
    let mut left_over = Command::new(&options.program)
        .arg(options.directory.join("redis.conf"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    info(&url, "run_id").await;
    let (_, redis) = start(&options).await;
    redis.stop().await;
    assert!(left_over.wait().unwrap().success());
}

#[tokio::test]
async fn a_port_in_use_is_told_with_the_setting() {
    let data_dir = tempfile::tempdir().unwrap();
    let other_dir = tempfile::tempdir().unwrap();
    let first = options(data_dir.path());
    let (_, redis) = start(&first).await;
    // Another data directory: another password.
    let second = EmbeddedRedisOptions { directory: other_dir.path().join("redis"), ..first };
    let error = EmbeddedRedis::start(second).await.err().expect("the port is taken");
    assert!(matches!(error, RedisError::PortTaken { .. }), "{error}");
    assert!(error.to_string().contains("REDIS_PORT"), "{error}");
    redis.stop().await;
}

#[tokio::test]
async fn a_missing_program_is_told_with_the_remedy() {
    let data_dir = tempfile::tempdir().unwrap();
    let options =
        EmbeddedRedisOptions { program: PathBuf::from("no-such-redis-server"), ..options(data_dir.path()) };
    let error = EmbeddedRedis::start(options).await.err().expect("there is none");
    assert!(error.to_string().contains("apt-get install redis-server"), "{error}");
}

#[tokio::test]
async fn one_that_ends_at_once_is_told_with_its_last_words() {
    let data_dir = tempfile::tempdir().unwrap();
    let options = options(data_dir.path());
    let append_only = options.directory.join("appendonlydir");
    std::fs::create_dir_all(&append_only).unwrap();
    std::fs::write(append_only.join("appendonly.aof.manifest"), "not a manifest\n").unwrap();
    let error = EmbeddedRedis::start(options).await.err().expect("its data is broken");
    assert!(
        matches!(&error, RedisError::EndedAtOnce { last_lines, .. } if !last_lines.is_empty()),
        "{error}"
    );
}
