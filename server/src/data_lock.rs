//! One process at a time works on a `DATA_DIR`.
//!
//! The kernel holds the lock for the open file, so it ends with the process however that ends.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use rustix::fs::{FlockOperation, flock};

const FILE_NAME: &str = "lock";

/// The right to the folder, until it is dropped.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    pub fn take(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join(FILE_NAME);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("could not open {}", path.display()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                anyhow::bail!("a server is running on DATA_DIR {}: stop it first", data_dir.display())
            }
            Err(error) => Err(error).with_context(|| format!("could not lock {}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataLock::take(folder.path()).unwrap();
        let refused = DataLock::take(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("a server is running"), "{refused}");
        drop(first);
        DataLock::take(folder.path()).unwrap();
    }
}
