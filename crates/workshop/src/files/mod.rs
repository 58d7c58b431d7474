//! The seats' files: inputs, outputs, previews, models, workflows and settings.
//!
//! Every file of a seat is opened through a directory handle of that seat's own
//! folder, so no path, however it is spelled and whatever links lie on the way,
//! leads out of it. Names are checked once more before they reach the handle.
//! Whatever appears under its final name is complete: bytes arrive in `incoming`
//! and are renamed. All work on files happens on the blocking threads.

mod animation;
mod artifacts;
mod error;
mod given;
mod incoming;
mod inputs;
mod location;
mod media_type;
mod models;
mod numbering;
mod parts;
mod path;
mod read;
mod seat;
mod settings;
mod sniff;
mod thumbnails;
mod trash;
mod uploads;
mod usage;
mod userdata;

pub use artifacts::{ArtifactKind, ArtifactName, PlacedArtifact};
pub use error::FilesError;
pub use given::Given;
pub use incoming::{IncomingFile, ReceivedFile};
pub use location::{FileLocation, FolderKind, StoredFile, UnknownFolder};
pub use media_type::media_type;
pub use parts::{OpenPart, PartHash};
pub use path::{FileName, InvalidPath, SeatPath};
pub use read::{ContentHash, OpenFile};
pub use seat::{SeatFiles, SeatFolders};
pub use settings::MAX_SETTINGS_BYTES;
pub use thumbnails::ThumbnailKind;
pub(crate) use trash::Returned;
pub use uploads::{SameName, Upload};
pub use usage::SeatUsage;
pub use userdata::{Depth, Existing, UserEntry, UserFile};

#[cfg(test)]
mod isolation_tests;
#[cfg(test)]
mod test_seat;
#[cfg(test)]
mod userdata_tests;
