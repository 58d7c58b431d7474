//! A real redis-server of the test's own, with data that survives a restart.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use crate::conformance::soon;

pub const PASSWORD: &str = "a-password-for-tests";

pub struct RedisServer {
    child: Child,
    port: u16,
    directory: TempDir,
}

pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

impl RedisServer {
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let child = spawn(port, directory.path());
        let server = Self { child, port, directory };
        server.until_ready().await;
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{}/", self.port)
    }

    pub async fn connect(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// Dies as by SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub async fn restart(&mut self) {
        self.kill();
        self.child = spawn(self.port, self.directory.path());
        self.until_ready().await;
    }

    pub async fn restart_empty(&mut self) {
        self.kill();
        self.directory = tempfile::tempdir().unwrap();
        self.child = spawn(self.port, self.directory.path());
        self.until_ready().await;
    }

    /// Waits for a key to exist.
    pub async fn until_key(&self, key: &str) {
        let mut connection = self.connect().await;
        until(async || redis::cmd("EXISTS").arg(key).query_async(&mut connection).await.unwrap()).await;
    }

    /// Waits for somebody to listen on a channel.
    pub async fn until_subscribed(&self, channel: &str) {
        let mut connection = self.connect().await;
        until(async || {
            let (_, listeners): (String, u32) =
                redis::cmd("PUBSUB").arg("NUMSUB").arg(channel).query_async(&mut connection).await.unwrap();
            listeners > 0
        })
        .await;
    }

    async fn until_ready(&self) {
        let client = redis::Client::open(self.url()).unwrap();
        soon(
            "redis-server answers",
            until(async || match client.get_multiplexed_async_connection().await {
                Ok(mut connection) => redis::cmd("PING").query_async::<()>(&mut connection).await.is_ok(),
                Err(_) => false,
            }),
        )
        .await;
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Fails only if it is dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until the answer is yes. Redis has no way to tell by itself.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    while !holds().await {
        ticks.tick().await;
    }
}

/// Syncs always: with `everysec` a busy disk puts even the write off, and a SIGKILL then
/// loses what was answered, which is the case of lost data and has tests of its own.
fn spawn(port: u16, directory: &Path) -> Child {
    let program = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
    Command::new(&program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--requirepass", PASSWORD])
        .args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"])
        .args(["--daemonize", "no", "--dir"])
        .arg(directory)
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "cannot start `{program}`: {error}; install it with `apt-get install redis-server`, \
                 or name it in REDIS_SERVER"
            )
        })
}
