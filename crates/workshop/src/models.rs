//! Models that a participant brought: kept in the seat's folder, listed in its selectors only.
//!
//! Invariant: a row tells the content of its file. The file is placed first, so that a stop
//! between the two leaves at worst a row of before, whose hash the worker finds wrong.

use domain::SeatId;
use store::SeatModel;

use crate::files::{FileName, ReceivedFile};
use crate::{Workshop, WorkshopError};

/// What a model's name ends in. The other formats are pickles, which run code when they are loaded.
pub const MODEL_EXTENSIONS: [&str; 2] = [".safetensors", ".gguf"];

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
        self.inner.hub.models_changed(seat);
        Ok(model)
    }

    /// Whether a model may be uploaded to this place: known before its gigabytes are.
    pub fn check_model_place(&self, folder: &FileName, name: &FileName) -> Result<(), WorkshopError> {
        if !self.model_folders().iter().any(|known| known == folder.as_str()) {
            return Err(WorkshopError::BadRequest(format!("the engine takes no models into `{folder}`")));
        }
        if !MODEL_EXTENSIONS.iter().any(|extension| name.split_extension().1 == *extension) {
            let allowed = MODEL_EXTENSIONS.join(" or ");
            return Err(WorkshopError::BadRequest(format!("a model's name must end in {allowed}")));
        }
        Ok(())
    }

    /// The seat's models, by folder and name.
    pub async fn seat_models(&self, seat: SeatId) -> Result<Vec<SeatModel>, WorkshopError> {
        Ok(self.store().seat_models(seat).await?)
    }

    /// The folders that a seat may upload to; none before any engine has ever connected.
    pub fn model_folders(&self) -> Vec<String> {
        self.catalog().map(|catalog| catalog.model_folders.clone()).unwrap_or_default()
    }
}
