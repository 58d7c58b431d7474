//! How the instructor shares the queue: mode, pauses, caps, the announcement.

use domain::{Admin, SchedulingMode};
use store::{Event, EventKind, Policy};

use crate::accounts::{MAX_MESSAGE, single_line};
use crate::{Workshop, WorkshopError};

impl Workshop {
    pub(crate) async fn load_policy(&self) -> Result<(), WorkshopError> {
        let policy = self.store().policy().await?;
        *self.policy_mut() = policy;
        Ok(())
    }

    /// How the queue is shared now.
    pub fn policy(&self) -> Policy {
        self.inner.policy.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Switches the mode; the order of what waits changes at once, within a seat it stays.
    pub async fn set_mode(&self, _admin: Admin, mode: SchedulingMode) -> Result<(), WorkshopError> {
        self.change_policy(EventKind::PolicyChanged, Some(mode.to_string()), |policy| policy.mode = mode)
            .await
    }

    /// Hands nothing more to workers, or goes on. What is on a worker runs on.
    pub async fn pause_queue(&self, _admin: Admin, is_paused: bool) -> Result<(), WorkshopError> {
        let kind = if is_paused { EventKind::QueuePaused } else { EventKind::QueueResumed };
        self.change_policy(kind, None, |policy| policy.is_paused = is_paused).await
    }

    /// Limits what one seat may have waiting, and on workers at once; `None` is no limit.
    pub async fn set_caps(
        &self,
        _admin: Admin,
        max_queued: Option<u32>,
        max_running: Option<u32>,
    ) -> Result<(), WorkshopError> {
        if max_queued == Some(0) || max_running == Some(0) {
            return Err(WorkshopError::BadRequest("a limit is at least 1; leave it empty for none".into()));
        }
        let words = |cap: Option<u32>| cap.map_or_else(|| "no limit".to_owned(), |cap| cap.to_string());
        let detail = format!("{} waiting, {} at once", words(max_queued), words(max_running));
        self.change_policy(EventKind::PolicyChanged, Some(detail), |policy| {
            policy.max_queued_per_seat = max_queued;
            policy.max_running_per_seat = max_running;
        })
        .await
    }

    /// Shows a message on every page until it is taken away by an empty one.
    pub async fn announce(&self, _admin: Admin, text: &str) -> Result<(), WorkshopError> {
        let text = single_line(text, MAX_MESSAGE)?;
        let announcement = Some(text.clone()).filter(|text| !text.is_empty());
        self.change_policy(EventKind::Announced, Some(text), |policy| policy.announcement = announcement)
            .await
    }

    async fn change_policy(
        &self,
        kind: EventKind,
        detail: Option<String>,
        change: impl FnOnce(&mut Policy),
    ) -> Result<(), WorkshopError> {
        let mut policy = self.policy();
        change(&mut policy);
        self.store().save_policy(&policy).await?;
        *self.policy_mut() = policy;
        self.store().record_event(&Event { detail, ..Event::new(kind, self.now()) }).await?;
        self.inner.dispatcher.notify_one();
        self.inner.hub.changed();
        Ok(())
    }

    fn policy_mut(&self) -> std::sync::RwLockWriteGuard<'_, Policy> {
        self.inner.policy.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
