//! The output files of jobs, numbered in the seat's own folders.

use std::str::FromStr;
use std::sync::Arc;

use cap_std::fs::Dir;
use store::Media;
use tokio::io::AsyncRead;

use super::animation::media;
use super::error::FilesError;
use super::incoming::ReceivedFile;
use super::location::{FileLocation, FolderKind, UnknownFolder, folder_path};
use super::media_type::media_type;
use super::numbering::NumberedName;
use super::path::{FileName, SeatPath};
use super::seat::{SeatFiles, SeatShared, lock};

/// What an output file is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactName {
    pub kind: ArtifactKind,
    /// The participant's own part of the path, below the job's folder.
    pub subfolder: String,
    /// As the engine called the file; only its prefix and extension are kept.
    pub filename: String,
    /// Subfolder and name that an earlier attempt got for this file, to be replaced.
    pub existing: Option<(String, String)>,
}

/// The folders that jobs write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArtifactKind {
    Output,
    Temp,
}

/// What an output file is, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedArtifact {
    pub subfolder: String,
    pub filename: String,
    /// For instance `image/png`.
    pub media_type: String,
    pub media: Media,
    pub bytes: u64,
    /// In lower-case hexadecimal.
    pub sha256: String,
}

/// An output file that has arrived whole. Its name is its own, but nobody sees it before it is
/// placed; dropped, it leaves nothing.
pub struct ReceivedArtifact {
    received: ReceivedFile,
    location: FileLocation,
    description: PlacedArtifact,
    _reservation: Option<Reservation>,
}

/// A free name that nobody else is given until this is dropped.
struct Reservation {
    shared: Arc<SeatShared>,
    path: String,
}

impl SeatFiles {
    /// Streams a job's output file in and chooses its name.
    pub async fn receive_artifact(
        &self,
        name: ArtifactName,
        body: impl AsyncRead + Send + Unpin,
    ) -> Result<ReceivedArtifact, FilesError> {
        let place = Place::parse(name)?;
        // The worker is the operator's own program, and a video may be large: no limit but the disk.
        let received = self.receive_all(body, u64::MAX).await?;
        let shared = Arc::clone(self.shared());
        self.blocking(move |_, folder| shared.choose_place(folder, received, place)).await
    }

    /// Puts an output file in its place, over an earlier attempt's.
    pub async fn place_artifact(&self, artifact: ReceivedArtifact) -> Result<(), FilesError> {
        self.blocking(move |_, folder| {
            let path = artifact.location.path();
            folder.create_dir_all(artifact.location.folder()).map_err(FilesError::of("make a subfolder"))?;
            artifact.received.move_to(folder, &path)
        })
        .await
    }

    /// Whether this output file is in its place.
    pub async fn has_artifact(
        &self,
        kind: ArtifactKind,
        subfolder: &str,
        filename: &str,
    ) -> Result<bool, FilesError> {
        let location = FileLocation::parse(kind.into(), subfolder, filename)?;
        let look = move |_: &SeatShared, folder: &Dir| {
            folder.try_exists(location.path()).map_err(FilesError::of("look for an output"))
        };
        self.blocking(look).await
    }
}

impl ReceivedArtifact {
    pub fn description(&self) -> &PlacedArtifact {
        &self.description
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        lock(&self.shared.reserved).remove(&self.path);
    }
}

impl FromStr for ArtifactKind {
    type Err = UnknownFolder;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "output" => Ok(Self::Output),
            "temp" => Ok(Self::Temp),
            other => Err(UnknownFolder(other.to_owned())),
        }
    }
}

impl From<ArtifactKind> for FolderKind {
    fn from(kind: ArtifactKind) -> Self {
        match kind {
            ArtifactKind::Output => Self::Output,
            ArtifactKind::Temp => Self::Temp,
        }
    }
}

enum Place {
    Numbered { kind: FolderKind, subfolder: SeatPath, engine_name: FileName },
    Existing(FileLocation),
}

