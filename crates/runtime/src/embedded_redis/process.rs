//! One redis-server process: who is on the port, starting, its log, stopping.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError as ClientError, RetryMethod};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::RedisError;
use super::settings::PrivateSettings;

/// Reading a long log back takes a while.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const READY_CHECK: Duration = Duration::from_millis(20);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Writing the log to the disk before the end.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of its log is kept for telling why it ended.
const KEPT_LINES: usize = 8;

/// The Redis that runs now.
pub(super) enum Instance {
    Child(Child),
    /// Left over from an earlier server: not our child.
    Adopted,
}

/// Who answers on the port.
pub(super) enum Occupant {
    Nobody,
    /// It knows our password and uses our directory.
    Ours,
    Stranger,
}

impl Instance {
    /// Starts it and waits until it answers.
    pub(super) async fn spawn(settings: &PrivateSettings) -> Result<Self, RedisError> {
        let mut child = Command::new(&settings.program)
            .arg(&settings.file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal goes to the whole group; Redis is to stop last, and by us.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => {
                    RedisError::NotInstalled { program: settings.program.display().to_string() }
                }
                _ => RedisError::Spawn(error),
            })?;
        let last_lines = LastLines::default();
        let output = pass_on(child.stdout.take(), last_lines.clone());
        let errors = pass_on(child.stderr.take(), last_lines.clone());
        let ended = tokio::select! {
            ready = until_ready(settings) => return ready.map(|()| Self::Child(child)),
            ended = child.wait() => ended,
        };
        let status = ended.map_err(RedisError::Spawn)?;
        // Its last words may still be on their way.
        if let Err(error) = tokio::try_join!(output, errors) {
            tracing::warn!(%error, "the log of redis was cut off");
        }
        Err(RedisError::EndedAtOnce { status, last_lines: last_lines.text() })
    }

    /// Lets it write what it has and end; kills a child that does not.
    pub(super) async fn stop(self, settings: &PrivateSettings) {
        // The command SHUTDOWN does what SIGTERM does, and reaches one that is no child of ours.
        // It has no answer: the connection ends.
        let asked = async {
            let mut connection = connect(settings).await?;
            redis::cmd("SHUTDOWN").query_async::<()>(&mut connection).await
        };
        if let Err(error) = asked.await
            && !error.is_connection_dropped()
        {
            tracing::warn!(%error, "redis did not take the order to stop");
        }
        match self {
            Self::Child(mut child) => match timeout(STOP_TIMEOUT, child.wait()).await {
                Ok(Ok(status)) => tracing::info!(%status, "redis stopped"),
                Ok(Err(error)) => tracing::error!(%error, "redis can no longer be watched"),
                Err(_elapsed) => {
                    tracing::warn!("redis does not stop; killing it");
                    if let Err(error) = child.kill().await {
                        tracing::error!(%error, "redis cannot be killed");
                    }
                }
            },
            Self::Adopted => {
                let gone = async {
                    while !matches!(occupant(settings).await, Occupant::Nobody) {
                        sleep(READY_CHECK).await;
                    }
                };
                match timeout(STOP_TIMEOUT, gone).await {
                    Ok(()) => tracing::info!("redis stopped"),
                    Err(_elapsed) => tracing::error!("redis does not stop and is not our child; leaving it"),
                }
            }
        }
    }
}

pub(super) async fn occupant(settings: &PrivateSettings) -> Occupant {
    let port = settings.port;
    match timeout(ANSWER_TIMEOUT, TcpStream::connect((Ipv4Addr::LOCALHOST, port))).await {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => return Occupant::Nobody,
        _ => {}
    }
    match directory(settings).await {
        Ok(directory) if settings.directory.as_os_str() == directory.as_str() => Occupant::Ours,
        // It let us in, and is reading our data back.
        Err(error) if matches!(error.retry_method(), RetryMethod::WaitAndRetry) => Occupant::Ours,
        _ => Occupant::Stranger,
    }
}

/// The directory that the Redis on the port works in.
async fn directory(settings: &PrivateSettings) -> Result<String, ClientError> {
    let mut connection = connect(settings).await?;
    let (_, directory): (String, String) =
        redis::cmd("CONFIG").arg("GET").arg("dir").query_async(&mut connection).await?;
    Ok(directory)
}

pub(super) async fn until_ready(settings: &PrivateSettings) -> Result<(), RedisError> {
    let deadline = Instant::now() + READY_TIMEOUT;
    loop {
        let answer = async {
            let mut connection = connect(settings).await?;
            redis::cmd("PING").query_async::<()>(&mut connection).await
        };
        match answer.await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= deadline => {
                return Err(RedisError::NotReady { seconds: READY_TIMEOUT.as_secs(), source: Some(error) });
            }
            Err(_not_yet) => sleep(READY_CHECK).await,
        }
    }
}

async fn connect(settings: &PrivateSettings) -> Result<MultiplexedConnection, ClientError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWER_TIMEOUT))
        .set_response_timeout(Some(ANSWER_TIMEOUT));
    Client::open(settings.url().expose())?.get_multiplexed_async_connection_with_config(&config).await
}

/// The end of the log, for saying why the process ended.
#[derive(Clone, Default)]
struct LastLines(Arc<Mutex<VecDeque<String>>>);

impl LastLines {
    fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Passes the log of the process to ours until it closes.
fn pass_on(output: Option<impl AsyncRead + Unpin + Send + 'static>, last_lines: LastLines) -> JoinHandle<()> {
    tokio::spawn(async move {
        let Some(output) = output else { return };
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let (mark, message) = split(&line);
            // Its `#` is for warnings and for each start's greeting alike.
            match mark {
                Some('#') | None => tracing::info!(target: "redis", "{message}"),
                Some(_) => tracing::debug!(target: "redis", "{message}"),
            }
            last_lines.push(message.to_owned());
        }
    })
}

/// Level mark and message of `pid:role day month year time mark message`.
fn split(line: &str) -> (Option<char>, &str) {
    let mut fields = line.splitn(7, ' ');
    let mark = fields.nth(5);
    match (mark, fields.next()) {
        (Some(mark @ ("." | "-" | "*" | "#")), Some(message)) => (mark.chars().next(), message),
        _ => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_lose_their_own_time() {
        let line = "1234:M 23 Nov 2026 18:01:20.123 * Ready to accept connections";
        assert_eq!(split(line), (Some('*'), "Ready to accept connections"));
        assert_eq!(split("something else entirely"), (None, "something else entirely"));
        assert_eq!(split(""), (None, ""));
    }
}
