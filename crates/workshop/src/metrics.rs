//! Figures for Prometheus: counted as things happen, measured when somebody asks.
//!
//! A registry of its own rather than a global one, so that tests can run side by side.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use domain::job::JobPhase;
use domain::{Job, SchedulingMode, Timestamp};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use store::{StoredJob, Submitted};

use crate::line::milliseconds;
use crate::overview::HealthOverview;
use crate::{Workshop, WorkshopError};

/// How far back the figures of the instructor's page look.
const HOUR: Duration = Duration::from_secs(3600);

/// Seconds: from what feels immediate to a long video.
const BUCKETS: [f64; 14] =
    [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0];

type Labels = Vec<(&'static str, String)>;
type FloatGauge = Gauge<f64, AtomicU64>;

pub(crate) struct Metrics {
    registry: Registry,
    pub submitted: Counter,
    pub refused: Counter,
    pub returned: Family<Labels, Counter>,
    ended: Family<Labels, Counter>,
    wait: Histogram,
    run: Histogram,
    jobs: Family<Labels, Gauge>,
    workers: Family<Labels, Gauge>,
    pages: Family<Labels, Gauge>,
    fairness: Family<Labels, FloatGauge>,
    disk: Family<Labels, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("comfy_multi"),
            submitted: Counter::default(),
            refused: Counter::default(),
            returned: Family::default(),
            ended: Family::default(),
            wait: Histogram::new(BUCKETS),
            run: Histogram::new(BUCKETS),
            jobs: Family::default(),
            workers: Family::default(),
            pages: Family::default(),
            fairness: Family::default(),
            disk: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let Self {
            registry,
            submitted,
            refused,
            returned,
            ended,
            wait,
            run,
            jobs,
            workers,
            pages,
            fairness,
            disk,
        } = self;
        registry.register("jobs_submitted", "Jobs taken into the queue", submitted.clone());
        registry.register("jobs_refused", "Prompts that were not taken", refused.clone());
        registry.register("jobs_returned", "Jobs that came back from a worker, by reason", returned.clone());
        registry.register("jobs_ended", "Jobs that ended, by outcome", ended.clone());
        let seconds = Unit::Seconds;
        registry.register_with_unit(
            "job_wait",
            "From Run to the start of execution",
            seconds.clone(),
            wait.clone(),
        );
        registry.register_with_unit("job_run", "Execution of jobs that ended", seconds, run.clone());
        registry.register("jobs", "Jobs now, by phase", jobs.clone());
        registry.register("workers", "Connected workers, by state", workers.clone());
        registry.register("open_pages", "Open WebSockets, by kind", pages.clone());
        registry.register(
            "fairness_jain",
            "Jain's index of the seats' GPU time in the last hour, by mode",
            fairness.clone(),
        );
        registry.register_with_unit("disk", "Of the data folder", Unit::Bytes, disk.clone());
    }

    /// A job began to execute.
    pub(crate) fn started(&self, job: &Job, now: Timestamp) {
        self.wait.observe(now.since(job.created_at).as_secs_f64());
    }

    /// A job ended.
    pub(crate) fn ended(&self, job: &Job) {
        let outcome = match job.phase() {
            JobPhase::Succeeded => "succeeded",
            JobPhase::Failed => "failed",
            JobPhase::Cancelled => "cancelled",
            JobPhase::Queued | JobPhase::Leased | JobPhase::Running => return,
        };
        self.ended.get_or_create(&label("outcome", outcome)).inc();
        if let Some((started, finished)) = job.started_at().zip(job.finished_at()) {
            self.run.observe(finished.since(started).as_secs_f64());
        }
    }
}

pub(crate) fn label(name: &'static str, value: impl Into<String>) -> Labels {
    vec![(name, value.into())]
}

