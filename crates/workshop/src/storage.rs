//! Room on disk: what each seat's files take, and whether more may come.
//!
//! Invariant: nobody is refused on an old count. Counts are kept and grow with what
//! arrives, so a check costs nothing; only where one would refuse are the files counted
//! again. What a running job writes is never refused: it finishes, and the next one waits.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use comfy_api::prompt::PromptError;
use domain::{SeatId, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::files::{FilesError, SeatUsage, UserFile};
use crate::health::error_chain;
use crate::hub::lock;
use crate::{Workshop, WorkshopError};

/// All is counted again this often, for what changed without a word.
const RECOUNT_PERIOD: Duration = Duration::from_secs(600);
/// A page that looks sees no older count.
const FRESH: Duration = Duration::from_secs(30);

const GIB: u64 = 1 << 30;

/// How much may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageLimits {
    /// The largest input that may come in pieces.
    pub max_file_bytes: u64,
    pub max_model_bytes: u64,
    /// All files of one seat.
    pub seat_quota_bytes: Option<u64>,
    /// All files of all seats.
    pub total_quota_bytes: Option<u64>,
    /// What always stays free on the disk.
    pub min_free_bytes: u64,
}

impl Default for StorageLimits {
    fn default() -> Self {
        Self {
            max_file_bytes: 20 * GIB,
            max_model_bytes: 100 * GIB,
            seat_quota_bytes: None,
            total_quota_bytes: None,
            min_free_bytes: GIB,
        }
    }
}

/// What a seat's files take, and what they may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeatStorage {
    pub usage: SeatUsage,
    /// What unfinished uploads will take.
    pub upload_bytes: u64,
    pub quota_bytes: Option<u64>,
}

/// There is no room for more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoRoom {
    pub limit: RoomLimit,
    pub needed_bytes: u64,
    /// The seat's largest files.
    pub largest: Vec<(String, u64)>,
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomLimit {
    Seat { used_bytes: u64, quota_bytes: u64 },
    Total { used_bytes: u64, quota_bytes: u64 },
    Disk { free_bytes: u64, min_free_bytes: u64 },
}

#[derive(Default)]
pub(crate) struct Storage {
    counts: Mutex<HashMap<SeatId, Count>>,
}

struct Count {
    usage: SeatUsage,
    /// What has come since.
    grown_bytes: u64,
    counted_at: Timestamp,
    /// Something was deleted since.
    is_too_high: bool,
}

impl Count {
    fn bytes(&self) -> u64 {
        self.usage.bytes().saturating_add(self.grown_bytes)
    }
}

impl Workshop {
    /// What the seat's files take.
    pub async fn seat_storage(&self, seat: SeatId) -> Result<SeatStorage, WorkshopError> {
        let now = self.now();
        let is_fresh = |count: &&Count| {
            count.grown_bytes == 0 && !count.is_too_high && now.since(count.counted_at) < FRESH
        };
        let known =
            lock(&self.inner.storage.counts).get(&seat).filter(is_fresh).map(|count| count.usage.clone());
        let usage = match known {
            Some(usage) => usage,
            None => self.count(seat).await?,
        };
        Ok(SeatStorage {
            usage,
            upload_bytes: self.store().reserved_bytes(seat).await?,
            quota_bytes: self.settings().storage.seat_quota_bytes,
        })
    }

    /// The seat's input files, newest first, with paths below the input folder.
    pub async fn seat_inputs(&self, seat: SeatId) -> Result<Vec<UserFile>, WorkshopError> {
        Ok(self.files().seat(seat).await?.list_inputs().await?)
    }

    /// Refuses what there is no room for, after making what room can be made.
    pub async fn require_room(&self, seat: SeatId, needed_bytes: u64) -> Result<(), WorkshopError> {
        if self.room_limit(seat, needed_bytes).await?.is_none() {
            return Ok(());
        }
        self.recount_deleted(seat).await?;
        if self.room_limit(seat, needed_bytes).await?.is_none() {
            return Ok(());
        }
        // What is in the trash makes room first.
        self.empty_trash(seat).await?;
        self.count(seat).await?;
        match self.room_limit(seat, needed_bytes).await? {
            None => Ok(()),
            Some(limit) => {
                let largest = self.count(seat).await?.largest;
                Err(WorkshopError::NoRoom(NoRoom { limit, needed_bytes, largest }))
            }
        }
    }

    /// A seat over its limit queues nothing more.
    pub(crate) async fn refuse_over_quota(&self, seat: SeatId) -> Result<(), WorkshopError> {
        match self.require_room(seat, 0).await {
            Err(WorkshopError::NoRoom(no_room)) => {
                let error = PromptError::new("no_room", &no_room.to_string(), "");
                Err(PromptError { status: 507, ..error }.into())
            }
            checked => checked,
        }
    }

    /// Files of the seat came: `bytes` more.
    pub fn files_came(&self, seat: SeatId, bytes: u64) {
        self.note_growth(seat, bytes);
        self.inner.hub.files_changed(seat);
    }

    /// Files of the seat were deleted, replaced or moved.
    pub fn files_changed(&self, seat: SeatId) {
        if let Some(count) = lock(&self.inner.storage.counts).get_mut(&seat) {
            count.is_too_high = true;
        }
        self.inner.hub.files_changed(seat);
    }

    pub(crate) fn note_growth(&self, seat: SeatId, bytes: u64) {
        if let Some(count) = lock(&self.inner.storage.counts).get_mut(&seat) {
            count.grown_bytes = count.grown_bytes.saturating_add(bytes);
        }
    }

