//! Deleting with undo, for everything that a seat can delete.
//!
//! What is deleted is gone from view at once, and its file lies in the seat's trash for
//! [`UNDO_WINDOW`]; then it is removed for good. Invariant: at any moment a file and its row
//! are found by each other, so a crash between two steps loses nothing, brings nothing back
//! and leaves nothing behind; `finish_trash` takes the missing step at the next start.

use std::time::Duration;

use domain::SeatId;
use store::{NewTrashItem, TrashItem, TrashKind, TrashState};
use tokio_util::sync::CancellationToken;

pub use store::{TrashId, TrashSummary};

use crate::files::{FileLocation, FileName, FilesError, FolderKind, Returned};
use crate::health::error_chain;
use crate::{Workshop, WorkshopError};

/// How long a deletion can be undone.
pub const UNDO_WINDOW: Duration = Duration::from_secs(10 * 60);
/// How much longer than that deleted files may lie on the disk.
const PURGE_PERIOD: Duration = Duration::from_secs(30);
/// The most that one deletion may name: all of it is held in memory.
const MAX_DISCARDED: usize = 20_000;
/// Names are chosen again when others take them first; nobody is that unlucky this often.
const MAX_ROUNDS: usize = 20;

/// Something of a seat that it no longer wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discard {
    Input(FileLocation),
    Output { artifact: i64 },
    Model { folder: FileName, name: FileName },
}

impl Workshop {
    /// Deletes things of the seat as one deletion. What is already gone is left out; if
    /// nothing is there, it is `NotFound`.
    pub async fn discard(&self, seat: SeatId, things: Vec<Discard>) -> Result<TrashId, WorkshopError> {
        if things.len() > MAX_DISCARDED {
            return Err(WorkshopError::BadRequest(format!("delete at most {MAX_DISCARDED} files at a time")));
        }
        let things: Vec<_> = things.into_iter().map(new_item).collect::<Result<_, _>>()?;
        let workshop = self.clone();
        whole(async move { workshop.discard_whole(seat, &things).await }).await
    }

    /// Undoes a deletion. A file whose name was taken meanwhile gets the next free one.
    pub async fn restore(&self, seat: SeatId, trash: TrashId) -> Result<(), WorkshopError> {
        let workshop = self.clone();
        let restored = async move {
            let _turn = workshop.inner.trash.lock().await;
            workshop.bring_back(seat, trash).await
        };
        whole(restored).await?;
        self.inner.hub.gallery_changed(seat);
        Ok(())
    }

    /// The seat's deletions that can still be undone, latest first.
    pub async fn trash(&self, seat: SeatId) -> Result<Vec<TrashSummary>, WorkshopError> {
        Ok(self.store().seat_trash(seat).await?)
    }

    /// Removes for good whatever the seat has deleted: its space is needed now.
    pub async fn empty_trash(&self, seat: SeatId) -> Result<(), WorkshopError> {
        let _turn = self.inner.trash.lock().await;
        for summary in self.store().seat_trash(seat).await? {
            self.purge(seat, summary.id).await?;
        }
        self.inner.hub.gallery_changed(seat);
        Ok(())
    }

    /// Removes what has lain in the trash long enough, until `shutdown`.
    pub async fn run_trash(&self, shutdown: CancellationToken) {
        loop {
            if let Err(error) = self.purge_trash_once().await {
                tracing::error!(error = %error_chain(&error), "deleted files could not be removed; trying again");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(PURGE_PERIOD) => {}
            }
        }
    }

    /// One pass.
    pub async fn purge_trash_once(&self) -> Result<(), WorkshopError> {
        let window_ms = i64::try_from(UNDO_WINDOW.as_millis()).unwrap_or(i64::MAX);
        let before = domain::Timestamp::from_unix_ms(self.now().unix_ms() - window_ms);
        let old = self.store().trash_before(before).await?;
        for (seat, trash) in &old {
            let _turn = self.inner.trash.lock().await;
            self.purge(*seat, *trash).await?;
            // Pages that offered the undo offer it no longer.
            self.inner.hub.gallery_changed(*seat);
        }
        Ok(())
    }

