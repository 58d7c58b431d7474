//! How to get at a ComfyUI.

use std::path::PathBuf;
use std::time::Duration;

/// Which ComfyUI, and how patient to be with it.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    pub source: EngineSource,
    pub timing: EngineTiming,
}

/// Who runs ComfyUI.
#[derive(Debug, Clone)]
pub enum EngineSource {
    /// Somebody else, at this address.
    Running { url: String },
    /// This worker.
    Launched(LaunchOptions),
}

impl EngineSource {
    pub fn base_url(&self) -> String {
        match self {
            Self::Running { url } => url.clone(),
            Self::Launched(launch) => format!("http://127.0.0.1:{}", launch.port),
        }
    }

    /// Where ComfyUI keeps models, input, output and temporary files, as far as this worker knows.
    pub fn base_dir(&self) -> Option<PathBuf> {
        match self {
            Self::Running { .. } => None,
            Self::Launched(launch) => Some(launch.base_dir.clone()),
        }
    }

    /// Where ComfyUI writes outputs, as far as this worker knows.
    pub fn output_dir(&self) -> Option<PathBuf> {
        Some(self.base_dir()?.join("output"))
    }
}

/// How to start ComfyUI.
#[derive(Debug, Clone)]
pub struct LaunchOptions {
    /// The folder with ComfyUI's `main.py`.
    pub comfyui_dir: PathBuf,
    pub python: PathBuf,
    pub port: u16,
    /// The operator's own arguments, which come last and so win.
    pub args: Vec<String>,
    /// Where ComfyUI keeps models, input, output and temporary files.
    pub base_dir: PathBuf,
}

#[derive(Debug, Clone)]
pub struct EngineTiming {
    /// How long ComfyUI may take from its start to its first answer.
    pub start_limit: Duration,
    /// How often it is asked whether it is well.
    pub check_every: Duration,
    /// How long one answer may take.
    pub check_limit: Duration,
    /// After this many questions without answer, with nothing running, it counts as hung.
    pub misses: u32,
}

impl EngineTiming {
    pub fn new(start_limit: Duration) -> Self {
        Self {
            start_limit,
            check_every: Duration::from_secs(5),
            check_limit: Duration::from_secs(5),
            misses: 6,
        }
    }
}