    /// Counts all seats' files again and again, and drops uploads that nobody goes on with.
    pub async fn run_storage_keeper(&self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.tidy_storage().await {
                tracing::warn!(error = error_chain(&error), "the seats' files could not be tidied");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RECOUNT_PERIOD) => {}
            }
        }
    }

    async fn tidy_storage(&self) -> Result<(), WorkshopError> {
        self.expire_uploads().await?;
        for number in 1..=self.settings().seats {
            if let Ok(seat) = SeatId::new(number) {
                self.count(seat).await?;
            }
        }
        Ok(())
    }

    async fn room_limit(&self, seat: SeatId, needed: u64) -> Result<Option<RoomLimit>, WorkshopError> {
        let limits = &self.settings().storage;
        // What is only looked at (nothing is needed) is not charged for what may yet come.
        let reserved = |bytes: u64| if needed == 0 { 0 } else { bytes };
        if let Some(quota_bytes) = limits.seat_quota_bytes {
            let used_bytes = self.counted(seat).await? + reserved(self.store().reserved_bytes(seat).await?);
            if used_bytes.saturating_add(needed) > quota_bytes {
                return Ok(Some(RoomLimit::Seat { used_bytes, quota_bytes }));
            }
        }
        let (all_reserved, missing) = self.store().reserved_bytes_of_all().await?;
        if let Some(quota_bytes) = limits.total_quota_bytes {
            self.counted(seat).await?;
            let counted = lock(&self.inner.storage.counts).values().map(Count::bytes).sum::<u64>();
            let used_bytes = counted + reserved(all_reserved);
            if used_bytes.saturating_add(needed) > quota_bytes {
                return Ok(Some(RoomLimit::Total { used_bytes, quota_bytes }));
            }
        }
        let (free_bytes, _) = self.files().disk().map_err(|source| {
            WorkshopError::Files(FilesError::Io { operation: "ask how full the disk is", source })
        })?;
        let min_free_bytes = limits.min_free_bytes;
        let wanted = needed.saturating_add(reserved(missing)).saturating_add(min_free_bytes);
        Ok((min_free_bytes > 0 && wanted > free_bytes)
            .then_some(RoomLimit::Disk { free_bytes, min_free_bytes }))
    }

    async fn counted(&self, seat: SeatId) -> Result<u64, WorkshopError> {
        let known = lock(&self.inner.storage.counts).get(&seat).map(Count::bytes);
        match known {
            Some(bytes) => Ok(bytes),
            None => Ok(self.count(seat).await?.bytes()),
        }
    }

    async fn count(&self, seat: SeatId) -> Result<SeatUsage, WorkshopError> {
        let usage = self.files().measure(seat).await?;
        let count =
            Count { usage: usage.clone(), grown_bytes: 0, counted_at: self.now(), is_too_high: false };
        lock(&self.inner.storage.counts).insert(seat, count);
        Ok(usage)
    }

    /// Counts anew this seat and those that may have become smaller.
    async fn recount_deleted(&self, seat: SeatId) -> Result<(), WorkshopError> {
        let is_due =
            |(other, count): (&SeatId, &Count)| (*other == seat || count.is_too_high).then_some(*other);
        let due: Vec<_> = lock(&self.inner.storage.counts).iter().filter_map(is_due).collect();
        for seat in due {
            self.count(seat).await?;
        }
        Ok(())
    }
}

impl fmt::Display for NoRoom {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = domain::readable_size;
        match self.limit {
            RoomLimit::Seat { used_bytes, quota_bytes } => {
                write!(formatter, "Your files take {} of your {}", size(used_bytes), size(quota_bytes))?;
            }
            RoomLimit::Total { used_bytes, quota_bytes } => {
                write!(
                    formatter,
                    "The workshop's files take {} of its {}",
                    size(used_bytes),
                    size(quota_bytes)
                )?;
            }
            RoomLimit::Disk { free_bytes, min_free_bytes } => write!(
                formatter,
                "The workshop's disk is almost full: {} are free, and {} must stay so",
                size(free_bytes),
                size(min_free_bytes)
            )?,
        }
        if self.needed_bytes > 0 {
            write!(formatter, "; this needs {} more", size(self.needed_bytes))?;
        }
        formatter.write_str(".")?;
        if !self.largest.is_empty() {
            let list: Vec<_> =
                self.largest.iter().map(|(path, bytes)| format!("{path} ({})", size(*bytes))).collect();
            write!(formatter, " Your largest files: {}.", list.join(", "))?;
        }
        formatter.write_str(" Delete what you do not need, then try again.")
    }
}

impl std::error::Error for NoRoom {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_how_much_and_what_to_delete() {
        let mut no_room = NoRoom {
            limit: RoomLimit::Seat { used_bytes: 9_800_000_000, quota_bytes: 10_000_000_000 },
            needed_bytes: 1_200_000_000,
            largest: vec![("models/loras/a.safetensors".into(), 4_000_000_000), ("input/b.mp4".into(), 999)],
        };
        assert_eq!(
            no_room.to_string(),
            "Your files take 9.8 GB of your 10.0 GB; this needs 1.2 GB more. Your largest files: \
             models/loras/a.safetensors (4.0 GB), input/b.mp4 (999 B). Delete what you do not need, then try again."
        );
        no_room.limit = RoomLimit::Disk { free_bytes: 1_000_000, min_free_bytes: 2_000_000 };
        no_room.needed_bytes = 0;
        no_room.largest.clear();
        assert_eq!(
            no_room.to_string(),
            "The workshop's disk is almost full: 1.0 MB are free, and 2.0 MB must stay so. Delete what you do not need, then try again."
        );
    }
}
