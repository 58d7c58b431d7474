use comfy_api::prompt::PromptError;
use store::StoreError;

use crate::files::FilesError;
use crate::storage::NoRoom;
use crate::uploads::UploadError;

/// Why a use case could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum WorkshopError {
    /// Not there, or not this seat's; nobody learns which.
    #[error("there is no such thing here")]
    NotFound,
    /// The lease that the caller holds is no longer current.
    #[error("the lease is no longer current")]
    StaleLease,
    /// The prompt cannot be queued; the body is ComfyUI's own error shape.
    #[error("the prompt was refused")]
    Prompt(PromptError),
    /// The caller's message does not make sense.
    #[error("{0}")]
    BadRequest(String),
    #[error("the record failed")]
    Store(#[source] StoreError),
    #[error("a seat's files could not be used")]
    Files(#[from] FilesError),
    #[error("the upload was refused")]
    Upload(#[from] UploadError),
    #[error("there is no room")]
    NoRoom(#[from] NoRoom),
}

impl From<StoreError> for WorkshopError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchJob(_) | StoreError::NoSuchSeat(_) => Self::NotFound,
            error if error.is_stale_lease() => Self::StaleLease,
            error => Self::Store(error),
        }
    }
}

impl From<PromptError> for WorkshopError {
    fn from(error: PromptError) -> Self {
        Self::Prompt(error)
    }
}
