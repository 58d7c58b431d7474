use std::io;

use super::path::InvalidPath;

/// Why a seat's file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    #[error(transparent)]
    InvalidPath(#[from] InvalidPath),
    #[error("there is no such file or folder")]
    NotFound,
    #[error("a file or folder of this name already exists")]
    AlreadyExists,
    #[error("this names a folder, not a file")]
    IsFolder,
    #[error("this names a file, not a folder")]
    IsFile,
    #[error("the content is larger than {limit_bytes} bytes")]
    TooLarge { limit_bytes: u64 },
    #[error("too many files share this name")]
    TooManyOfOneName,
    #[error("the folder holds too many files to list")]
    TooManyEntries,
    #[error("this file lies outside its job's folder")]
    OutsideJob,
    #[error("the content broke off before its end")]
    BodyBroke(#[source] io::Error),
    #[error("could not {operation}")]
    Io {
        operation: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the work on a file was cut short")]
    CutShort(#[source] tokio::task::JoinError),
}

impl FilesError {
    /// Names the failed operation, and tells an absent file from a failing disk.
    pub(super) fn of(operation: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::AlreadyExists => Self::AlreadyExists,
            io::ErrorKind::IsADirectory => Self::IsFolder,
            io::ErrorKind::NotADirectory => Self::IsFile,
            // Without a number from the system it is the directory handle that refused to
            // follow a link out of the seat's folder: for the seat, nothing is there.
            io::ErrorKind::PermissionDenied if source.raw_os_error().is_none() => Self::NotFound,
            _ => Self::Io { operation, source },
        }
    }

    /// The HTTP status that says this to the caller.
    pub fn status(&self) -> u16 {
        match self {
            Self::InvalidPath(error) if error.is_escape() => 403,
            Self::InvalidPath(_) | Self::IsFolder | Self::IsFile | Self::OutsideJob | Self::BodyBroke(_) => {
                400
            }
            Self::NotFound => 404,
            Self::AlreadyExists | Self::TooManyOfOneName | Self::TooManyEntries => 409,
            Self::TooLarge { .. } => 413,
            Self::Io { source, .. } if is_storage_full(source) => 507,
            Self::Io { .. } | Self::CutShort(_) => 500,
        }
    }
}

fn is_storage_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::QuotaExceeded | io::ErrorKind::StorageFull)
}
