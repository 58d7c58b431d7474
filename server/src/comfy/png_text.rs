//! The text that a PNG carries along: in it lies the workflow that made the picture.

const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";
/// Length, type and checksum around a chunk's data.
const FRAME_BYTES: usize = 12;
/// Signature and header chunk, which come first in every PNG.
const HEADER_END: usize = SIGNATURE.len() + FRAME_BYTES + 13;

/// `target` with the text chunks of `source`; `target` itself if either is no PNG.
pub(super) fn carry_over(source: &[u8], target: Vec<u8>) -> Vec<u8> {
    if !target.starts_with(SIGNATURE) || target.len() < HEADER_END {
        return target;
    }
    let texts: Vec<&[u8]> = chunks(source).filter(|chunk| is_text(chunk)).collect();
    [&target[..HEADER_END]]
        .into_iter()
        .chain(texts)
        .chain([&target[HEADER_END..]])
        .flatten()
        .copied()
        .collect()
}

fn is_text(chunk: &[u8]) -> bool {
    matches!(&chunk[4..8], b"tEXt" | b"zTXt" | b"iTXt")
}

/// The chunks of a PNG, each with its frame, up to the first that is cut short.
fn chunks(png: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = png.strip_prefix(SIGNATURE).unwrap_or_default();
    std::iter::from_fn(move || {
        let data_bytes = u32::from_be_bytes(rest.first_chunk().copied()?) as usize;
        let chunk = rest.get(..data_bytes.checked_add(FRAME_BYTES)?)?;
        rest = &rest[chunk.len()..];
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut png = SIGNATURE.to_vec();
        for (kind, data) in chunks {
            png.extend((data.len() as u32).to_be_bytes());
            png.extend(*kind);
            png.extend(*data);
            png.extend(*b"crc!");
        }
        png
    }

    #[test]
    fn text_goes_behind_the_header() {
        let header: (&[u8; 4], &[u8]) = (b"IHDR", &[0; 13]);
        let source =
            png(&[header, (b"tEXt", b"prompt\0{}"), (b"IDAT", b"old"), (b"iTXt", b"more"), (b"IEND", b"")]);
        let target = png(&[header, (b"IDAT", b"new"), (b"IEND", b"")]);
        let expected =
            png(&[header, (b"tEXt", b"prompt\0{}"), (b"iTXt", b"more"), (b"IDAT", b"new"), (b"IEND", b"")]);
        assert_eq!(carry_over(&source, target), expected);
    }

    #[test]
    fn what_is_no_png_gives_nothing() {
        let target = png(&[(b"IHDR", &[0; 13]), (b"IEND", b"")]);
        for source in [&b""[..], b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\xff\xff\xff\xfftEXt"] {
            assert_eq!(carry_over(source, target.clone()), target);
        }
        assert_eq!(carry_over(&target, b"JFIF".to_vec()), b"JFIF");
    }
}
