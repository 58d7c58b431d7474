//! The folders of all seats, and one seat's folder behind its directory handle.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use domain::SeatId;

use super::error::FilesError;
use super::read::HashCache;

/// Where arriving bytes lie until they are complete. Emptied when the seat is first opened.
pub(super) const INCOMING: &str = "incoming";
/// ComfyUI's user directory: settings, workflows, saved subgraphs.
pub(super) const USER: &str = "user";

/// All seats' folders. Cheap to clone.
#[derive(Clone)]
pub struct SeatFolders {
    shared: Arc<FoldersShared>,
}

struct FoldersShared {
    seats: Arc<Dir>,
    /// Held while a seat is opened: opening it twice would clear what arrives for the first.
    opened: tokio::sync::Mutex<HashMap<SeatId, SeatFiles>>,
}

/// One seat's files. Cheap to clone.
#[derive(Clone)]
pub struct SeatFiles {
    shared: Arc<SeatShared>,
}

pub(super) struct SeatShared {
    seat: SeatId,
    pub(super) folder: Dir,
    /// Held from choosing a free name to taking it, so that two uploads never choose the same.
    placing: Mutex<()>,
    /// Names of outputs that have arrived and are about to be placed.
    pub(super) reserved: Mutex<HashSet<String>>,
    /// Held from reading the settings to replacing them, so that no change is lost.
    pub(super) changing_settings: Mutex<()>,
    pub(super) hashes: Mutex<HashCache>,
    next_incoming: AtomicU64,
}

impl SeatFolders {
    /// Opens `data_dir/seats`, making it if need be.
    pub fn open(data_dir: &Path) -> Result<Self, FilesError> {
        let path = data_dir.join("seats");
        Dir::create_ambient_dir_all(&path, ambient_authority())
            .map_err(FilesError::of("make the seats' folder"))?;
        let seats = Dir::open_ambient_dir(&path, ambient_authority())
            .map_err(FilesError::of("open the seats' folder"))?;
        Ok(Self {
            shared: Arc::new(FoldersShared { seats: Arc::new(seats), opened: tokio::sync::Mutex::default() }),
        })
    }

    /// Bytes free and in all on the disk that holds the seats' files.
    pub fn disk(&self) -> std::io::Result<(u64, u64)> {
        let disk = rustix::fs::fstatvfs(&self.shared.seats)?;
        Ok((disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize))
    }

    pub(super) fn seats(&self) -> Arc<Dir> {
        Arc::clone(&self.shared.seats)
    }

    /// The files of one seat; its folder is made at the first use.
    pub async fn seat(&self, seat: SeatId) -> Result<SeatFiles, FilesError> {
        let mut opened = self.shared.opened.lock().await;
        if let Some(files) = opened.get(&seat) {
            return Ok(files.clone());
        }
        let seats = Arc::clone(&self.shared.seats);
        let folder = tokio::task::spawn_blocking(move || make_folder(&seats, seat)).await;
        let folder =
            folder.map_err(FilesError::CutShort)?.map_err(FilesError::of("make the seat's folder"))?;
        let files = SeatFiles::new(seat, folder);
        opened.insert(seat, files.clone());
        Ok(files)
    }

    /// Removes the seat's folder. Whoever still works on its files would find them gone.
    pub async fn erase(&self, seat: SeatId) -> Result<(), FilesError> {
        let mut opened = self.shared.opened.lock().await;
        opened.remove(&seat);
        let seats = Arc::clone(&self.shared.seats);
        let removed = tokio::task::spawn_blocking(move || seats.remove_dir_all(seat.to_string())).await;
        match removed.map_err(FilesError::CutShort)? {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(FilesError::of("remove a seat's files")),
        }
    }
}

impl SeatFiles {
    fn new(seat: SeatId, folder: Dir) -> Self {
        let shared = SeatShared {
            seat,
            folder,
            placing: Mutex::default(),
            reserved: Mutex::default(),
            changing_settings: Mutex::default(),
            hashes: Mutex::default(),
            next_incoming: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Runs `work` on the seat's folder, on a thread that may block.
    pub(super) async fn blocking<T, F>(&self, work: F) -> Result<T, FilesError>
    where
        T: Send + 'static,
        F: FnOnce(&SeatShared, &Dir) -> Result<T, FilesError> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let work = move || work(&shared, &shared.folder);
        tokio::task::spawn_blocking(work).await.map_err(FilesError::CutShort)?
    }

    pub(super) fn shared(&self) -> &Arc<SeatShared> {
        &self.shared
    }
}

impl SeatShared {
    /// Keeps others from choosing a name until the guard is dropped.
    pub(super) fn choose_name(&self) -> MutexGuard<'_, ()> {
        lock(&self.placing)
    }

    /// A path in `incoming` that no other file of this process has had.
    pub(super) fn incoming_path(&self) -> String {
        format!("{INCOMING}/{}", self.next_incoming.fetch_add(1, Ordering::Relaxed))
    }
}

fn make_folder(seats: &Dir, seat: SeatId) -> std::io::Result<Dir> {
    let name = seat.to_string();
    seats.create_dir_all(&name)?;
    let folder = seats.open_dir(&name)?;
    if folder.try_exists(INCOMING)? {
        folder.remove_dir_all(INCOMING)?;
    }
    // The editor asks for the last two at every start; absent, each would be an error in its log.
    for path in ["input", "output", "temp", INCOMING, "user/workflows", "user/subgraphs"] {
        folder.create_dir_all(path)?;
    }
    Ok(folder)
}

impl fmt::Debug for SeatFolders {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SeatFolders").finish_non_exhaustive()
    }
}

impl fmt::Debug for SeatFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("SeatFiles").field(&self.shared.seat).finish()
    }
}

/// Locks; what a panicked holder left is whole, since only single values lie behind these locks.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
