//! Whether jobs can run now.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineState {
    /// At least one engine takes jobs.
    Ready,
    /// A worker is there and its ComfyUI is coming up.
    Starting,
    /// No worker is there; jobs wait, and the editor works.
    Away,
    /// None has ever been there, so there is nothing to edit with yet.
    NeverSeen,
}

impl EngineState {
    /// In two words, for a badge.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "GPU ready",
            Self::Starting => "GPU starting",
            Self::Away => "GPU away",
            Self::NeverSeen => "No GPU yet",
        }
    }

    /// The ending of its CSS classes.
    pub fn modifier(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Away => "away",
            Self::NeverSeen => "never-seen",
        }
    }
}

#[cfg(feature = "ssr")]
impl From<workshop::overview::EngineStatus> for EngineState {
    fn from(status: workshop::overview::EngineStatus) -> Self {
        use workshop::overview::EngineStatus;
        match status {
            EngineStatus::Ready => Self::Ready,
            EngineStatus::Starting => Self::Starting,
            EngineStatus::Away => Self::Away,
            EngineStatus::NeverSeen => Self::NeverSeen,
        }
    }
}
