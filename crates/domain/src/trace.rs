//! What follows one job through every log: a trace id, kept with the job from its queueing on.
//!
//! On the wire it is the trace id of W3C Trace Context, so that a proxy or a collector between
//! server and worker can read it; the parent id there is the number of the attempt.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::JobId;

/// Sixteen bytes, written as 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TraceId(u128);

/// The text is no trace id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a trace id is 32 lower-case hexadecimal digits")]
pub struct InvalidTrace;

impl TraceId {
    pub fn from_uuid(uuid: &Uuid) -> Self {
        Self(uuid.as_u128())
    }

    /// Of a job that was queued before jobs had trace ids.
    pub fn of_job(job: JobId) -> Self {
        Self::from_uuid(job.as_uuid())
    }

    /// The value of the header `traceparent` of what is said about this attempt.
    pub fn traceparent(self, attempt: u32) -> String {
        format!("00-{self}-{attempt:016x}-01")
    }

    /// Trace and attempt of the header `traceparent`; nothing if it is not one of ours.
    pub fn from_traceparent(header: &str) -> Option<(Self, u32)> {
        let rest = header.strip_prefix("00-")?;
        let (trace, rest) = rest.split_once('-')?;
        let (parent, _flags) = rest.split_once('-')?;
        let attempt = if parent.len() == 16 { u32::from_str_radix(parent, 16).ok()? } else { return None };
        Some((trace.parse().ok()?, attempt))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl FromStr for TraceId {
    type Err = InvalidTrace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u128::from_str_radix(text, 16).ok().filter(|_| digits);
        number.map(Self).ok_or(InvalidTrace)
    }
}

impl From<TraceId> for String {
    fn from(trace: TraceId) -> Self {
        trace.to_string()
    }
}

impl TryFrom<String> for TraceId {
    type Error = InvalidTrace;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_and_its_attempt_survive_the_header() {
        let trace: TraceId = "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap();
        let header = trace.traceparent(3);
        assert_eq!(header, "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000003-01");
        assert_eq!(TraceId::from_traceparent(&header), Some((trace, 3)));
    }

    #[test]
    fn what_is_no_traceparent_of_ours_is_left_alone() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        for header in [
            String::new(),
            trace.to_owned(),
            format!("01-{trace}-0000000000000003-01"),
            format!("00-{}-0000000000000003-01", trace.to_uppercase()),
            format!("00-{trace}-3-01"),
            format!("00-{trace}-00f067aa0ba902b7-01"),
            format!("00-{}-0000000000000003-01", "é".repeat(16)),
        ] {
            assert_eq!(TraceId::from_traceparent(&header), None, "{header}");
        }
    }

    #[test]
    fn a_trace_is_written_in_one_way_only() {
        let job = JobId::from_uuid(Uuid::from_u128(5));
        assert_eq!(TraceId::of_job(job).to_string(), format!("{:032}", 5));
        for text in ["", "5", "+0000000000000000000000000000005", "0000000000000000000000000000000G"] {
            assert!(text.parse::<TraceId>().is_err(), "{text}");
        }
    }
}
