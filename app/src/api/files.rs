//! The seat's own files: inputs, models, what is still arriving, and the room that it takes.

use domain::SeatId;
use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;
use serde::{Deserialize, Serialize};

use crate::api::artifact::{ArtifactView, MediaKind};
use crate::api::undo::UndoView;
use crate::error::AppError;

/// Inputs listed at once; a page of more would be slow to draw.
pub const INPUTS_SHOWN: usize = 300;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesView {
    /// Newest first.
    pub inputs: Vec<InputView>,
    /// How many more there are.
    pub more_inputs: u32,
    pub models: Vec<ModelView>,
    /// Oldest first.
    pub uploads: Vec<UploadView>,
    /// Where models may go; empty before any engine has connected.
    pub folders: Vec<String>,
    pub storage: StorageView,
    /// The latest deletion that can still be undone.
    pub undo: Option<UndoView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputView {
    pub file: ArtifactView,
    pub media_type: String,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelView {
    pub folder: String,
    pub name: String,
    pub bytes: u64,
}

/// A file that has not arrived whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadView {
    pub id: String,
    pub name: String,
    /// The model folder; nothing for an input.
    pub model_folder: Option<String>,
    pub bytes: u64,
    pub received: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageView {
    /// All that counts, unfinished uploads with their whole length.
    pub used_bytes: u64,
    pub quota_bytes: Option<u64>,
    pub input_bytes: u64,
    pub output_bytes: u64,
    pub model_bytes: u64,
    pub trash_bytes: u64,
}

impl InputView {
    pub fn media(&self) -> MediaKind {
        MediaKind::of(&self.media_type)
    }

    /// As a loader's selector lists it.
    pub fn path(&self) -> String {
        if self.file.subfolder.is_empty() {
            self.file.filename.clone()
        } else {
            format!("{}/{}", self.file.subfolder, self.file.filename)
        }
    }
}

impl ModelView {
    /// As the editor's selectors list it.
    pub fn selector_name(&self) -> String {
        format!("mine/{}", self.name)
    }
}

#[server(name = ReadFiles, endpoint = "read-files", input = GetUrl)]
pub async fn read_files(seat: SeatId) -> Result<FilesView, AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_seat_to_look};

    let seat = require_seat_to_look(seat)?;
    let workshop = workshop();
    let inputs = workshop.seat_inputs(seat).await.map_err(refuse)?;
    let models = workshop.seat_models(seat).await.map_err(refuse)?;
    let uploads = workshop.open_uploads(seat).await.map_err(refuse)?;
    let storage = workshop.seat_storage(seat).await.map_err(refuse)?;
    Ok(FilesView {
        more_inputs: u32::try_from(inputs.len().saturating_sub(INPUTS_SHOWN)).unwrap_or(u32::MAX),
        inputs: inputs.iter().take(INPUTS_SHOWN).map(InputView::from).collect(),
        models: models
            .into_iter()
            .map(|model| ModelView { folder: model.folder, name: model.name, bytes: model.bytes })
            .collect(),
        uploads: uploads.into_iter().map(UploadView::from).collect(),
        folders: workshop.model_folders(),
        storage: storage.into(),
        undo: crate::api::undo::latest_undo(seat).await?,
    })
}

#[server(name = DiscardInput, endpoint = "discard-input")]
pub async fn discard_input(seat: SeatId, subfolder: String, filename: String) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_seat};
    use workshop::files::{FileLocation, FolderKind};
    use workshop::trash::Discard;

    let seat = require_seat(seat)?;
    let location =
        FileLocation::parse(FolderKind::Input, &subfolder, &filename).map_err(|_| AppError::Invalid)?;
    workshop().discard(seat, vec![Discard::Input(location)]).await.map_err(refuse)?;
    Ok(())
}

#[server(name = DiscardModel, endpoint = "discard-model")]
pub async fn discard_model(seat: SeatId, folder: String, name: String) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_seat};
    use workshop::files::FileName;
    use workshop::trash::Discard;

    let seat = require_seat(seat)?;
    let folder = FileName::parse(&folder).map_err(|_| AppError::Invalid)?;
    let name = FileName::parse(&name).map_err(|_| AppError::Invalid)?;
    workshop().discard(seat, vec![Discard::Model { folder, name }]).await.map_err(refuse)?;
    Ok(())
}

/// Drops an upload that nobody means to finish.
#[server(name = CancelUpload, endpoint = "cancel-upload")]
pub async fn cancel_upload(seat: SeatId, id: String) -> Result<(), AppError> {
    use crate::api::workshop;
    use crate::viewer::{refuse, require_seat};

    let seat = require_seat(seat)?;
    let id = id.parse().map_err(|_| AppError::Invalid)?;
    workshop().cancel_upload(seat, id).await.map_err(refuse)
}

#[cfg(feature = "ssr")]
impl From<&workshop::files::UserFile> for InputView {
    fn from(file: &workshop::files::UserFile) -> Self {
        let filename = file.path.name().to_owned();
        Self {
            media_type: workshop::files::media_type(&filename).to_owned(),
            file: ArtifactView {
                filename,
                subfolder: file.path.parent().to_string(),
                kind: "input".to_owned(),
            },
            bytes: file.bytes,
        }
    }
}

#[cfg(feature = "ssr")]
impl From<workshop::uploads::StoredUpload> for UploadView {
    fn from(upload: workshop::uploads::StoredUpload) -> Self {
        Self {
            id: upload.id.to_string(),
            name: upload.name,
            model_folder: match upload.target {
                workshop::uploads::UploadTarget::Input { .. } => None,
                workshop::uploads::UploadTarget::Model { folder } => Some(folder),
            },
            bytes: upload.bytes,
            received: upload.received,
        }
    }
}

#[cfg(feature = "ssr")]
impl From<workshop::storage::SeatStorage> for StorageView {
    fn from(storage: workshop::storage::SeatStorage) -> Self {
        Self {
            used_bytes: storage.usage.bytes().saturating_add(storage.upload_bytes),
            quota_bytes: storage.quota_bytes,
            input_bytes: storage.usage.input_bytes,
            output_bytes: storage.usage.output_bytes,
            model_bytes: storage.usage.model_bytes,
            trash_bytes: storage.usage.trash_bytes,
        }
    }
}
