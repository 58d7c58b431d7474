//! A seat in a temporary folder, with a look at its files from outside.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use domain::SeatId;
use tempfile::TempDir;

use super::{SeatFiles, SeatFolders};

#[derive(Clone)]
pub(super) struct TestSeat {
    pub(super) files: SeatFiles,
    pub(super) folders: SeatFolders,
    data: Arc<TempDir>,
}

impl TestSeat {
    pub(super) async fn new() -> Self {
        let data = Arc::new(TempDir::new().unwrap());
        let folders = SeatFolders::open(data.path()).unwrap();
        Self { files: folders.seat(SeatId::new(1).unwrap()).await.unwrap(), folders, data }
    }

    /// A path in the seat's folder.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.data.path().join("seats/user001").join(path)
    }

    /// A path beside the seat's folder.
    pub(super) fn outside(&self, path: &str) -> PathBuf {
        self.data.path().join(path)
    }

    pub(super) fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(super) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    pub(super) fn set_age(&self, path: &str, seconds_after: u64) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds_after);
        std::fs::File::options().write(true).open(self.path(path)).unwrap().set_modified(time).unwrap();
    }

    /// The names in a folder, sorted.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(path)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Lets blocking threads run until what they do is visible.
    pub(super) async fn wait_until(&self, is_so: impl Fn() -> bool) {
        let limit = Duration::from_secs(10);
        let waiting = async {
            while !is_so() {
                tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap();
            }
        };
        tokio::time::timeout(limit, waiting).await.expect("it does not become so");
    }
}
