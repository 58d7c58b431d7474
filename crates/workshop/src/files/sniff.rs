//! Whether a file begins as its name says.
//!
//! Files are served by the type of their name, never guessed and never as active content,
//! so a wrong name is harmless here. It is refused where a person should hear of it: a page
//! or a program called a picture fails in every node, and is at best a mistake.

use std::io::Read;

use super::error::FilesError;
use super::media_type::media_type;
use super::read::OpenFile;

const HEAD_BYTES: u64 = 512;

/// What a file is in truth, where that is plain from its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    WebPage,
    Program,
    Archive,
    Document,
    Other,
}

impl OpenFile {
    /// What speaks against the file's name, in words. Blocks.
    pub fn contradiction_to(&mut self, name: &str) -> Result<Option<String>, FilesError> {
        let mut head = Vec::new();
        let read = (&self.file).take(HEAD_BYTES).read_to_end(&mut head);
        read.map_err(FilesError::of("read an upload"))?;
        Ok(contradiction(name, &head))
    }
}

fn contradiction(name: &str, head: &[u8]) -> Option<String> {
    let claimed = match media_type(name).split('/').next() {
        Some("image") => "a picture",
        Some("video") => "a video",
        Some("audio") => "a sound",
        _ => return None,
    };
    let found = match Beginning::of(head) {
        Beginning::WebPage => "a web page",
        Beginning::Program => "a program",
        Beginning::Archive => "an archive",
        Beginning::Document => "a document",
        Beginning::Other => return None,
    };
    Some(format!(
        "`{name}` is named as {claimed}, but it is {found}. Choose the file itself, or name it as what it is."
    ))
}

impl Beginning {
    fn of(head: &[u8]) -> Self {
        if head.starts_with(b"\x7fELF") || head.starts_with(b"MZ") || head.starts_with(b"#!") {
            return Self::Program;
        }
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"\x1f\x8b") || head.starts_with(b"7z\xbc\xaf")
        {
            return Self::Archive;
        }
        if head.starts_with(b"%PDF") {
            return Self::Document;
        }
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        let begins = |tag: &[u8]| text.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag));
        let tags: [&[u8]; 8] =
            [b"<!doctype", b"<html", b"<head", b"<body", b"<script", b"<svg", b"<?xml", b"<!--"];
        if tags.into_iter().any(begins) { Self::WebPage } else { Self::Other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_or_a_program_is_no_picture() {
        for head in [
            &b"<!DOCTYPE html><html>"[..],
            b"\xef\xbb\xbf\n <HTML>",
            b"<script>alert(1)</script>",
            b"<svg onload=alert(1)>",
            b"\x7fELF\x02",
            b"PK\x03\x04",
            b"%PDF-1.7",
        ] {
            for name in ["a.png", "a.MP4", "a.wav"] {
                assert!(contradiction(name, head).is_some(), "{name} {head:?}");
            }
            // Under its own name it is kept, and only ever downloaded.
            assert_eq!(contradiction("a.html", head), None);
        }
    }

    #[test]
    fn media_pass_and_so_does_what_is_not_known() {
        for head in
            [&b"\x89PNG\r\n\x1a\n"[..], b"\xff\xd8\xff", b"\0\0\0\x18ftypmp42", b"RIFF", b"", b"x", b"<"]
        {
            assert_eq!(contradiction("a.png", head), None, "{head:?}");
        }
    }
}
