//! What the programs take at one moment, as the machine and Redis tell it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::records::Records;
use crate::world::World;

/// One look at everything.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// Since the soak began.
    pub at_seconds: f64,
    pub jobs: u32,
    pub jobs_ended: u32,
    /// The server and the workers, by name.
    pub processes: BTreeMap<String, Process>,
    pub database_bytes: u64,
    pub wal_bytes: u64,
    pub redis_bytes: u64,
    pub redis_keys: u64,
    /// Below all seats' folders.
    pub seat_files: u64,
}

/// What one process takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Process {
    pub memory_bytes: u64,
    /// Open file handles that are no sockets.
    pub files: u64,
    pub sockets: u64,
    pub threads: u64,
}

/// Looks again and again at the same workshop.
pub struct Sampler {
    begun: Instant,
    pids: Vec<(String, u32)>,
    data_dir: PathBuf,
    seats_dir: PathBuf,
    redis_port: u16,
    records: Records,
}

impl Sampler {
    pub async fn new(world: &World) -> anyhow::Result<Self> {
        Ok(Self {
            begun: Instant::now(),
            pids: world.pids(),
            data_dir: world.data_dir().to_owned(),
            seats_dir: world.seats_dir(),
            redis_port: world.redis_port(),
            records: Records::open(&world.database()).await?,
        })
    }

    pub async fn look(&mut self) -> anyhow::Result<Sample> {
        let (jobs, jobs_ended) = self.records.counts().await?;
        let (redis_bytes, redis_keys) = look_at_redis(self.redis_port).await.context("Redis")?;
        let seats = self.seats_dir.clone();
        let seat_files = tokio::task::spawn_blocking(move || count_files(&seats)).await?;
        let process = |(name, pid): &(String, u32)| {
            let process = look_at_process(*pid).with_context(|| format!("{name} cannot be looked at"))?;
            Ok((name.clone(), process))
        };
        Ok(Sample {
            at_seconds: self.begun.elapsed().as_secs_f64(),
            jobs,
            jobs_ended,
            processes: self.pids.iter().map(process).collect::<anyhow::Result<_>>()?,
            database_bytes: bytes_of_files(&self.data_dir, ".sqlite")?,
            wal_bytes: bytes_of_files(&self.data_dir, ".sqlite-wal")?,
            redis_bytes,
            redis_keys,
            seat_files,
        })
    }
}

fn look_at_process(pid: u32) -> anyhow::Result<Process> {
    let folder = Path::new("/proc").join(pid.to_string());
    let status = std::fs::read_to_string(folder.join("status"))?;
    let (mut files, mut sockets) = (0, 0);
    for entry in std::fs::read_dir(folder.join("fd"))? {
        // One that is closed meanwhile counts for nothing.
        let Ok(target) = std::fs::read_link(entry?.path()) else { continue };
        if target.to_string_lossy().starts_with("socket:") { sockets += 1 } else { files += 1 }
    }
    Ok(Process {
        memory_bytes: 1024 * number_after(&status, "VmRSS:").context("no VmRSS")?,
        files,
        sockets,
        threads: number_after(&status, "Threads:").context("no Threads")?,
    })
}

/// Memory in use and the number of keys.
async fn look_at_redis(port: u16) -> anyhow::Result<(u64, u64)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(b"INFO memory\r\nDBSIZE\r\nQUIT\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    parse_redis(&answer)
}

fn parse_redis(answer: &str) -> anyhow::Result<(u64, u64)> {
    ensure!(answer.starts_with('$'), "an answer of another kind: {answer}");
    let bytes = number_after(answer, "used_memory:").context("no used_memory")?;
    let keys = number_after(answer, ":").context("no DBSIZE")?;
    Ok((bytes, keys))
}

/// In the first line that begins so.
fn number_after(text: &str, beginning: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(beginning))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Together, of the files in the folder whose names end so.
fn bytes_of_files(folder: &Path, end: &str) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(end) {
            bytes += entry.metadata().map_or(0, |metadata| metadata.len());
        }
    }
    Ok(bytes)
}

/// Below the folder; what goes away meanwhile is not there.
fn count_files(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let count = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => count_files(&entry.path()),
        Ok(_) => 1,
        Err(_) => 0,
    };
    entries.flatten().map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_looked_at() -> anyhow::Result<()> {
        let before = look_at_process(std::process::id())?;
        assert!(before.memory_bytes > 100_000 && before.threads > 0 && before.files > 0);
        let sockets: Vec<_> =
            (0..20).map(|_| std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>()?;
        let after = look_at_process(std::process::id())?;
        assert!(after.sockets >= before.sockets + 20, "{before:?} {after:?} {}", sockets.len());
        Ok(())
    }

    #[test]
    fn what_redis_answers_is_understood() -> anyhow::Result<()> {
        let answer =
            "$60\r\n# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\n\r\n:12\r\n+OK\r\n";
        assert_eq!(parse_redis(answer)?, (1_048_576, 12));
        assert!(parse_redis("-NOAUTH Authentication required.\r\n").is_err());
        Ok(())
    }
}
