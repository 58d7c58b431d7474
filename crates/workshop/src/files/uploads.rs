//! What a participant uploads, under ComfyUI's rules for equal names.

use cap_std::fs::Dir;

use super::error::FilesError;
use super::incoming::ReceivedFile;
use super::location::{FileLocation, FolderKind, StoredFile};
use super::path::{FileName, SeatPath};
use super::seat::{SeatFiles, SeatShared};

/// Names tried before an upload is refused: each costs a look at the disk.
const MAX_SAME_NAMES: u32 = 10_000;

/// Where an upload is to go.
#[derive(Debug, Clone)]
pub struct Upload {
    pub kind: FolderKind,
    pub subfolder: SeatPath,
    pub name: FileName,
    pub same_name: SameName,
}

/// What becomes of an upload whose name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameName {
    /// Equal content is not stored again; other content gets the next free name, `in (1).png`.
    KeepBoth,
    /// The new content takes the name.
    Replace,
}

impl SeatFiles {
    /// Puts a received file in its place.
    pub async fn store_upload(
        &self,
        received: ReceivedFile,
        upload: Upload,
    ) -> Result<StoredFile, FilesError> {
        self.blocking(move |shared, folder| shared.store_upload(folder, received, upload)).await
    }
}

impl SeatShared {
    fn store_upload(
        &self,
        folder: &Dir,
        received: ReceivedFile,
        upload: Upload,
    ) -> Result<StoredFile, FilesError> {
        let Upload { kind, subfolder, name, same_name } = upload;
        let mut location = FileLocation { kind, subfolder, name };
        let sha256 = received.sha256().to_owned();
        let bytes = received.bytes();
        folder.create_dir_all(location.folder()).map_err(FilesError::of("make a subfolder"))?;

        let _choosing = self.choose_name();
        if same_name == SameName::KeepBoth {
            let asked_for = location.name.clone();
            let mut number = 0;
            while folder.try_exists(location.path()).map_err(FilesError::of("look for a file"))? {
                if self.holds(folder, &location, &received)? {
                    return Ok(StoredFile { location, bytes, sha256 });
                }
                number += 1;
                if number > MAX_SAME_NAMES {
                    return Err(FilesError::TooManyOfOneName);
                }
                let (stem, extension) = asked_for.split_extension();
                location.name = FileName::parse(&format!("{stem} ({number}){extension}"))?;
            }
        }
        received.move_to(folder, &location.path())?;
        Ok(StoredFile { location, bytes, sha256 })
    }

    fn holds(
        &self,
        folder: &Dir,
        location: &FileLocation,
        received: &ReceivedFile,
    ) -> Result<bool, FilesError> {
        let path = location.path();
        let metadata = folder.metadata(&path).map_err(FilesError::of("look at a file"))?;
        if !metadata.is_file() || metadata.len() != received.bytes() {
            return Ok(false);
        }
        Ok(self.content_hash(folder, &path)?.sha256 == received.sha256())
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_seat::TestSeat;
    use super::*;

    async fn upload(seat: &TestSeat, name: &str, content: &str, same_name: SameName) -> String {
        let received = seat.files.receive_bytes(content.as_bytes()).await.unwrap();
        let upload = Upload {
            kind: FolderKind::Input,
            subfolder: SeatPath::default(),
            name: FileName::parse(name).unwrap(),
            same_name,
        };
        let stored = seat.files.store_upload(received, upload).await.unwrap();
        assert_eq!(stored.bytes, content.len() as u64);
        stored.location.name.to_string()
    }

    #[tokio::test]
    async fn equal_names_follow_comfyui() {
        let seat = TestSeat::new().await;
        assert_eq!(upload(&seat, "in.png", "one", SameName::KeepBoth).await, "in.png");
        assert_eq!(upload(&seat, "in.png", "one", SameName::KeepBoth).await, "in.png");
        assert_eq!(upload(&seat, "in.png", "two", SameName::KeepBoth).await, "in (1).png");
        assert_eq!(upload(&seat, "in.png", "two", SameName::KeepBoth).await, "in (1).png");
        assert_eq!(upload(&seat, "in.png", "six", SameName::KeepBoth).await, "in (2).png");
        assert_eq!(seat.read("input/in.png"), "one");
        assert_eq!(upload(&seat, "in.png", "new", SameName::Replace).await, "in.png");
        assert_eq!(seat.read("input/in.png"), "new");
        assert_eq!(seat.files.list_names(FolderKind::Input).await.unwrap().len(), 3);
        assert!(seat.names("incoming").is_empty());
    }

    #[tokio::test]
    async fn uploads_at_once_never_share_a_name() {
        let seat = TestSeat::new().await;
        let contents = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let uploads = contents.map(|content| {
            let seat = seat.clone();
            tokio::spawn(async move { (upload(&seat, "x.png", content, SameName::KeepBoth).await, content) })
        });
        let mut names = Vec::new();
        for upload in uploads {
            let (name, content) = upload.await.unwrap();
            assert_eq!(seat.read(&format!("input/{name}")), content);
            names.push(name);
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), contents.len());
    }

    #[tokio::test]
    async fn a_folder_is_never_replaced_by_a_file() {
        let seat = TestSeat::new().await;
        seat.write("input/x.png/inside", "kept");
        assert_eq!(upload(&seat, "x.png", "new", SameName::KeepBoth).await, "x (1).png");
        let received = seat.files.receive_bytes(b"new").await.unwrap();
        let upload = Upload {
            kind: FolderKind::Input,
            subfolder: SeatPath::default(),
            name: FileName::parse("x.png").unwrap(),
            same_name: SameName::Replace,
        };
        assert!(matches!(seat.files.store_upload(received, upload).await, Err(FilesError::IsFolder)));
        assert_eq!(seat.read("input/x.png/inside"), "kept");
    }

    #[tokio::test]
    async fn too_much_is_refused_and_leaves_nothing() {
        let seat = TestSeat::new().await;
        let mut incoming = seat.files.receive(10).await.unwrap();
        incoming.write(b"0123456789").await.unwrap();
        let refused = incoming.write(b"x").await;
        assert!(matches!(refused, Err(FilesError::TooLarge { limit_bytes: 10 })));
        let path = seat.path("incoming");
        drop(incoming);
        // The file is removed on a blocking thread, which ends before the runtime does.
        seat.wait_until(|| std::fs::read_dir(&path).unwrap().next().is_none()).await;
    }

    #[tokio::test]
    async fn a_large_file_arrives_whole() {
        let seat = TestSeat::new().await;
        let content: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
        let mut incoming = seat.files.receive(content.len() as u64).await.unwrap();
        for chunk in content.chunks(70_001) {
            incoming.write(chunk).await.unwrap();
        }
        let received = incoming.finish().await.unwrap();
        let upload = Upload {
            kind: FolderKind::Temp,
            subfolder: SeatPath::parse("webcam").unwrap(),
            name: FileName::parse("big.bin").unwrap(),
            same_name: SameName::KeepBoth,
        };
        let stored = seat.files.store_upload(received, upload).await.unwrap();
        assert_eq!(std::fs::read(seat.path("temp/webcam/big.bin")).unwrap(), content);
        let hash = seat.files.content_hash(&stored.location).await.unwrap();
        assert_eq!(hash.sha256, stored.sha256);
    }
}
