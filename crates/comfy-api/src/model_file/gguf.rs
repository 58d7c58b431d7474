//! The header of a GGUF file: its magic number, then counted metadata and tensor places.
//!
//! Values are skipped, not kept. Which quantised types there are grows with time, so a
//! tensor's length is not worked out; that each begins inside the file is checked.

use std::io::{self, BufReader, Read};

use super::{MAX_TENSORS, ModelFileError, read_failed, read_u32, read_u64};

const MAGIC: [u8; 4] = *b"GGUF";
const VERSIONS: std::ops::RangeInclusive<u32> = 2..=3;
const MAX_ENTRIES: u64 = 100_000;
/// A name is a few words; a vocabulary is long, and lies in an array.
const MAX_NAME_BYTES: u64 = 64 * 1024;
/// A header holds a vocabulary of a few megabytes at most.
const MAX_HEADER_BYTES: u64 = 1 << 30;
const MAX_DIMENSIONS: u32 = 8;
/// Arrays of arrays are allowed by the format and used by nobody.
const MAX_NESTING: u32 = 4;
const DEFAULT_ALIGNMENT: u64 = 32;
const STRING: u32 = 8;
const ARRAY: u32 = 9;
const U32: u32 = 4;

/// Checks the header of a file of `bytes` bytes.
pub fn check_gguf(content: impl Read, bytes: u64) -> Result<(), ModelFileError> {
    let limit = bytes.min(MAX_HEADER_BYTES);
    let mut reader = Counted { inner: BufReader::new(content.take(limit)), read: 0 };
    let mut magic = [0; 4];
    reader.read_exact(&mut magic).map_err(read_failed)?;
    if magic != MAGIC {
        return Err(ModelFileError::malformed("this is no GGUF file: it does not begin as one"));
    }
    let version = read_u32(&mut reader)?;
    if !VERSIONS.contains(&version) {
        return Err(ModelFileError::Malformed(format!("GGUF version {version} is not known here")));
    }
    let (tensors, entries) = (read_u64(&mut reader)?, read_u64(&mut reader)?);
    if tensors > MAX_TENSORS || entries > MAX_ENTRIES {
        return Err(ModelFileError::malformed("the header of this GGUF file counts too much"));
    }
    let mut alignment = DEFAULT_ALIGNMENT;
    for _ in 0..entries {
        let key = reader.name()?;
        match reader.number()? {
            U32 if key == b"general.alignment" => alignment = u64::from(reader.number()?),
            kind => reader.skip_value(kind, 0)?,
        }
    }
    if !alignment.is_power_of_two() {
        return Err(ModelFileError::malformed("the alignment of this GGUF file is not valid"));
    }
    let mut last_offset = None;
    for _ in 0..tensors {
        last_offset = last_offset.max(Some(reader.tensor_offset(alignment)?));
    }
    let data_begin = reader.read.next_multiple_of(alignment);
    match last_offset {
        Some(offset) if data_begin.checked_add(offset).is_none_or(|begin| begin > bytes) => {
            Err(ModelFileError::malformed("a tensor lies outside of the file: it may have been cut off"))
        }
        _ => Ok(()),
    }
}

struct Counted<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}

impl<R: Read> Counted<R> {
    fn number(&mut self) -> Result<u32, ModelFileError> {
        read_u32(self)
    }

    fn name(&mut self) -> Result<Vec<u8>, ModelFileError> {
        let length = read_u64(self)?;
        if length > MAX_NAME_BYTES {
            return Err(ModelFileError::malformed("a name in this GGUF file is too long"));
        }
        let mut name = Vec::new();
        self.by_ref().take(length).read_to_end(&mut name).map_err(read_failed)?;
        if name.len() as u64 == length {
            Ok(name)
        } else {
            Err(read_failed(io::ErrorKind::UnexpectedEof.into()))
        }
    }

    fn skip(&mut self, bytes: u64) -> Result<(), ModelFileError> {
        let skipped = io::copy(&mut self.by_ref().take(bytes), &mut io::sink()).map_err(read_failed)?;
        if skipped == bytes { Ok(()) } else { Err(read_failed(io::ErrorKind::UnexpectedEof.into())) }
    }

