//! The runs of this process, keyed by job and lease token.
//!
//! A run is a task of its own: a delivery only waits for it, and a second delivery of the
//! same lease waits for the same run. It leaves the registry when its task ends, however
//! that happens.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::ReturnReason;
use queue::report::LeaseRef;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

/// Why a run must end early. A later variant outranks an earlier one; of equals the first stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The server wants the job back: interrupt it and give it back for this reason.
    Preempted(ReturnReason),
    /// Somebody cancelled the job: interrupt it and report it interrupted.
    Cancelled,
    /// This worker stops: interrupt the run and give the job back.
    Released,
    /// The lease is gone: interrupt the run and report nothing.
    Dropped,
}

impl Stop {
    /// Whether this reason takes the place of that one.
    fn outranks(self, other: Option<Self>) -> bool {
        other.is_none_or(|other| self.weight() > other.weight())
    }

    fn weight(self) -> u8 {
        match self {
            Self::Preempted(_) => 0,
            Self::Cancelled => 1,
            Self::Released => 2,
            Self::Dropped => 3,
        }
    }
}

/// A run's own view of itself.
#[derive(Debug, Clone)]
pub struct RunHandle {
    entry: Arc<Entry>,
}

impl RunHandle {
    /// The server has granted the lease: from now on it is kept alive by heartbeats.
    pub fn mark_claimed(&self) {
        self.entry.claimed.store(true, Ordering::Relaxed);
    }

    /// Why the run must end, if it must.
    pub fn stop(&self) -> Option<Stop> {
        *self.entry.stop.borrow()
    }

    /// Ends the run for this reason, unless a weightier one is there already.
    pub fn request_stop(&self, reason: Stop) {
        self.entry.request_stop(reason);
    }

    /// Resolves once there is a reason to stop.
    pub async fn stopped(&self) -> Stop {
        self.stopped_beyond(None).await
    }

