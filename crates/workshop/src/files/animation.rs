//! Whether a picture moves by itself, told from its first bytes.

use std::io::{self, Read, Seek, SeekFrom};

use store::Media;

/// Chunks of a PNG read before its pictures: text of workflows may be long, but not many.
const MAX_PNG_CHUNKS: usize = 64;

/// How a file of this media type is looked at. What cannot be read counts as still.
pub(super) fn media(media_type: &str, file: &mut (impl Read + Seek)) -> Media {
    match media_type.split('/').next() {
        Some("image") => {
            let is_animated = match media_type {
                "image/gif" => Ok(true),
                "image/webp" => is_animated_webp(file),
                "image/png" => is_animated_png(file),
                _ => Ok(false),
            };
            if is_animated.unwrap_or(false) { Media::Animated } else { Media::Image }
        }
        Some("video") => Media::Video,
        Some("audio") => Media::Audio,
        _ => Media::Other,
    }
}

/// A flag in the extended header.
fn is_animated_webp(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    let mut head = [0; 21];
    file.rewind()?;
    file.read_exact(&mut head)?;
    Ok(&head[..4] == b"RIFF" && &head[8..16] == b"WEBPVP8X" && head[20] & 0b10 != 0)
}

/// An `acTL` chunk before the first picture.
fn is_animated_png(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    let mut signature = [0; 8];
    file.rewind()?;
    file.read_exact(&mut signature)?;
    if &signature != b"\x89PNG\r\n\x1a\n" {
        return Ok(false);
    }
    for _ in 0..MAX_PNG_CHUNKS {
        let (mut length, mut kind) = ([0; 4], [0; 4]);
        file.read_exact(&mut length)?;
        file.read_exact(&mut kind)?;
        match &kind {
            b"acTL" => return Ok(true),
            b"IDAT" | b"IEND" => return Ok(false),
            // The chunk and its checksum.
            _ => file.seek(SeekFrom::Current(i64::from(u32::from_be_bytes(length)) + 4))?,
        };
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn png(chunks: &[(&[u8; 4], usize)]) -> Vec<u8> {
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, length) in chunks {
            png.extend(u32::try_from(*length).unwrap().to_be_bytes());
            png.extend(*kind);
            png.extend(vec![0; length + 4]);
        }
        png
    }

    fn of(media_type: &str, bytes: &[u8]) -> Media {
        media(media_type, &mut Cursor::new(bytes))
    }

    #[test]
    fn pictures_that_move_are_told_from_those_that_do_not() {
        let moving = png(&[(b"IHDR", 13), (b"tEXt", 100_000), (b"acTL", 8), (b"IDAT", 10)]);
        assert_eq!(of("image/png", &moving), Media::Animated);
        let still = png(&[(b"IHDR", 13), (b"tEXt", 100_000), (b"IDAT", 10), (b"acTL", 8)]);
        assert_eq!(of("image/png", &still), Media::Image);
        let webp = |flags: u8| [&b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0"[..], &[flags, 0, 0, 0]].concat();
        assert_eq!(of("image/webp", &webp(0b10)), Media::Animated);
        assert_eq!(of("image/webp", &webp(0b1_0000)), Media::Image);
        assert_eq!(of("image/gif", b""), Media::Animated);
    }

    #[test]
    fn what_cannot_be_read_is_still() {
        for bytes in [&b""[..], b"\x89PNG\r\n\x1a\n", b"RIFF", &png(&[(b"IHDR", 13); 100])] {
            assert_eq!(of("image/png", bytes), Media::Image);
            assert_eq!(of("image/webp", bytes), Media::Image);
        }
        assert_eq!(of("video/mp4", b""), Media::Video);
        assert_eq!(of("audio/flac", b""), Media::Audio);
        assert_eq!(of("model/gltf-binary", b""), Media::Other);
    }
}
