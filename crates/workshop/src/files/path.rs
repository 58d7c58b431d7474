//! Names and relative paths that are safe to hand to a seat's folder.
//!
//! A value of these types holds only ordinary names: nothing empty, no `.` or
//! `..`, no backslash, no control character, bounded in length. They are parsed
//! where a request comes in and trusted afterwards.

use std::fmt;

const MAX_NAME_BYTES: usize = 255;
const MAX_PATH_BYTES: usize = 1024;

/// A file's own name, without any folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

/// A `/`-separated path below one of a seat's folders; the empty path is that folder itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeatPath(String);

/// The text is no name or path that a seat's file can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    #[error("the name is empty")]
    Empty,
    #[error("the path is absolute")]
    Absolute,
    #[error("the path holds `..`")]
    Parent,
    #[error("the path holds a backslash")]
    Backslash,
    #[error("the name holds a folder")]
    Folder,
    #[error("the path holds a control character")]
    Control,
    #[error("the path is too long")]
    TooLong,
}

impl InvalidPath {
    /// Whether the text tries to lead out of the folder, rather than being merely no good name.
    pub fn is_escape(self) -> bool {
        matches!(self, Self::Absolute | Self::Parent | Self::Backslash)
    }
}

impl FileName {
    /// Reads a name that must hold no folder.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        check_name(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The last part of a path in either spelling: what an upload is called without the
    /// folder that a browser may have sent along.
    pub fn last_of(text: &str) -> Result<Self, InvalidPath> {
        Self::parse(text.rsplit(['/', '\\']).next().unwrap_or(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name before and from its last dot; leading dots start no extension.
    pub fn split_extension(&self) -> (&str, &str) {
        let leading_dots = self.0.len() - self.0.trim_start_matches('.').len();
        match self.0[leading_dots..].rfind('.') {
            Some(dot) => self.0.split_at(leading_dots + dot),
            None => (&self.0, ""),
        }
    }
}

impl SeatPath {
    /// Reads a path; `.` and doubled or trailing slashes are dropped, as file systems do.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        if text.starts_with('/') {
            return Err(InvalidPath::Absolute);
        }
        let mut path = String::with_capacity(text.len());
        for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
            check_name(part)?;
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(part);
        }
        if path.len() > MAX_PATH_BYTES {
            return Err(InvalidPath::TooLong);
        }
        Ok(Self(path))
    }

    /// Reads the path of a file: one that names something.
    pub fn parse_file(text: &str) -> Result<Self, InvalidPath> {
        let path = Self::parse(text)?;
        if path.is_root() { Err(InvalidPath::Empty) } else { Ok(path) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The folder that holds what this path names.
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map(|(parent, _)| parent.to_owned()).unwrap_or_default())
    }

    /// The part after the last slash.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// The path of `name` inside this folder. Not checked for length: it names what was found there.
    pub(super) fn join(&self, name: &str) -> Self {
        if self.is_root() { Self(name.to_owned()) } else { Self(format!("{}/{name}", self.0)) }
    }
}

fn check_name(name: &str) -> Result<(), InvalidPath> {
    if name.is_empty() || name == "." {
        Err(InvalidPath::Empty)
    } else if name == ".." {
        Err(InvalidPath::Parent)
    } else if name.contains('\\') {
        Err(InvalidPath::Backslash)
    } else if name.contains('/') {
        Err(InvalidPath::Folder)
    } else if name.chars().any(char::is_control) {
        Err(InvalidPath::Control)
    } else if name.len() > MAX_NAME_BYTES {
        Err(InvalidPath::TooLong)
    } else {
        Ok(())
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for SeatPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_are_kept_and_tidied() {
        for (text, path) in [
            ("", ""),
            (".", ""),
            ("workflows/", "workflows"),
            ("a//b/./c", "a/b/c"),
            ("Bilder/schöner Tag.json", "Bilder/schöner Tag.json"),
            ("a..b/..c", "a..b/..c"),
            (".index.json", ".index.json"),
        ] {
            assert_eq!(SeatPath::parse(text).unwrap().as_str(), path, "{text:?}");
        }
    }

    #[test]
    fn what_could_lead_out_is_refused() {
        for (text, reason) in [
            ("..", InvalidPath::Parent),
            ("a/../b", InvalidPath::Parent),
            ("../user002/input/x.png", InvalidPath::Parent),
            ("/etc/passwd", InvalidPath::Absolute),
            ("a\\..\\b", InvalidPath::Backslash),
            ("C:\\x", InvalidPath::Backslash),
        ] {
            assert_eq!(SeatPath::parse(text), Err(reason), "{text:?}");
            assert!(reason.is_escape());
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        assert_eq!(SeatPath::parse("a\0b"), Err(InvalidPath::Control));
        assert_eq!(SeatPath::parse("a\nb"), Err(InvalidPath::Control));
        assert_eq!(SeatPath::parse(&"x".repeat(256)), Err(InvalidPath::TooLong));
        assert_eq!(SeatPath::parse(&"x/".repeat(600)), Err(InvalidPath::TooLong));
        assert_eq!(SeatPath::parse_file("./"), Err(InvalidPath::Empty));
        assert_eq!(FileName::parse("a/b"), Err(InvalidPath::Folder));
        assert_eq!(FileName::parse(""), Err(InvalidPath::Empty));
    }

    #[test]
    fn an_upload_is_called_by_the_last_part_of_its_name() {
        for text in ["x.png", "../../x.png", "pasted/x.png", "C:\\Users\\me\\x.png"] {
            assert_eq!(FileName::last_of(text).unwrap().as_str(), "x.png");
        }
        for text in ["", "..", "a/..", "a/", "x\0.png"] {
            assert!(FileName::last_of(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn extensions_are_split_at_the_last_dot() {
        for (text, parts) in [
            ("in.png", ("in", ".png")),
            ("a.tar.gz", ("a.tar", ".gz")),
            ("plain", ("plain", "")),
            (".hidden", (".hidden", "")),
            ("..x.y", ("..x", ".y")),
        ] {
            assert_eq!(FileName::parse(text).unwrap().split_extension(), parts);
        }
    }

    #[test]
    fn a_path_knows_its_folder_and_name() {
        let path = SeatPath::parse("a/b/c.png").unwrap();
        assert_eq!((path.parent().as_str(), path.name()), ("a/b", "c.png"));
        let path = SeatPath::parse("c.png").unwrap();
        assert_eq!((path.parent().as_str(), path.name()), ("", "c.png"));
    }
}