    /// Resolves once there is a weightier reason to stop than this one.
    pub async fn stopped_beyond(&self, known: impl Into<Option<Stop>>) -> Stop {
        let known = known.into();
        let mut stop = self.entry.stop.subscribe();
        let outranked = stop.wait_for(|stop| stop.is_some_and(|reason| reason.outranks(known))).await;
        match outranked.map(|reason| *reason) {
            Ok(Some(reason)) => reason,
            // The sender lives in the entry that this handle holds.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

#[derive(Debug)]
struct Entry {
    stop: watch::Sender<Option<Stop>>,
    claimed: AtomicBool,
    finished: CancellationToken,
    /// Of the run: what is logged of it elsewhere bears its ids too.
    span: Span,
}

impl Entry {
    /// True where this is news.
    fn request_stop(&self, reason: Stop) -> bool {
        self.stop.send_if_modified(|stop| {
            let changed = reason.outranks(*stop);
            if changed {
                *stop = Some(reason);
            }
            changed
        })
    }

    /// Whether the server has granted the lease and not taken it back.
    fn is_held(&self) -> bool {
        self.claimed.load(Ordering::Relaxed) && *self.stop.borrow() != Some(Stop::Dropped)
    }
}

/// All runs of this process.
#[derive(Debug, Default)]
pub struct RunRegistry {
    runs: Mutex<Runs>,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct Runs {
    entries: HashMap<LeaseRef, Arc<Entry>>,
    /// What runs that come now are told at once.
    closing: Option<Stop>,
}

impl RunRegistry {
    /// Waits for the run of this lease, which is started first if there is none. The run goes on
    /// when the returned future is dropped.
    pub fn join_or_start<F, R>(
        self: &Arc<Self>,
        lease: LeaseRef,
        span: &Span,
        run: F,
    ) -> impl Future<Output = ()> + use<F, R>
    where
        F: FnOnce(RunHandle) -> R,
        R: Future<Output = ()> + Send + 'static,
    {
        let finished = {
            let mut runs = self.lock();
            match runs.entries.get(&lease) {
                Some(entry) => entry.finished.clone(),
                None => {
                    let entry = Arc::new(Entry {
                        stop: watch::Sender::new(runs.closing),
                        claimed: AtomicBool::new(false),
                        finished: CancellationToken::new(),
                        span: span.clone(),
                    });
                    let finished = entry.finished.clone();
                    runs.entries.insert(lease, entry.clone());
                    let membership = Membership { registry: self.clone(), lease, finished: finished.clone() };
                    let running = run(RunHandle { entry }).instrument(span.clone());
                    self.tasks.spawn(async move {
                        let _membership = membership;
                        running.await;
                    });
                    finished
                }
            }
        };
        async move { finished.cancelled().await }
    }

    /// The leases that this process holds, for the heartbeat.
    pub fn leases(&self) -> Vec<LeaseRef> {
        let runs = self.lock();
        let held = runs.entries.iter().filter(|(_, entry)| entry.is_held());
        held.map(|(lease, _)| *lease).collect()
    }

    /// Ends one run early, as the server wants. False where there is no such run, or it knows
    /// already: the server repeats what has had no effect yet.
    pub fn stop(&self, lease: LeaseRef, reason: Stop) -> bool {
        let entry = self.lock().entries.get(&lease).cloned();
        let told = entry.filter(|entry| entry.request_stop(reason));
        if let Some(entry) = &told {
            entry.span.in_scope(|| tracing::info!("the server wants the job to end: {reason:?}"));
        }
        told.is_some()
    }

    /// Ends every run early, also those that are yet to come.
    pub fn stop_all(&self, reason: Stop) {
        let mut runs = self.lock();
        runs.closing = Some(reason);
        for entry in runs.entries.values() {
            entry.request_stop(reason);
        }
    }

    /// Resolves once no run is left.
    pub async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the run out of the registry when its task ends, also by a panic.
struct Membership {
    registry: Arc<RunRegistry>,
    lease: LeaseRef,
    finished: CancellationToken,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.registry.lock().entries.remove(&self.lease);
        self.finished.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use domain::{JobId, LeaseToken};
    use tokio::sync::oneshot;
    use uuid::Uuid;

    use super::*;

    fn lease(number: u128) -> LeaseRef {
        let uuid = Uuid::from_u128(number);
        LeaseRef { job: JobId::from_uuid(uuid), token: LeaseToken::from_uuid(uuid) }
    }

    #[tokio::test]
    async fn a_second_delivery_joins_the_run_in_progress() {
        let registry = Arc::new(RunRegistry::default());
        let starts = Arc::new(AtomicUsize::new(0));
        let (finish, finishing) = oneshot::channel::<()>();
        let counter = starts.clone();
        let first = registry.join_or_start(lease(1), &Span::none(), move |_| async move {
            counter.fetch_add(1, Ordering::Relaxed);
            finishing.await.unwrap();
        });
        let counter = starts.clone();
        let second = registry.join_or_start(lease(1), &Span::none(), move |_| async move {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        finish.send(()).unwrap();
        tokio::join!(first, second);
        assert_eq!(starts.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_run_outlives_the_delivery_that_started_it() {
        let registry = Arc::new(RunRegistry::default());
        let (done, ended) = oneshot::channel();
        let (finish, finishing) = oneshot::channel::<()>();
        let delivery = registry.join_or_start(lease(1), &Span::none(), |_| async move {
            finishing.await.unwrap();
            done.send(()).unwrap();
        });
        drop(delivery);
        finish.send(()).unwrap();
        ended.await.unwrap();
    }

    #[tokio::test]
    async fn only_claimed_leases_are_kept_alive() {
        let registry = Arc::new(RunRegistry::default());
        let (claimed, told) = oneshot::channel();
        let claiming = registry.join_or_start(lease(1), &Span::none(), |handle| async move {
            handle.mark_claimed();
            claimed.send(()).unwrap();
            handle.stopped_beyond(Stop::Released).await;
        });
        let unclaimed = registry.join_or_start(lease(2), &Span::none(), |handle| async move {
            handle.stopped_beyond(Stop::Released).await;
        });
        told.await.unwrap();
        assert_eq!(registry.leases(), [lease(1)]);
        registry.stop_all(Stop::Dropped);
        tokio::join!(claiming, unclaimed);
        assert_eq!(registry.leases(), []);
        assert!(!registry.stop(lease(1), Stop::Cancelled));
    }

    #[tokio::test]
    async fn a_weightier_reason_replaces_a_lighter_one_and_not_the_other_way() {
        let registry = Arc::new(RunRegistry::default());
        let (demo, recalled) = (Stop::Preempted(ReturnReason::Demo), Stop::Preempted(ReturnReason::Recalled));
        let (tell, told) = oneshot::channel();
        let run = registry.join_or_start(lease(1), &Span::none(), |handle| async move {
            handle.stopped_beyond(Stop::Released).await;
            tell.send(handle.stop()).unwrap();
        });
        assert!(registry.stop(lease(1), demo));
        assert!(!registry.stop(lease(1), demo), "the server repeats itself");
        assert!(!registry.stop(lease(1), recalled));
        for stop in [Stop::Cancelled, Stop::Released] {
            assert!(registry.stop(lease(1), stop), "{stop:?}");
            assert!(!registry.stop(lease(1), demo), "{stop:?}");
        }
        assert!(!registry.stop(lease(1), Stop::Cancelled));
        assert!(registry.stop(lease(1), Stop::Dropped));
        run.await;
        assert_eq!(told.await.unwrap(), Some(Stop::Dropped));
    }

    #[tokio::test]
    async fn a_run_learns_of_each_weightier_reason() {
        let registry = Arc::new(RunRegistry::default());
        let demo = Stop::Preempted(ReturnReason::Demo);
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let run = registry.join_or_start(lease(1), &Span::none(), |handle| async move {
            let mut known = None;
            while known != Some(Stop::Dropped) {
                known = Some(handle.stopped_beyond(known).await);
                tell.send(known).unwrap();
            }
        });
        for stop in [demo, Stop::Cancelled, Stop::Dropped] {
            registry.stop(lease(1), stop);
            assert_eq!(told.recv().await.unwrap(), Some(stop));
        }
        run.await;
    }

    #[tokio::test]
    async fn a_run_that_comes_while_the_worker_stops_is_told_at_once() {
        let registry = Arc::new(RunRegistry::default());
        registry.stop_all(Stop::Released);
        let (tell, told) = oneshot::channel();
        let run = registry.join_or_start(lease(1), &Span::none(), |handle| async move {
            tell.send(handle.stop()).unwrap();
        });
        run.await;
        assert_eq!(told.await.unwrap(), Some(Stop::Released));
    }

    #[tokio::test]
    async fn a_run_that_panics_leaves_the_registry() {
        let registry = Arc::new(RunRegistry::default());
        registry.join_or_start(lease(1), &Span::none(), |_| async { panic!("on purpose") }).await;
        assert!(!registry.stop(lease(1), Stop::Dropped));
        registry.finished().await;
    }
}
