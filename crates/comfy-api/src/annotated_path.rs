//! File names as ComfyUI's nodes write them: `name.png`, `sub/name.png [output]`.
//!
//! Invariant: a parsed path stays below the folder that its kind names, whatever the
//! operating system: no segment is empty, `.`, `..` or holds a separator.

use std::fmt;

use thiserror::Error;

const MAX_PATH_BYTES: usize = 1024;
const MAX_SEGMENT_BYTES: usize = 255;

/// One of a seat's three file folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileKind {
    Input,
    Output,
    Temp,
}

impl FileKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::Temp => "temp",
        }
    }
}

/// A file name whose place is certain. Without an annotation it is an input.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AnnotatedPath {
    pub kind: FileKind,
    /// `/`-separated, empty for the folder itself.
    pub subfolder: String,
    pub filename: String,
}

/// Why a text is not a file name here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidPath {
    #[error("the file name is empty")]
    Empty,
    #[error("the file name is too long")]
    TooLong,
    #[error("the path must be relative")]
    Absolute,
    #[error("the path must not contain `.` or `..`")]
    Parent,
    #[error("the path has an empty part")]
    EmptySegment,
    #[error("the path must use `/`, not a backslash")]
    Backslash,
    #[error("the file name has a character that is not allowed")]
    Character,
    #[error("the folder in brackets must follow a space")]
    Annotation,
}

impl AnnotatedPath {
    pub fn parse(value: &str) -> Result<Self, InvalidPath> {
        let (path, kind) = split_annotation(value)?;
        check_relative(path)?;
        let (subfolder, filename) = path.rsplit_once('/').unwrap_or(("", path));
        Ok(Self { kind, subfolder: subfolder.to_owned(), filename: filename.to_owned() })
    }

    /// The path below its folder.
    pub fn relative(&self) -> String {
        if self.subfolder.is_empty() {
            self.filename.clone()
        } else {
            format!("{}/{}", self.subfolder, self.filename)
        }
    }

    /// The lower-case extension, where it is short and plain enough to keep in a name.
    pub fn extension(&self) -> Option<String> {
        let (stem, extension) = self.filename.rsplit_once('.')?;
        let is_plain = !stem.is_empty()
            && (1..=10).contains(&extension.len())
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_plain.then(|| extension.to_ascii_lowercase())
    }
}

/// As a node writes it: inputs bare where that is clear, others annotated.
impl fmt::Display for AnnotatedPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relative = self.relative();
        // A file may be called `x [temp]`: then the bare name would be read as another.
        let is_clear =
            self.kind == FileKind::Input && split_annotation(&relative) == Ok((&relative, FileKind::Input));
        formatter.write_str(&relative)?;
        if is_clear { Ok(()) } else { write!(formatter, " [{}]", self.kind.as_str()) }
    }
}

fn split_annotation(value: &str) -> Result<(&str, FileKind), InvalidPath> {
    for kind in [FileKind::Input, FileKind::Output, FileKind::Temp] {
        let bracketed = value.strip_suffix(']').and_then(|rest| rest.strip_suffix(kind.as_str()));
        if let Some(path) = bracketed.and_then(|rest| rest.strip_suffix('[')) {
            // ComfyUI cuts one more character, whatever it is; only a space is meant.
            return path.strip_suffix(' ').map(|path| (path, kind)).ok_or(InvalidPath::Annotation);
        }
    }
    Ok((value, FileKind::Input))
}

/// Whether `path` stays below the folder it is joined to.
pub(crate) fn check_relative(path: &str) -> Result<(), InvalidPath> {
    if path.is_empty() {
        return Err(InvalidPath::Empty);
    }
    if path.len() > MAX_PATH_BYTES {
        return Err(InvalidPath::TooLong);
    }
    if path.contains('\\') {
        return Err(InvalidPath::Backslash);
    }
    if path.chars().any(char::is_control) {
        return Err(InvalidPath::Character);
    }
    if path.starts_with('/') || has_drive(path) {
        return Err(InvalidPath::Absolute);
    }
    for segment in path.split('/') {
        match segment {
            "" => return Err(InvalidPath::EmptySegment),
            "." | ".." => return Err(InvalidPath::Parent),
            long if long.len() > MAX_SEGMENT_BYTES => return Err(InvalidPath::TooLong),
            _ => {}
        }
    }
    Ok(())
}

/// Whether `text` starts like `C:`.
pub(crate) fn has_drive(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|letter| letter.is_ascii_alphabetic()) && bytes.next() == Some(b':')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(kind: FileKind, subfolder: &str, filename: &str) -> Result<AnnotatedPath, InvalidPath> {
        Ok(AnnotatedPath { kind, subfolder: subfolder.to_owned(), filename: filename.to_owned() })
    }

    #[test]
    fn names_are_read_as_comfyui_reads_them() {
        assert_eq!(AnnotatedPath::parse("in.png"), parsed(FileKind::Input, "", "in.png"));
        assert_eq!(
            AnnotatedPath::parse("pasted/image.png [input]"),
            parsed(FileKind::Input, "pasted", "image.png")
        );
        assert_eq!(AnnotatedPath::parse("a/b/c.png [output]"), parsed(FileKind::Output, "a/b", "c.png"));
        assert_eq!(AnnotatedPath::parse("webcam/1.png [temp]"), parsed(FileKind::Temp, "webcam", "1.png"));
        assert_eq!(AnnotatedPath::parse("in (1).png"), parsed(FileKind::Input, "", "in (1).png"));
    }

    #[test]
    fn anything_that_may_leave_the_folder_is_refused() {
        for (value, error) in [
            ("", InvalidPath::Empty),
            (" [output]", InvalidPath::Empty),
            ("../x.png", InvalidPath::Parent),
            ("a/../x.png [output]", InvalidPath::Parent),
            ("a/./x.png", InvalidPath::Parent),
            ("..", InvalidPath::Parent),
            ("/etc/passwd", InvalidPath::Absolute),
            ("C:/x.png", InvalidPath::Absolute),
            ("c:x.png", InvalidPath::Absolute),
            ("a//b.png", InvalidPath::EmptySegment),
            ("a/", InvalidPath::EmptySegment),
            ("a\\b.png", InvalidPath::Backslash),
            ("a\0.png", InvalidPath::Character),
            ("a.png[output]", InvalidPath::Annotation),
        ] {
            assert_eq!(AnnotatedPath::parse(value), Err(error), "{value:?}");
        }
        assert_eq!(AnnotatedPath::parse(&"x".repeat(256)), Err(InvalidPath::TooLong));
        assert_eq!(AnnotatedPath::parse(&"xy/".repeat(500)), Err(InvalidPath::TooLong));
    }

    proptest! {
        #[test]
        fn a_parsed_path_never_leaves_its_folder(value in "[a.:/\\\\ \\[\\]~\0-]{0,12}( \\[(input|output|temp)\\])?") {
            if let Ok(path) = AnnotatedPath::parse(&value) {
                let relative = path.relative();
                prop_assert!(!relative.starts_with('/') && !relative.contains('\\') && !relative.contains('\0'));
                prop_assert!(relative.split('/').all(|segment| !matches!(segment, "" | "." | "..")));
                prop_assert_eq!(AnnotatedPath::parse(&path.to_string()), Ok(path));
            }
        }
    }
}