impl Workshop {
    /// All figures as Prometheus reads them (OpenMetrics text).
    pub async fn metrics(&self) -> Result<String, WorkshopError> {
        let metrics = &self.inner.metrics;
        let active = self.store().active_jobs().await?;
        for (phase, word) in
            [(JobPhase::Queued, "queued"), (JobPhase::Leased, "staged"), (JobPhase::Running, "running")]
        {
            let count = active.iter().filter(|StoredJob { job, .. }| job.phase() == phase).count();
            metrics.jobs.get_or_create(&label("phase", word)).set(signed(count as u64));
        }
        let workers = self.inner.workers.list();
        let ready = workers.iter().filter(|(_, worker)| worker.takes_jobs()).count();
        metrics.workers.get_or_create(&label("state", "ready")).set(signed(ready as u64));
        let others = workers.len().saturating_sub(ready);
        metrics.workers.get_or_create(&label("state", "not_ready")).set(signed(others as u64));
        let health = self.health_overview().await?;
        let (editors, portals) = health.sockets;
        metrics.pages.get_or_create(&label("kind", "editor")).set(signed(editors));
        metrics.pages.get_or_create(&label("kind", "portal")).set(signed(portals));
        // Only the mode in force has a figure: the hour before was shared by it, or by another.
        let now = self.policy().mode;
        for mode in SchedulingMode::ALL.into_iter().filter(|mode| *mode != now) {
            metrics.fairness.remove(&label("mode", mode.as_str()));
        }
        if let Some(index) = health.fairness {
            metrics.fairness.get_or_create(&label("mode", now.as_str())).set(index);
        }
        if let Some((free, total)) = health.disk_bytes {
            metrics.disk.get_or_create(&label("space", "free")).set(signed(free));
            metrics.disk.get_or_create(&label("space", "total")).set(signed(total));
        }
        let mut text = String::new();
        // Writing to a string fails only where a metric's own encoder does.
        encode(&mut text, &metrics.registry)
            .map_err(|error| WorkshopError::BadRequest(format!("the metrics cannot be written: {error}")))?;
        Ok(text)
    }

    /// How the last hour went, and what there is left.
    pub(crate) async fn health_overview(&self) -> Result<HealthOverview, WorkshopError> {
        let hour = self.store().submitted_since(self.now() - HOUR).await?;
        let mut by_seat = BTreeMap::new();
        for job in &hour {
            *by_seat.entry(job.seat).or_insert(0.0) += job.execution_ms.unwrap_or(0) as f64;
        }
        let wait = |job: &Submitted| Some(milliseconds(job.started_at?.since(job.created_at)));
        let disk = self.files().disk();
        if let Err(error) = &disk {
            tracing::warn!(%error, "the disk could not be measured");
        }
        Ok(HealthOverview {
            median_wait_ms: median(hour.iter().filter_map(wait).collect()),
            median_run_ms: median(hour.iter().filter_map(|job| job.execution_ms).collect()),
            failed: u32::try_from(hour.iter().filter(|job| job.has_failed).count()).unwrap_or(u32::MAX),
            fairness: jain_index(by_seat.into_values()),
            disk_bytes: disk.ok(),
            sockets: self.inner.hub.open_sockets(),
        })
    }
}

fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// Jain's fairness index: 1 if all have the same, 1/n if one has everything
/// (Jain, Chiu and Hawe, "A quantitative measure of fairness", 1984).
fn jain_index(shares: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for share in shares {
        count += 1.0;
        sum += share;
        squares += share * share;
    }
    (squares > 0.0).then(|| sum * sum / (count * squares))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fairness_is_one_for_equal_shares_and_less_for_others() {
        assert_eq!(jain_index([2.0, 2.0, 2.0].into_iter()), Some(1.0));
        assert_eq!(jain_index([4.0, 0.0].into_iter()), Some(0.5));
        assert_eq!(jain_index([0.0].into_iter()), None);
        assert_eq!(jain_index(std::iter::empty()), None);
    }

    #[test]
    fn a_median_needs_values() {
        assert_eq!(median(Vec::new()), None);
        assert_eq!(median(vec![9, 1, 5]), Some(5));
    }
}
