//! Models that a participant brought: kept in the seat's folder, listed in its selectors only.
//!
//! Invariant: a row tells the content of its file. The file is placed first, so that a stop
//! between the two leaves at worst a row of before, whose hash the worker finds wrong.

use comfy_api::models::{EXTENSIONS, OwnModel};
use domain::{JobId, LeaseToken, SeatId};
use store::SeatModel;

use crate::files::{FileName, FilesError, OpenFile, ReceivedFile};
use crate::{Workshop, WorkshopError};

/// A model that is open for its worker.
#[derive(Debug)]
pub struct OpenModel {
    pub file: OpenFile,
    pub sha256: String,
}

#[derive(Default)]
pub(crate) struct Models {
    /// Held from placing a file to writing its row, so that no other's row comes between.
    changing: tokio::sync::Mutex<()>,
}

impl Workshop {
    /// Puts a received model in its folder, over one of the same name, and offers it to the seat.
    pub async fn add_model(
        &self,
        seat: SeatId,
        folder: &FileName,
        name: &FileName,
        received: ReceivedFile,
        metadata: Option<String>,
    ) -> Result<SeatModel, WorkshopError> {
        self.check_model_place(folder, name)?;
        let model = SeatModel {
            seat,
            folder: folder.to_string(),
            name: name.to_string(),
            bytes: received.bytes(),
            sha256: received.sha256().to_owned(),
            metadata,
            created_at: self.now(),
        };
        let files = self.files().seat(seat).await?;
        let _changing = self.inner.models.changing.lock().await;
        files.place_model(received, folder, name).await?;
        self.store().save_seat_model(&model).await?;
        self.inner.hub.files_changed(seat);
        Ok(model)
    }

    /// Whether a model may be uploaded to this place: known before its gigabytes are.
    pub fn check_model_place(&self, folder: &FileName, name: &FileName) -> Result<(), WorkshopError> {
        let catalog = self.catalog();
        let taken = catalog.as_ref().and_then(|catalog| catalog.model_folders.get(folder.as_str()));
        let Some(taken) = taken else {
            return Err(WorkshopError::BadRequest(format!("the engine takes no models into `{folder}`")));
        };
        let extension = name.split_extension().1;
        if !EXTENSIONS.contains(&extension) || !taken.iter().any(|taken| taken == extension) {
            let taken = taken.join(" or ");
            return Err(WorkshopError::BadRequest(format!("a model in `{folder}` must end in {taken}")));
        }
        Ok(())
    }

    /// The seat's models, by folder and name.
    pub async fn seat_models(&self, seat: SeatId) -> Result<Vec<SeatModel>, WorkshopError> {
        Ok(self.store().seat_models(seat).await?)
    }

    /// The folders that a seat may upload to; none before any engine has ever connected.
    pub fn model_folders(&self) -> Vec<String> {
        self.catalog().map(|catalog| catalog.model_folders.keys().cloned().collect()).unwrap_or_default()
    }

    /// What selectors and graphs know of the seat's models.
    pub(crate) async fn own_models(&self, seat: SeatId) -> Result<Vec<OwnModel>, WorkshopError> {
        let own = |model: SeatModel| {
            let SeatModel { folder, name, sha256, bytes, .. } = model;
            OwnModel { folder, name, sha256, bytes }
        };
        Ok(self.store().seat_models(seat).await?.into_iter().map(own).collect())
    }

    /// The `__metadata__` of one of the seat's models, as JSON.
    pub async fn model_metadata(
        &self,
        seat: SeatId,
        folder: &str,
        name: &str,
    ) -> Result<Option<String>, WorkshopError> {
        let model = self.store().seat_model(seat, folder, name).await?.ok_or(WorkshopError::NotFound)?;
        Ok(model.metadata)
    }

    /// Opens a model of a claimed job. One that was replaced or deleted since is not there: its
    /// worker asked for another content.
    pub async fn model_file(
        &self,
        id: JobId,
        token: LeaseToken,
        index: usize,
    ) -> Result<OpenModel, WorkshopError> {
        let needed = self.with_run(id, token, |run| (run.seat, run.models.get(index).cloned())).await?;
        let (seat, Some(needed)) = needed else { return Err(FilesError::NotFound.into()) };
        let (folder, name) = match (FileName::parse(&needed.folder), FileName::parse(&needed.name)) {
            (Ok(folder), Ok(name)) => (folder, name),
            (Err(invalid), _) | (_, Err(invalid)) => return Err(FilesError::from(invalid).into()),
        };
        // Opened before its row is read: a row that still tells this content was not yet written
        // over when the file was opened.
        let file = self.files().seat(seat).await?.open_model(&folder, &name).await?;
        let row = self.store().seat_model(seat, &needed.folder, &needed.name).await?;
        if row.is_some_and(|row| row.sha256 == needed.sha256) {
            Ok(OpenModel { file, sha256: needed.sha256 })
        } else {
            Err(FilesError::NotFound.into())
        }
    }
}
