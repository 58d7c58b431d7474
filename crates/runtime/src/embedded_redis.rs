//! A private Redis, run by the server as a child process.
//!
//! Invariants: it listens on loopback only and wants a password that only the data
//! directory knows; its data lies there too and outlives it; while the handle lives, a
//! Redis that dies is started again; and one left over from a server that was killed is
//! taken over rather than fought.

mod process;
mod settings;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use redis::RedisError as ClientError;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use process::{Instance, Occupant};
use settings::PrivateSettings;

/// How often a Redis that is not our child is looked after.
const ADOPTED_CHECK: Duration = Duration::from_secs(1);
const FIRST_RESTART_DELAY: Duration = Duration::from_millis(200);
const LONGEST_RESTART_DELAY: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct EmbeddedRedisOptions {
    /// Its data, settings and password. Made if it is not there.
    pub directory: PathBuf,
    /// The setting REDIS_PORT.
    pub port: u16,
    /// The redis-server to run, looked up in PATH if it is a bare name.
    pub program: PathBuf,
}

impl EmbeddedRedisOptions {
    pub fn new(data_dir: &Path, port: u16) -> Self {
        Self { directory: data_dir.join("redis"), port, program: PathBuf::from("redis-server") }
    }
}

/// Why the private Redis does not run.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    #[error(
        "`{program}` is not installed: run `apt-get install redis-server`, or set REDIS_URL to a Redis of your own"
    )]
    NotInstalled { program: String },
    #[error(
        "port {port} is in use by another program: set REDIS_PORT to a free one, or REDIS_URL to a Redis of your own"
    )]
    PortTaken { port: u16 },
    #[error("`{path}` cannot be {action}")]
    Directory {
        action: &'static str,
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("redis-server cannot be started")]
    Spawn(#[source] std::io::Error),
    #[error("redis-server ended at once ({status}); its last words:\n{last_lines}")]
    EndedAtOnce { status: ExitStatus, last_lines: String },
    #[error("redis-server did not answer within {seconds} s")]
    NotReady {
        seconds: u64,
        #[source]
        source: Option<ClientError>,
    },
}

/// Runs while this lives. Dropping it stops Redis too, only without waiting.
pub struct EmbeddedRedis {
    stopping: DropGuard,
    supervisor: JoinHandle<()>,
}

impl EmbeddedRedis {
    /// Starts it, or takes over one left running, and waits until it answers. Gives its URL,
    /// which holds the password.
    pub async fn start(options: EmbeddedRedisOptions) -> Result<(String, Self), RedisError> {
        let settings = PrivateSettings::prepare(&options)?;
        let instance = launch(&settings).await?;
        let url = settings.url().expose().to_owned();
        let stopping = CancellationToken::new();
        let supervisor = tokio::spawn(supervise(settings, instance, stopping.clone()));
        Ok((url, Self { stopping: stopping.drop_guard(), supervisor }))
    }

    /// Lets it write its data and waits for its end.
    pub async fn stop(self) {
        drop(self.stopping);
        if let Err(error) = self.supervisor.await {
            tracing::error!(%error, "the embedded redis was not stopped properly");
        }
    }
}

async fn launch(settings: &PrivateSettings) -> Result<Instance, RedisError> {
    match process::occupant(settings).await {
        Occupant::Nobody => Instance::spawn(settings).await,
        Occupant::Ours => {
            tracing::info!(port = settings.port, "taking over the redis of an earlier server");
            process::until_ready(settings).await?;
            Ok(Instance::Adopted)
        }
        Occupant::Stranger => Err(RedisError::PortTaken { port: settings.port }),
    }
}

async fn supervise(settings: PrivateSettings, mut instance: Instance, stopping: CancellationToken) {
    loop {
        tokio::select! {
            () = stopping.cancelled() => {
                instance.stop(&settings).await;
                return;
            }
            () = ended(&mut instance, &settings) => {}
        }
        let mut delay = FIRST_RESTART_DELAY;
        instance = loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(delay) => {}
            }
            match launch(&settings).await {
                Ok(instance) => break instance,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "redis cannot be started again"
                    );
                }
            }
            delay = (delay * 2).min(LONGEST_RESTART_DELAY);
        };
        tracing::info!("redis runs again");
    }
}

/// Waits until the instance is dead.
async fn ended(instance: &mut Instance, settings: &PrivateSettings) {
    match instance {
        Instance::Child(child) => match child.wait().await {
            Ok(status) => tracing::warn!(%status, "redis died; starting it again"),
            Err(error) => tracing::error!(%error, "redis can no longer be watched; starting it again"),
        },
        Instance::Adopted => {
            let mut ticks = tokio::time::interval(ADOPTED_CHECK);
            loop {
                ticks.tick().await;
                if let Occupant::Nobody = process::occupant(settings).await {
                    tracing::warn!("redis died; starting it again");
                    return;
                }
            }
        }
    }
}