impl Place {
    fn parse(name: ArtifactName) -> Result<Self, FilesError> {
        let kind = name.kind.into();
        Ok(match name.existing {
            Some((subfolder, filename)) => Self::Existing(FileLocation::parse(kind, &subfolder, &filename)?),
            None => Self::Numbered {
                kind,
                subfolder: SeatPath::parse(&name.subfolder)?,
                engine_name: FileName::parse(&name.filename)?,
            },
        })
    }
}

impl SeatShared {
    fn choose_place(
        self: Arc<Self>,
        folder: &Dir,
        received: ReceivedFile,
        place: Place,
    ) -> Result<ReceivedArtifact, FilesError> {
        let (location, reservation) = match place {
            Place::Existing(location) => (location, None),
            Place::Numbered { kind, subfolder, engine_name } => {
                let _choosing = self.choose_name();
                let path = folder_path(kind, &subfolder);
                folder.create_dir_all(&path).map_err(FilesError::of("make a subfolder"))?;
                let numbered = NumberedName::of(&engine_name);
                // Before the listing, or a file that is placed in between would be in neither.
                let below =
                    |reserved: &String| Some(reserved.strip_prefix(&path)?.strip_prefix('/')?.to_owned());
                let mut taken: Vec<String> = lock(&self.reserved).iter().filter_map(below).collect();
                taken.extend(names_in(folder, &path)?);
                let name = numbered.with_number(numbered.next_number(taken.iter().map(String::as_str)))?;
                let location = FileLocation { kind, subfolder, name };
                let path = location.path();
                lock(&self.reserved).insert(path.clone());
                (location, Some(Reservation { shared: Arc::clone(&self), path }))
            }
        };
        let media_type = media_type(location.name.as_str());
        let description = PlacedArtifact {
            subfolder: location.subfolder.to_string(),
            filename: location.name.to_string(),
            media_type: media_type.to_owned(),
            media: media(media_type, &mut received.open_blocking(folder)?),
            bytes: received.bytes(),
            sha256: received.sha256().to_owned(),
        };
        Ok(ReceivedArtifact { received, location, description, _reservation: reservation })
    }
}

