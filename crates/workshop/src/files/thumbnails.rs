//! Small pictures made of results, kept by the content that they were made of.
//!
//! Derived data: whatever is missing is made again, and the folder may be removed.

use std::io;

use super::error::FilesError;
use super::read::OpenFile;
use super::seat::SeatFiles;

const THUMBS: &str = "thumbs";
const HASH_LENGTH: usize = 64;

/// What a kept thumbnail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThumbnailKind {
    Jpeg,
    Webp,
    /// There is none: nothing can be made of this content.
    Nothing,
}

impl ThumbnailKind {
    const ALL: [Self; 3] = [Self::Jpeg, Self::Webp, Self::Nothing];

    fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Webp => "webp",
            Self::Nothing => "none",
        }
    }

    fn path(self, sha256: &str) -> String {
        format!("{THUMBS}/{sha256}.{}", self.extension())
    }
}

impl SeatFiles {
    /// The thumbnail of the content with this hash, if it was made.
    pub async fn thumbnail(&self, sha256: &str) -> Result<Option<(ThumbnailKind, OpenFile)>, FilesError> {
        if !is_hash(sha256) {
            return Ok(None);
        }
        let sha256 = sha256.to_owned();
        self.blocking(move |_, folder| {
            for kind in ThumbnailKind::ALL {
                match OpenFile::open(folder, &kind.path(&sha256)) {
                    Ok(open) => return Ok(Some((kind, open))),
                    Err(FilesError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(None)
        })
        .await
    }

    /// Keeps a thumbnail for the content with this hash.
    pub async fn keep_thumbnail(
        &self,
        sha256: &str,
        kind: ThumbnailKind,
        content: &[u8],
    ) -> Result<(), FilesError> {
        if !is_hash(sha256) {
            return Err(FilesError::NotFound);
        }
        let path = kind.path(sha256);
        let received = self.receive_bytes(content).await?;
        self.blocking(move |_, folder| {
            folder.create_dir_all(THUMBS).map_err(FilesError::of("make the folder of thumbnails"))?;
            received.move_to(folder, &path)
        })
        .await
    }

    /// Removes the thumbnails of contents that are gone for good.
    pub(crate) async fn remove_thumbnails(&self, hashes: Vec<String>) -> Result<(), FilesError> {
        self.blocking(move |_, folder| {
            for sha256 in hashes.iter().filter(|sha256| is_hash(sha256)) {
                for kind in ThumbnailKind::ALL {
                    match folder.remove_file(kind.path(sha256)) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => {
                            return Err(FilesError::of("remove a thumbnail")(error));
                        }
                        _ => {}
                    }
                }
            }
            Ok(())
        })
        .await
    }
}

/// Only such a text names a file here.
fn is_hash(text: &str) -> bool {
    text.len() == HASH_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::super::test_seat::TestSeat;
    use super::*;

    #[tokio::test]
    async fn a_thumbnail_is_kept_by_its_content() {
        let seat = TestSeat::new().await;
        let hash = "ab".repeat(32);
        assert!(seat.files.thumbnail(&hash).await.unwrap().is_none());
        seat.files.keep_thumbnail(&hash, ThumbnailKind::Jpeg, b"small").await.unwrap();
        let (kind, open) = seat.files.thumbnail(&hash).await.unwrap().unwrap();
        assert_eq!((kind, open.bytes), (ThumbnailKind::Jpeg, 5));
        seat.files.remove_thumbnails(vec![hash.clone(), "cd".repeat(32)]).await.unwrap();
        assert!(seat.files.thumbnail(&hash).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_no_hash_names_no_file() {
        let seat = TestSeat::new().await;
        seat.write("input/secret.jpg", "x");
        for text in ["", "../input/secret", &"/".repeat(64), &"zz".repeat(32)] {
            assert!(seat.files.thumbnail(text).await.unwrap().is_none());
            assert!(seat.files.keep_thumbnail(text, ThumbnailKind::Jpeg, b"x").await.is_err());
        }
    }
}
