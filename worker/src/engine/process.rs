//! One ComfyUI process and all its children.
//!
//! It runs in a process group of its own, which ends as a whole: on [`EngineProcess::stop`],
//! and by a guard process should this one be killed without a chance to clean up.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinSet;

use super::LaunchOptions;
use super::output::{EngineOutput, relay};

/// How long ComfyUI may take to end after it was asked to.
const STOP_LIMIT: Duration = Duration::from_secs(5);
const LAST_WORDS_LIMIT: Duration = Duration::from_millis(500);
/// Inputs come by HTTP, and videos are large. In MiB.
const MAX_UPLOAD: &str = "16384";

/// Waits for a word; where its input ends without one, whoever held it was killed.
const GUARD: &str = r#"read -r word && exit 0; kill -s KILL -- "-$1""#;

#[derive(Debug)]
pub struct EngineProcess {
    child: Child,
    group: Pid,
    guard: Guard,
    readers: JoinSet<()>,
    output: EngineOutput,
}

impl EngineProcess {
    /// Starts ComfyUI.
    pub async fn start(options: &LaunchOptions) -> io::Result<Self> {
        // ComfyUI makes every folder that it needs but this one, without which it does not start.
        tokio::fs::create_dir_all(options.base_dir.join("custom_nodes")).await?;
        // Its database would otherwise be below its own program, which need not be writable.
        let user_dir = options.base_dir.join("user");
        tokio::fs::create_dir_all(&user_dir).await?;
        let database_url = format!("sqlite:///{}", user_dir.join("comfyui.db").display());
        let mut child = Command::new(&options.python)
            .arg(options.comfyui_dir.join("main.py"))
            .args(["--listen", "127.0.0.1", "--port", &options.port.to_string()])
            .arg("--base-directory")
            .arg(&options.base_dir)
            .args(["--preview-method", "auto", "--disable-auto-launch", "--disable-api-nodes"])
            .args(["--max-upload-size", MAX_UPLOAD, "--database-url", &database_url])
            .args(&options.args)
            .current_dir(&options.comfyui_dir)
            // Otherwise the last lines before a crash would be lost in a buffer.
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let group = id.and_then(Pid::from_raw).ok_or_else(|| io::Error::other("comfyui ended at once"))?;
        let guard = match Guard::start(group) {
            Ok(guard) => guard,
            Err(error) => {
                child.kill().await?;
                return Err(error);
            }
        };
        let output = EngineOutput::default();
        let mut readers = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            readers.spawn(relay(stdout, output.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.spawn(relay(stderr, output.clone()));
        }
        Ok(Self { child, group, guard, readers, output })
    }

    pub fn pid(&self) -> u32 {
        self.group.as_raw_nonzero().get().unsigned_abs()
    }

    /// What it writes; shared with the reader of it.
    pub fn output(&self) -> EngineOutput {
        self.output.clone()
    }

    /// Waits for ComfyUI to end by itself; says how, for the operator.
    pub async fn ended(&mut self) -> String {
        let how = match self.child.wait().await {
            Ok(status) => describe(status),
            Err(error) => format!("comfyui's end could not be seen: {error}"),
        };
        // What it wrote last may still be on its way to us. A child of its own may hold the
        // stream open, so this is not waited for without limit.
        let reading = async { while self.readers.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST_WORDS_LIMIT, reading).await;
        match self.output.last() {
            Some(line) => format!("{how}; its last words: {line}"),
            None => how,
        }
    }

    /// Ends ComfyUI and everything that it started.
    pub async fn stop(mut self) {
        // An error means that the group is gone already.
        let _ = kill_process_group(self.group, Signal::TERM);
        if tokio::time::timeout(STOP_LIMIT, self.child.wait()).await.is_err() {
            tracing::warn!("comfyui did not end by itself and is killed");
        }
        let _ = kill_process_group(self.group, Signal::KILL);
        if let Err(error) = self.child.wait().await {
            tracing::warn!("comfyui's end could not be seen: {error}");
        }
        self.guard.dismiss().await;
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (_, Some(9)) => {
            "comfyui was killed (signal 9), as happens when the machine runs out of memory".to_owned()
        }
        (_, Some(signal)) => format!("comfyui died of signal {signal}"),
        (Some(code), None) => format!("comfyui ended with code {code}"),
        (None, None) => "comfyui ended".to_owned(),
    }
}

/// A tiny process that outlives us by a moment, should we be killed, and takes ComfyUI along.
#[derive(Debug)]
struct Guard {
    child: Child,
    word: Option<ChildStdin>,
}

impl Guard {
    fn start(group: Pid) -> io::Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", GUARD, "comfyui-guard", &group.as_raw_nonzero().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C in the terminal must not reach it before us.
            .process_group(0)
            .spawn()?;
        let word = child.stdin.take();
        Ok(Self { child, word })
    }

    async fn dismiss(&mut self) {
        let dismissed = match self.word.take() {
            Some(mut word) => word.write_all(b"done\n").await,
            None => Ok(()),
        };
        if let Err(error) = dismissed.and(self.child.wait().await.map(drop)) {
            tracing::debug!("the guard was gone already: {error}");
        }
    }
}