    fn skip_value(&mut self, kind: u32, nesting: u32) -> Result<(), ModelFileError> {
        match kind {
            STRING => {
                let length = read_u64(self)?;
                self.skip(length)
            }
            ARRAY if nesting < MAX_NESTING => {
                let (kind, length) = (self.number()?, read_u64(self)?);
                match fixed_bytes(kind) {
                    Some(bytes) => self.skip(bytes.saturating_mul(length)),
                    // Each costs at least its own length on disk, so the file's end ends this.
                    None => (0..length).try_for_each(|_| self.skip_value(kind, nesting + 1)),
                }
            }
            kind => match fixed_bytes(kind) {
                Some(bytes) => self.skip(bytes),
                None => Err(ModelFileError::malformed("the metadata of this GGUF file is not valid")),
            },
        }
    }

    fn tensor_offset(&mut self, alignment: u64) -> Result<u64, ModelFileError> {
        self.name()?;
        let dimensions = self.number()?;
        if dimensions > MAX_DIMENSIONS {
            return Err(ModelFileError::malformed("a tensor has too many dimensions"));
        }
        // The sizes, then the type.
        self.skip(u64::from(dimensions) * 8 + 4)?;
        let offset = read_u64(self)?;
        if offset % alignment == 0 {
            Ok(offset)
        } else {
            Err(ModelFileError::malformed("a tensor of this GGUF file is not aligned"))
        }
    }
}

/// The bytes of a value whose length does not vary.
fn fixed_bytes(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(into: &mut Vec<u8>, text: &str) {
        into.extend_from_slice(&(text.len() as u64).to_le_bytes());
        into.extend_from_slice(text.as_bytes());
    }

    /// One tensor of 32 bytes, metadata of several kinds.
    fn sound() -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend_from_slice(&3_u32.to_le_bytes());
        file.extend_from_slice(&1_u64.to_le_bytes());
        file.extend_from_slice(&3_u64.to_le_bytes());
        text(&mut file, "general.name");
        file.extend_from_slice(&STRING.to_le_bytes());
        text(&mut file, "tiny");
        text(&mut file, "general.alignment");
        file.extend_from_slice(&U32.to_le_bytes());
        file.extend_from_slice(&16_u32.to_le_bytes());
        text(&mut file, "tokens");
        file.extend_from_slice(&ARRAY.to_le_bytes());
        file.extend_from_slice(&STRING.to_le_bytes());
        file.extend_from_slice(&2_u64.to_le_bytes());
        text(&mut file, "a");
        text(&mut file, "bc");
        text(&mut file, "weight");
        file.extend_from_slice(&1_u32.to_le_bytes());
        file.extend_from_slice(&8_u64.to_le_bytes());
        file.extend_from_slice(&0_u32.to_le_bytes());
        file.extend_from_slice(&0_u64.to_le_bytes());
        let data_begin = file.len().next_multiple_of(16);
        file.resize(data_begin + 32, 0);
        file
    }

    fn check(file: &[u8]) -> Result<(), String> {
        check_gguf(file, file.len() as u64).map_err(|error| error.to_string())
    }

    #[test]
    fn a_sound_file_passes() {
        assert_eq!(check(&sound()), Ok(()));
    }

    #[test]
    fn a_file_that_ends_early_is_refused() {
        let file = sound();
        for length in 0..file.len() - 33 {
            assert!(check(&file[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn counts_and_versions_are_bounded() {
        for (at, value) in [(4, 1_u8), (4, 4), (15, 0xff), (20, 0xff)] {
            let mut file = sound();
            file[at] = value;
            assert!(check(&file).is_err(), "{at}");
        }
        assert!(check(b"GGML and more").unwrap_err().contains("no GGUF"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut file = sound()[..24].to_vec();
            file.extend(tail);
            let _ = check(&file);
        }

        #[test]
        fn no_changed_byte_makes_it_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut file = sound();
            let at = at.index(file.len());
            file[at] = byte;
            let _ = check(&file);
        }
    }
}
