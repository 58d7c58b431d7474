//! How the queue is shared, as pages show it.

use domain::SchedulingMode;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuePolicyView {
    pub mode: SchedulingMode,
    pub is_paused: bool,
    /// Nothing is no limit.
    pub max_queued_per_seat: Option<u32>,
    pub max_running_per_seat: Option<u32>,
    /// What the instructor tells everybody.
    pub announcement: Option<String>,
}

/// The mode in a word or two.
pub fn mode_word(mode: SchedulingMode) -> &'static str {
    match mode {
        SchedulingMode::Fifo => "First come, first served",
        SchedulingMode::RoundRobin => "Taking turns",
        SchedulingMode::Fair => "Equal GPU time",
    }
}

/// The mode in a sentence, for whoever has to choose.
pub fn mode_sentence(mode: SchedulingMode) -> &'static str {
    match mode {
        SchedulingMode::Fifo => "Jobs run in the order in which they were queued.",
        SchedulingMode::RoundRobin => "Seats take turns, one job each, whoever was served longest ago first.",
        SchedulingMode::Fair => "Seats get the same GPU time: long jobs wait for other people's short ones.",
    }
}

#[cfg(feature = "ssr")]
impl From<workshop::overview::QueuePolicy> for QueuePolicyView {
    fn from(policy: workshop::overview::QueuePolicy) -> Self {
        Self {
            mode: policy.mode,
            is_paused: policy.is_paused,
            max_queued_per_seat: policy.max_queued_per_seat,
            max_running_per_seat: policy.max_running_per_seat,
            announcement: policy.announcement,
        }
    }
}
