//! Finds and ends a ComfyUI that an earlier worker left behind.
//!
//! A note in ComfyUI's base folder names the process and the moment it started, so that a
//! number which the system has given to another process since is never taken for ours.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

const END_LIMIT: Duration = Duration::from_secs(10);

/// The note on the process that serves this port.
#[derive(Debug)]
pub struct ProcessNote {
    path: PathBuf,
}

impl ProcessNote {
    pub fn new(base_dir: &Path, port: u16) -> Self {
        Self { path: base_dir.join(format!(".comfy-multi-engine-{port}")) }
    }

    pub fn write(&self, pid: u32) -> io::Result<()> {
        let started = start_moment(pid).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        std::fs::write(&self.path, format!("{pid} {started}\n"))
    }

    pub fn remove(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Ends the process group that the note names, if it still exists. True where it did.
    pub async fn end_leftover(&self) -> io::Result<bool> {
        let note = match std::fs::read_to_string(&self.path) {
            Ok(note) => note,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let Some((pid, started)) = parse(&note) else { return Ok(false) };
        if start_moment(pid) != Some(started) {
            return Ok(false);
        }
        let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(false) };
        kill_process_group(group, Signal::KILL)?;
        let gone = async {
            while start_moment(pid) == Some(started) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(END_LIMIT, gone).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        Ok(true)
    }
}

fn parse(note: &str) -> Option<(u32, u64)> {
    let (pid, started) = note.trim().split_once(' ')?;
    Some((pid.parse().ok()?, started.parse().ok()?))
}

/// When a process started, in the system's ticks since boot; `None` where there is none, or
/// only what its parent has yet to collect.
fn start_moment(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may itself hold spaces and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn what_an_earlier_worker_left_behind_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let note = ProcessNote::new(folder.path(), 8188);
        let mut child = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        note.write(child.id()).unwrap();
        assert!(note.end_leftover().await.unwrap());
        assert!(!child.wait().unwrap().success());
    }

    #[tokio::test]
    async fn another_process_with_the_same_number_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let note = ProcessNote::new(folder.path(), 8188);
        let mut child = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        std::fs::write(folder.path().join(".comfy-multi-engine-8188"), format!("{} 1\n", child.id()))
            .unwrap();
        assert!(!note.end_leftover().await.unwrap());
        assert!(child.try_wait().unwrap().is_none(), "it still runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn without_a_note_there_is_nothing_to_end() {
        let folder = tempfile::tempdir().unwrap();
        let note = ProcessNote::new(folder.path(), 8188);
        assert!(!note.end_leftover().await.unwrap());
        note.remove().unwrap();
    }
}
