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
    /// With something running it counts as hung after so long without an answer: a node that
    /// holds Python's interpreter lock delays every answer.
    pub hang_limit: Duration,
}

impl EngineTiming {
    pub fn new(start_limit: Duration) -> Self {
        Self {
            start_limit,
            check_every: Duration::from_secs(5),
            check_limit: Duration::from_secs(5),
            misses: 6,
            hang_limit: Duration::from_secs(300),
        }
    }

    /// Whether a ComfyUI that left so many questions in a row unanswered, over this time, is hung.
    pub(super) fn is_hung(&self, misses: u32, silence: Duration, is_busy: bool) -> bool {
        if is_busy { silence >= self.hang_limit } else { misses >= self.misses }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_comfyui_may_be_silent_for_longer_but_not_for_ever() {
        let timing = EngineTiming::new(Duration::from_secs(1));
        assert!(!timing.is_hung(5, Duration::from_secs(50), false));
        assert!(timing.is_hung(6, Duration::from_secs(60), false));
        assert!(!timing.is_hung(29, Duration::from_secs(299), true));
        assert!(timing.is_hung(30, Duration::from_secs(300), true));
    }
}
