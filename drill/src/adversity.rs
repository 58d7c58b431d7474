//! A full disk and a wrong clock for one program, through what is preloaded into it
//! (`shim/adversity.c`).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The fields of the file that drill and program share, in its order, each 8 bytes.
const IS_FULL: u64 = 0;
const CLOCK_MS: u64 = 8;
const REFUSED: u64 = 16;
const LENGTH: usize = 24;

/// What one program has to suffer at the moment.
pub struct Adversity {
    path: PathBuf,
    file: File,
}

impl Adversity {
    /// At first nothing is wrong.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let open = || -> std::io::Result<File> {
            let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
            file.write_all_at(&[0; LENGTH], 0)?;
            Ok(file)
        };
        Ok(Self { path: path.to_owned(), file: open().with_context(|| path.display().to_string())? })
    }

    /// For the program's environment.
    pub fn path(&self) -> String {
        self.path.display().to_string()
    }

    pub fn fill_disk(&self, is_full: bool) -> anyhow::Result<()> {
        self.set(IS_FULL, i64::from(is_full))
    }

    /// From now on the time of day is so much later.
    pub fn set_clock(&self, ms: i64) -> anyhow::Result<()> {
        self.set(CLOCK_MS, ms)
    }

    /// How many writes the full disk has refused.
    pub fn refused(&self) -> anyhow::Result<i64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, REFUSED)?;
        Ok(i64::from_ne_bytes(bytes))
    }

    fn set(&self, field: u64, value: i64) -> anyhow::Result<()> {
        Ok(self.file.write_all_at(&value.to_ne_bytes(), field)?)
    }
}