    /// Takes the steps that the last stop of the server cut short.
    pub(crate) async fn finish_trash(&self) -> Result<(), WorkshopError> {
        for (seat, trash) in self.store().trash_cut_short().await? {
            let items = self.store().trash_items(seat, trash).await?;
            if items.iter().any(|item| item.state == TrashState::Returning) {
                self.bring_back(seat, trash).await?;
            } else {
                // A file that has moved already is absent from where it was, and is no less here.
                let files = self.files().seat(seat).await?;
                let waiting = files.not_in_trash(items).await?;
                let absent = files.move_to_trash(waiting).await?;
                self.store().keep_trash(trash, &absent).await?;
            }
        }
        Ok(())
    }

    async fn discard_whole(&self, seat: SeatId, things: &[NewTrashItem]) -> Result<TrashId, WorkshopError> {
        let files = self.files().seat(seat).await?;
        let _turn = self.inner.trash.lock().await;
        let (trash, items) = self.store().begin_trash(seat, self.now(), things).await?;
        let kept = match files.move_to_trash(items).await {
            Ok(absent) => self.store().keep_trash(trash, &absent).await?,
            Err(error) => {
                // What has already moved comes back, so that the failure is whole.
                self.bring_back(seat, trash).await?;
                return Err(error.into());
            }
        };
        self.inner.hub.gallery_changed(seat);
        self.files_changed(seat);
        if things.iter().any(|thing| matches!(thing, NewTrashItem::Model { .. })) {
            self.inner.hub.files_changed(seat);
        }
        if kept == 0 { Err(WorkshopError::NotFound) } else { Ok(trash) }
    }

    async fn bring_back(&self, seat: SeatId, trash: TrashId) -> Result<(), WorkshopError> {
        let mut items = self.store().trash_items(seat, trash).await?;
        if items.is_empty() {
            return Err(WorkshopError::NotFound);
        }
        let has_models = items.iter().any(|item| item.kind == TrashKind::Model);
        let files = self.files().seat(seat).await?;
        let superseded = self.store().superseded_trash(trash).await?;
        files.remove_from_trash(superseded.clone()).await?;
        items.retain(|item| !superseded.contains(&item.id));
        for _ in 0..MAX_ROUNDS {
            let names = files.names_to_return(items.clone()).await?;
            self.store().begin_restore(&names).await?;
            let named = items.into_iter().zip(names).map(|(item, (_, name))| TrashItem { name, ..item });
            let returned = files.return_from_trash(named.collect()).await?;
            let taken = returned.into_iter().filter(|(_, returned)| *returned == Returned::NameTaken);
            items = taken.map(|(item, _)| item).collect();
            if items.is_empty() {
                self.store().end_restore(trash).await?;
                self.files_changed(seat);
                if has_models {
                    self.inner.hub.files_changed(seat);
                }
                return Ok(());
            }
        }
        Err(FilesError::TooManyOfOneName.into())
    }

    /// The files first: rows without files are purged again, files without rows would stay for ever.
    async fn purge(&self, seat: SeatId, trash: TrashId) -> Result<(), WorkshopError> {
        let items = self.store().trash_items(seat, trash).await?;
        let files = self.files().seat(seat).await?;
        files.remove_from_trash(items.into_iter().map(|item| item.id).collect()).await?;
        let unused = self.store().purge_trash(trash).await?;
        files.remove_thumbnails(unused).await?;
        self.files_changed(seat);
        Ok(())
    }
}

/// Runs to its end even if the caller hangs up in between.
async fn whole<T: Send + 'static>(
    steps: impl Future<Output = Result<T, WorkshopError>> + Send + 'static,
) -> Result<T, WorkshopError> {
    tokio::spawn(steps).await.map_err(FilesError::CutShort)?
}

fn new_item(thing: Discard) -> Result<NewTrashItem, WorkshopError> {
    match thing {
        Discard::Input(location) if location.kind == FolderKind::Input => {
            Ok(NewTrashItem::Input { folder: location.folder(), name: location.name.to_string() })
        }
        Discard::Input(_) => {
            Err(WorkshopError::BadRequest("only files of `input` are deleted by name".into()))
        }
        Discard::Output { artifact } => Ok(NewTrashItem::Output { artifact }),
        Discard::Model { folder, name } => {
            Ok(NewTrashItem::Model { folder: folder.to_string(), name: name.to_string() })
        }
    }
}
