//! A model on its way in: kept from one connection to the next, and verified at its end.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::fs::{self, File};
use tokio::io::{AsyncWriteExt, BufWriter};

const BUFFER_BYTES: usize = 1 << 20;

/// The bytes that are here, and their hash so far.
#[derive(Debug)]
pub struct Arriving {
    path: PathBuf,
    file: BufWriter<File>,
    hasher: Sha256,
    bytes: u64,
}

impl Arriving {
    /// Goes on with what an earlier run left at `path`, or begins.
    pub async fn open(path: &Path) -> io::Result<Self> {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || {
            let mut file =
                std::fs::File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
            let mut hasher = Sha256::new();
            // Reading leaves the position at the end, where writing goes on.
            let bytes = io::copy(&mut file, &mut hasher)?;
            let file = BufWriter::with_capacity(BUFFER_BYTES, File::from_std(file));
            Ok(Self { path, file, hasher, bytes })
        })
        .await
        .map_err(io::Error::other)?
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub async fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.file.write_all(chunk).await?;
        self.hasher.update(chunk);
        self.bytes += chunk.len() as u64;
        Ok(())
    }

    /// Forgets all that has arrived.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.file = BufWriter::with_capacity(BUFFER_BYTES, File::create(&self.path).await?);
        self.hasher = Sha256::new();
        self.bytes = 0;
        Ok(())
    }

    /// Puts the file in its place if it is whole and has this hash; whether it was.
    pub async fn finish(&mut self, sha256: &str, place: &Path) -> io::Result<bool> {
        self.file.flush().await?;
        // Its name vouches for its content, also after a power cut.
        self.file.get_ref().sync_data().await?;
        let hash = format!("{:x}", self.hasher.clone().finalize());
        if hash != sha256 {
            return Ok(false);
        }
        fs::rename(&self.path, place).await?;
        Ok(true)
    }

    /// Removes all that has arrived.
    pub async fn discard(&mut self) -> io::Result<()> {
        fs::remove_file(&self.path).await
    }

    /// Writes out what is only in memory, for the next who goes on with it.
    pub async fn pause(&mut self) -> io::Result<()> {
        self.file.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[tokio::test]
    async fn what_arrived_before_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let (part, place) = (folder.path().join("x.part"), folder.path().join("x"));
        let mut first = Arriving::open(&part).await.unwrap();
        first.write(b"ab").await.unwrap();
        first.pause().await.unwrap();
        drop(first);
        let mut second = Arriving::open(&part).await.unwrap();
        assert_eq!(second.bytes(), 2);
        second.write(b"c").await.unwrap();
        assert!(second.finish(ABC, &place).await.unwrap());
        assert_eq!(std::fs::read(&place).unwrap(), b"abc");
        assert!(!part.exists());
    }

    #[tokio::test]
    async fn a_wrong_content_gets_no_place() {
        let folder = tempfile::tempdir().unwrap();
        let (part, place) = (folder.path().join("x.part"), folder.path().join("x"));
        let mut arriving = Arriving::open(&part).await.unwrap();
        arriving.write(b"abd").await.unwrap();
        assert!(!arriving.finish(ABC, &place).await.unwrap());
        assert!(!place.exists());
        arriving.restart().await.unwrap();
        arriving.write(b"abc").await.unwrap();
        assert!(arriving.finish(ABC, &place).await.unwrap());
    }
}
