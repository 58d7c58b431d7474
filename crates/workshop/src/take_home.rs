//! What a participant takes home: everything that is theirs, by a link that outlives the
//! workshop's sessions.
//!
//! The link's secret is apart from the join link's: it opens nothing but this download.

use domain::{SeatId, Timestamp};

use crate::files::{Depth, FileLocation, FilesError, FolderKind, SeatPath};
use crate::gallery::{Chosen, GalleryFilter};
use crate::{Workshop, WorkshopError};

/// One file to be taken home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeHomeFile {
    /// In the archive: laid out as in a seat's folder, and as ComfyUI lays its own out.
    pub path: String,
    pub source: TakeHomeSource,
    pub bytes: u64,
    pub made_at: Timestamp,
    /// What the job was called, for results.
    pub title: String,
}

/// Where the file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakeHomeSource {
    Result(FileLocation),
    User(SeatPath),
}

/// What the page of a take-home link says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeHome {
    pub seat: SeatId,
    /// What the instructor calls it; empty if nothing.
    pub name: String,
    pub results: u32,
    pub bytes: u64,
}

impl Workshop {
    /// The seat whose files this link hands out.
    pub fn take_home_seat(&self, token: &str) -> Result<SeatId, WorkshopError> {
        self.seat_of_take_home(token).ok_or(WorkshopError::NotFound)
    }

    /// The path of the seat's take-home link: `/take-home/…`.
    pub fn take_home_path(&self, seat: SeatId) -> Result<String, WorkshopError> {
        Ok(take_home_path(&self.seat(seat)?.take_home_token))
    }

    pub async fn take_home(&self, seat: SeatId) -> Result<TakeHome, WorkshopError> {
        let (results, bytes) = self.store().gallery_totals(seat).await?;
        Ok(TakeHome { seat, name: self.seat(seat)?.name, results, bytes })
    }

    /// All files of the seat that it takes home: results, workflows and settings, and its
    /// inputs if they are wanted.
    pub async fn take_home_files(
        &self,
        seat: SeatId,
        with_inputs: bool,
    ) -> Result<Vec<TakeHomeFile>, WorkshopError> {
        let mut list = Vec::new();
        match self.result_files(seat, &Chosen::All(GalleryFilter::default())).await {
            Ok(results) => list.extend(results.into_iter().map(|result| TakeHomeFile {
                path: result.location.path(),
                bytes: result.bytes,
                made_at: result.created_at,
                title: result.title,
                source: TakeHomeSource::Result(result.location),
            })),
            Err(WorkshopError::NotFound) => {}
            Err(error) => return Err(error),
        }
        let files = self.files().seat(seat).await?;
        for file in files.list_userdata(SeatPath::default(), Depth::All).await? {
            list.push(TakeHomeFile {
                path: format!("user/{}", file.path),
                bytes: file.bytes,
                made_at: timestamp(file.modified_at),
                title: String::new(),
                source: TakeHomeSource::User(file.path),
            });
        }
        if with_inputs {
            for file in files.list_all(FolderKind::Input).await? {
                let location =
                    FileLocation::parse(FolderKind::Input, file.path.parent().as_str(), file.path.name());
                list.push(TakeHomeFile {
                    path: format!("input/{}", file.path),
                    bytes: file.bytes,
                    made_at: timestamp(file.modified_at),
                    title: String::new(),
                    source: TakeHomeSource::Result(location.map_err(FilesError::from)?),
                });
            }
        }
        Ok(list)
    }
}

/// The path of a link with this secret.
pub fn take_home_path(token: &str) -> String {
    format!("/take-home/{token}")
}

fn timestamp(time: std::time::SystemTime) -> Timestamp {
    let since_epoch = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
