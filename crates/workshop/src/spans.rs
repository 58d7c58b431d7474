//! One scheme for all log lines about a job: they bear its ids by the span that they are in, and
//! name none themselves.
//!
//! The spans are of the level `error`, so that no LOG leaves the ids out of a line that it keeps.

use domain::{TraceId, WorkerId};
use store::StoredJob;
use tracing::Span;
use tracing::field::{Empty, display};

/// The span of what is done about a job as it is stored.
macro_rules! job_span {
    ($name:literal, $stored:expr) => {{
        let stored: &store::StoredJob = $stored;
        tracing::error_span!(
            $name,
            job.id = %stored.job.id,
            seat.id = %stored.job.seat,
            worker.id = stored.job.lease().and_then(|lease| lease.worker).map(tracing::field::display),
            attempt = stored.job.attempt,
            trace.id = %stored.trace,
        )
    }};
}
pub(crate) use job_span;

/// The span of a worker's call about a job, before it is known whose the job is.
pub fn worker_call_span() -> Span {
    tracing::error_span!(
        "worker.job.call",
        job.id = Empty,
        seat.id = Empty,
        worker.id = Empty,
        attempt = Empty,
        trace.id = Empty
    )
}

/// Writes into the present [`worker_call_span`] which job it is about. Of a worker whose lease is
/// gone, `said` tells which attempt it speaks of.
pub(crate) fn note_job(stored: &StoredJob, said: Option<(TraceId, u32)>) {
    let job = &stored.job;
    let said = said.filter(|(trace, _)| *trace == stored.trace).map(|(_, attempt)| attempt);
    let span = Span::current();
    span.record("job.id", display(job.id));
    span.record("seat.id", display(job.seat));
    span.record("attempt", said.unwrap_or(job.attempt));
    span.record("trace.id", display(stored.trace));
    if let Some(worker) = job.lease().and_then(|lease| lease.worker) {
        note_worker(worker);
    }
}

pub(crate) fn note_worker(worker: WorkerId) {
    Span::current().record("worker.id", display(worker));
}