fn names_in(folder: &Dir, path: &str) -> Result<Vec<String>, FilesError> {
    let failed = FilesError::of("list a folder");
    let mut names = Vec::new();
    for entry in folder.read_dir(path).map_err(&failed)? {
        // A name that is no text cannot be one that this server gave.
        names.extend(entry.map_err(&failed)?.file_name().into_string().ok());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::super::test_seat::TestSeat;
    use super::*;

    fn output(subfolder: &str, filename: &str) -> ArtifactName {
        let (subfolder, filename) = (subfolder.to_owned(), filename.to_owned());
        ArtifactName { kind: ArtifactKind::Output, subfolder, filename, existing: None }
    }

    async fn put(seat: &TestSeat, name: ArtifactName, content: &[u8]) -> PlacedArtifact {
        let received = seat.files.receive_artifact(name, content).await.unwrap();
        let placed = received.description().clone();
        seat.files.place_artifact(received).await.unwrap();
        placed
    }

    async fn place(seat: &TestSeat, subfolder: &str, filename: &str) -> PlacedArtifact {
        put(seat, output(subfolder, filename), filename.as_bytes()).await
    }

    #[tokio::test]
    async fn a_file_that_has_arrived_is_seen_only_once_it_is_placed() {
        let seat = TestSeat::new().await;
        let name = output("", "a_00001_.png");
        let first = seat.files.receive_artifact(name.clone(), &b"first"[..]).await.unwrap();
        assert!(seat.names("output").is_empty());
        let has = || seat.files.has_artifact(ArtifactKind::Output, "", "a_00001_.png");
        assert!(!has().await.unwrap());
        let second = seat.files.receive_artifact(name.clone(), &b"second"[..]).await.unwrap();
        assert_eq!(second.description().filename, "a_00002_.png", "the first name is spoken for");
        drop(first);
        let third = seat.files.receive_artifact(name, &b"third"[..]).await.unwrap();
        assert_eq!(third.description().filename, "a_00003_.png");
        drop((second, third));
        assert_eq!(place(&seat, "", "a_00001_.png").await.filename, "a_00001_.png", "and given up again");
        assert!(has().await.unwrap());
    }

    #[tokio::test]
    async fn each_folder_counts_for_itself() {
        let seat = TestSeat::new().await;
        for (subfolder, name) in [
            ("", "ComfyUI_00001_.png"),
            ("", "ComfyUI_00002_.png"),
            ("cats/best", "ComfyUI_00001_.png"),
            ("", "ComfyUI_00003_.png"),
        ] {
            let placed = place(&seat, subfolder, "ComfyUI_00001_.png").await;
            assert_eq!((placed.subfolder.as_str(), placed.filename.as_str()), (subfolder, name));
            assert_eq!((placed.media_type.as_str(), placed.bytes), ("image/png", 18));
        }
        assert_eq!(seat.read("output/cats/best/ComfyUI_00001_.png"), "ComfyUI_00001_.png");
    }

    #[tokio::test]
    async fn a_second_attempt_replaces_the_first_ones_file() {
        let seat = TestSeat::new().await;
        let first = place(&seat, "cats", "a_00001_.png").await;
        place(&seat, "cats", "a_00001_.png").await;
        let existing = Some((first.subfolder.clone(), first.filename.clone()));
        let again = ArtifactName { existing, ..output("cats", "a_00009_.png") };
        let second = put(&seat, again, b"again").await;
        assert_eq!((second.subfolder, second.filename), (first.subfolder, first.filename));
        assert_ne!(second.sha256, first.sha256);
        assert_eq!(seat.read("output/cats/a_00001_.png"), "again");
        assert_eq!(seat.names("output/cats"), ["a_00001_.png", "a_00002_.png"]);
    }

    #[tokio::test]
    async fn files_placed_at_once_get_different_numbers() {
        let seat = TestSeat::new().await;
        let placed = [(); 8].map(|()| {
            let seat = seat.clone();
            tokio::spawn(async move { place(&seat, "", "a_00001_.png").await.filename })
        });
        let mut names = Vec::new();
        for name in placed {
            names.push(name.await.unwrap());
        }
        names.sort();
        let expected: Vec<String> = (1..=8).map(|number| format!("a_{number:05}_.png")).collect();
        assert_eq!(names, expected);
    }

    #[tokio::test]
    async fn no_name_leads_out_and_no_job_writes_inputs() {
        let seat = TestSeat::new().await;
        for (subfolder, filename) in
            [("..", "a.png"), ("a/../..", "a.png"), ("/x", "a.png"), ("", "../a.png")]
        {
            let refused = seat.files.receive_artifact(output(subfolder, filename), &b"x"[..]).await;
            assert!(matches!(refused, Err(FilesError::InvalidPath(_))), "{subfolder} {filename}");
        }
        let existing = Some(("..".to_owned(), "a.png".to_owned()));
        let refused =
            seat.files.receive_artifact(ArtifactName { existing, ..output("", "a.png") }, &b"x"[..]).await;
        assert!(refused.is_err());
        assert!("input".parse::<ArtifactKind>().is_err());
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_leaves_nothing() {
        use tokio::io::AsyncReadExt;

        let seat = TestSeat::new().await;
        let body = b"half".chain(BrokenBody);
        let refused = seat.files.receive_artifact(output("", "a_00001_.png"), body).await;
        assert!(matches!(refused, Err(FilesError::BodyBroke(_))));
        assert!(seat.names("output").is_empty());
        seat.wait_until(|| seat.names("incoming").is_empty()).await;
    }

    struct BrokenBody;

    impl AsyncRead for BrokenBody {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()))
        }
    }
}
