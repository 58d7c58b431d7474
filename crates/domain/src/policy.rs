//! How the queue is shared out, and what a participant is told about waiting in it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whose job is next among jobs of one priority. Switched while the workshop runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedulingMode {
    /// First in, first out.
    #[default]
    Fifo,
    /// Seats in turn, the least recently served first.
    RoundRobin,
    /// Seats share the GPU's time evenly, however long their jobs are.
    Fair,
}

/// Classes that stand above any mode: a job of a higher one goes before all of a lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    #[default]
    Normal,
    /// The instructor moved it up.
    Raised,
    /// The instructor shows it to the room now.
    Demo,
}

/// Why a job does not execute yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// On a worker, or about to be handed to one: up next.
    Prepared,
    /// So many jobs start before it or execute now.
    Behind {
        jobs: u32,
    },
    /// Its seat has as many jobs on workers as one seat may have.
    SeatLimit,
    SeatPaused,
    QueuePaused,
    /// No worker takes jobs.
    NoWorker,
}

/// When a job will likely start, counted from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartWindow {
    /// As likely before as after if nothing more arrives; later where newcomers overtake.
    pub p50_ms: u64,
    /// By then in nine of ten cases, jobs that may yet arrive and overtake allowed for.
    pub p90_ms: u64,
}

impl SchedulingMode {
    pub const ALL: [Self; 3] = [Self::Fifo, Self::RoundRobin, Self::Fair];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::RoundRobin => "round_robin",
            Self::Fair => "fair",
        }
    }
}

impl Priority {
    pub const ALL: [Self; 3] = [Self::Normal, Self::Raised, Self::Demo];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Raised => "raised",
            Self::Demo => "demo",
        }
    }
}

impl fmt::Display for SchedulingMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for SchedulingMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|mode| mode.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is none of `fifo`, `round_robin`, `fair`"))
    }
}

impl FromStr for Priority {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|priority| priority.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is none of `normal`, `raised`, `demo`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_say_the_same() {
        for mode in SchedulingMode::ALL {
            assert_eq!(mode.to_string().parse(), Ok(mode));
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.to_string());
        }
        for priority in Priority::ALL {
            assert_eq!(priority.to_string().parse(), Ok(priority));
            assert_eq!(serde_json::to_value(priority).unwrap(), priority.to_string());
        }
        assert!("FIFO".parse::<SchedulingMode>().is_err());
        assert!("".parse::<Priority>().is_err());
    }

    #[test]
    fn a_demo_stands_above_all() {
        assert!(Priority::Demo > Priority::Raised && Priority::Raised > Priority::Normal);
    }

    #[test]
    fn reasons_are_readable_on_the_wire() {
        let json = |reason| serde_json::to_string(&reason).unwrap();
        assert_eq!(json(WaitReason::SeatLimit), r#""seat_limit""#);
        assert_eq!(json(WaitReason::Behind { jobs: 2 }), r#"{"behind":{"jobs":2}}"#);
    }
}
