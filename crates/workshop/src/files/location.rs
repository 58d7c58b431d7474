//! Where a picture, video or sound of a seat lies, in ComfyUI's own terms.

use std::str::FromStr;

use comfy_api::annotated_path::{AnnotatedPath, FileKind};

use super::path::{FileName, InvalidPath, SeatPath};

/// Which of ComfyUI's three folders a file is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FolderKind {
    Input,
    Output,
    Temp,
}

/// The text names none of the three folders.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of `input`, `output` and `temp`")]
pub struct UnknownFolder(pub String);

/// One file, as ComfyUI's `/view` and its outputs name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileLocation {
    pub kind: FolderKind,
    pub subfolder: SeatPath,
    pub name: FileName,
}

/// A file that was put in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    pub location: FileLocation,
    pub bytes: u64,
    /// Of its content, in lower-case hexadecimal.
    pub sha256: String,
}

impl FolderKind {
    pub const ALL: [Self; 3] = [Self::Input, Self::Output, Self::Temp];

    /// As ComfyUI writes it, and as the folder on disk is called.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::Temp => "temp",
        }
    }

    /// Takes the annotation from `name [input]`; one without is returned as it is.
    pub fn split_annotation(name: &str) -> (&str, Option<Self>) {
        for kind in Self::ALL {
            let bare = name.strip_suffix(']').and_then(|name| name.strip_suffix(kind.as_str()));
            if let Some(bare) = bare.and_then(|bare| bare.strip_suffix('[')) {
                return (bare.strip_suffix(' ').unwrap_or(bare), Some(kind));
            }
        }
        (name, None)
    }
}

impl From<FileKind> for FolderKind {
    fn from(kind: FileKind) -> Self {
        match kind {
            FileKind::Input => Self::Input,
            FileKind::Output => Self::Output,
            FileKind::Temp => Self::Temp,
        }
    }
}

impl FromStr for FolderKind {
    type Err = UnknownFolder;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kind = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        kind.ok_or_else(|| UnknownFolder(text.to_owned()))
    }
}

impl TryFrom<&AnnotatedPath> for FileLocation {
    type Error = InvalidPath;

    fn try_from(path: &AnnotatedPath) -> Result<Self, Self::Error> {
        Self::parse(path.kind.into(), &path.subfolder, &path.filename)
    }
}

impl FileLocation {
    /// Reads the three parts that name a file; `filename` must hold no folder.
    pub fn parse(kind: FolderKind, subfolder: &str, filename: &str) -> Result<Self, InvalidPath> {
        Ok(Self { kind, subfolder: SeatPath::parse(subfolder)?, name: FileName::parse(filename)? })
    }

    /// The path within its folder, as an archive of outputs names it.
    pub fn subfolder_and_name(&self) -> String {
        if self.subfolder.is_root() {
            self.name.to_string()
        } else {
            format!("{}/{}", self.subfolder, self.name)
        }
    }

    /// The path below the seat's folder.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.folder(), self.name)
    }

    /// The path, below the seat's folder, of the folder that holds the file.
    pub(crate) fn folder(&self) -> String {
        folder_path(self.kind, &self.subfolder)
    }
}

/// The path of a subfolder below the seat's folder.
pub(super) fn folder_path(kind: FolderKind, subfolder: &SeatPath) -> String {
    if subfolder.is_root() { kind.as_str().to_owned() } else { format!("{}/{subfolder}", kind.as_str()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_taken_off() {
        use FolderKind::{Input, Output, Temp};
        for (text, parts) in [
            ("a.png [input]", ("a.png", Some(Input))),
            ("sub/a b.png [output]", ("sub/a b.png", Some(Output))),
            ("webcam/1.png [temp]", ("webcam/1.png", Some(Temp))),
            ("a.png[temp]", ("a.png", Some(Temp))),
            ("a.png [models]", ("a.png [models]", None)),
            ("a.png", ("a.png", None)),
        ] {
            assert_eq!(FolderKind::split_annotation(text), parts);
        }
    }

    #[test]
    fn only_the_three_folders_have_names() {
        assert_eq!("output".parse(), Ok(FolderKind::Output));
        assert!("models".parse::<FolderKind>().is_err());
        assert!("Input".parse::<FolderKind>().is_err());
    }
}
