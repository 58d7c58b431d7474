//! The header of a safetensors file: eight bytes of length, then JSON, then nothing but numbers.
//!
//! The JSON is read as a stream: of each tensor only its range stays in memory.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufReader, Read};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{MAX_TENSORS, ModelFileError, read_u64};

/// As the format's own implementation has it.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// What is kept of the metadata at most; a file with more is fine and keeps none.
const MAX_METADATA_BYTES: usize = 1 << 20;
/// As the format's own readers: a tensor has few dimensions.
const MAX_DIMENSIONS: usize = 64;
const METADATA: &str = "__metadata__";

/// Checks the header of a file of `bytes` bytes; gives its metadata as JSON.
pub fn check_safetensors(mut content: impl Read, bytes: u64) -> Result<Option<String>, ModelFileError> {
    let header_bytes = match bytes {
        0..8 => return Err(ModelFileError::malformed("this is too short to be a safetensors file")),
        _ => read_u64(&mut content)?,
    };
    if header_bytes > MAX_HEADER_BYTES || header_bytes > bytes - 8 {
        return Err(ModelFileError::malformed(
            "this is no safetensors file, or it was cut off: the length of its header cannot be right",
        ));
    }
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(content.take(header_bytes)));
    let header = HeaderSeed { data_bytes: bytes - 8 - header_bytes }.deserialize(&mut json);
    let header = header.and_then(|header| json.end().map(|()| header)).map_err(json_failed)?;
    header.check_ranges(bytes - 8 - header_bytes)?;
    let metadata = header.metadata.filter(|metadata| !metadata.is_empty());
    let metadata = metadata.and_then(|metadata| serde_json::to_string(&metadata).ok());
    Ok(metadata.filter(|metadata| metadata.len() <= MAX_METADATA_BYTES))
}

fn json_failed(error: serde_json::Error) -> ModelFileError {
    if error.is_io() {
        ModelFileError::Read(error.into())
    } else {
        ModelFileError::Malformed(format!("the header of this safetensors file is not valid: {error}"))
    }
}

struct Header {
    metadata: Option<BTreeMap<String, String>>,
    /// Begin and end of each tensor, in the file's order of names.
    ranges: Vec<(u64, u64)>,
}

impl Header {
    /// The tensors lie end to end and fill the file.
    fn check_ranges(&self, data_bytes: u64) -> Result<(), ModelFileError> {
        let mut ranges = self.ranges.clone();
        ranges.sort_unstable();
        let mut filled = 0;
        for (begin, end) in ranges {
            if begin != filled {
                return Err(ModelFileError::malformed("the tensors of this file overlap or leave a hole"));
            }
            filled = end;
        }
        if filled != data_bytes {
            return Err(ModelFileError::malformed(
                "the file's length is not what its header says: it may have been cut off",
            ));
        }
        Ok(())
    }
}

struct HeaderSeed {
    data_bytes: u64,
}

impl<'de> DeserializeSeed<'de> for HeaderSeed {
    type Value = Header;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Header, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeaderSeed {
    type Value = Header;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header { metadata: None, ranges: Vec::new() };
        // Hashes of the names: a hundred megabytes of them would else stay in memory.
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let mut hasher = DefaultHasher::new();
            name.hash(&mut hasher);
            if !names.insert(hasher.finish()) {
                return Err(A::Error::custom("a name occurs twice"));
            }
            if name == METADATA {
                header.metadata = Some(map.next_value()?);
                continue;
            }
            if header.ranges.len() as u64 >= MAX_TENSORS {
                return Err(A::Error::custom("it names too many tensors"));
            }
            let tensor: Tensor = map.next_value()?;
            header.ranges.push(tensor.checked_range(self.data_bytes).map_err(A::Error::custom)?);
        }
        Ok(header)
    }
}

#[derive(Deserialize)]
struct Tensor {
    dtype: String,
    shape: Shape,
    data_offsets: (u64, u64),
}

impl Tensor {
    fn checked_range(&self, data_bytes: u64) -> Result<(u64, u64), &'static str> {
        let (begin, end) = self.data_offsets;
        if begin > end || end > data_bytes {
            return Err("a tensor lies outside of the file");
        }
        let bits = self.shape.elements.checked_mul(bits(&self.dtype).ok_or("a tensor's type is not known")?);
        match bits {
            Some(bits) if bits % 8 == 0 && bits / 8 == end - begin => Ok((begin, end)),
            _ => Err("a tensor's shape and place do not agree"),
        }
    }
}

/// The bits of one element.
fn bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" | "F8_E5M2FNUZ" | "F8_E4M3FNUZ" => 8,
        "U16" | "I16" | "F16" | "BF16" => 16,
        "U32" | "I32" | "F32" => 32,
        "U64" | "I64" | "F64" | "C64" => 64,
        _ => return None,
    })
}

/// The product of a shape, counted without keeping it.
struct Shape {
    elements: u64,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of sizes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sizes: A) -> Result<Shape, A::Error> {
        let mut elements = 1_u64;
        for _ in 0..MAX_DIMENSIONS {
            let Some(size) = sizes.next_element::<u64>()? else { return Ok(Shape { elements }) };
            elements = elements.checked_mul(size).ok_or_else(|| A::Error::custom("a tensor is too large"))?;
        }
        match sizes.next_element::<IgnoredAny>()? {
            None => Ok(Shape { elements }),
            Some(_) => Err(A::Error::custom("a tensor has too many dimensions")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn file(header: &str, data_bytes: usize) -> Vec<u8> {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        file.resize(file.len() + data_bytes, 0);
        file
    }

    fn check(file: &[u8]) -> Result<Option<String>, String> {
        check_safetensors(file, file.len() as u64).map_err(|error| error.to_string())
    }

    fn check_json(header: &Value, data_bytes: usize) -> Result<Option<String>, String> {
        check(&file(&header.to_string(), data_bytes))
    }

    fn tensor(dtype: &str, shape: &[u64], begin: u64, end: u64) -> Value {
        json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]})
    }

    #[test]
    fn a_sound_file_passes_with_its_metadata() {
        let header = json!({
            "__metadata__": {"format": "pt", "ss_tag": "cat"},
            "b": tensor("BF16", &[2, 2], 16, 24),
            "a": tensor("F32", &[4], 0, 16),
            "scalar": tensor("U8", &[], 24, 25),
            "none": tensor("F16", &[0, 3], 25, 25),
            "packed": tensor("F4", &[6], 25, 28),
        });
        let metadata = check_json(&header, 28).unwrap().unwrap();
        assert_eq!(metadata, r#"{"format":"pt","ss_tag":"cat"}"#);
        assert_eq!(check(&file("{}   ", 0)), Ok(None));
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        let a = || tensor("F32", &[4], 0, 16);
        for (header, data_bytes, why) in [
            (json!({"a": a()}), 15, "outside"),
            (json!({"a": a()}), 17, "length"),
            (json!({"a": a(), "b": tensor("U8", &[4], 20, 24)}), 24, "hole"),
            (json!({"a": a(), "b": tensor("U8", &[4], 12, 16)}), 16, "overlap"),
            (json!({"a": tensor("F32", &[3], 0, 16)}), 16, "do not agree"),
            (json!({"a": tensor("F4", &[3], 0, 1)}), 1, "do not agree"),
            (json!({"a": tensor("F7", &[4], 0, 16)}), 16, "not known"),
            (json!({"a": tensor("U8", &[4], 4, 0)}), 4, "outside"),
            (json!({"a": tensor("U8", &[1 << 33, 1 << 33], 0, 4)}), 4, "too large"),
            (json!({"a": tensor("U8", &[1; 65], 0, 1)}), 1, "too many dimensions"),
            (json!({"a": {"dtype": "U8", "shape": [-1], "data_offsets": [0, 1]}}), 1, "not valid"),
            (json!({"__metadata__": {"a": 1}}), 0, "not valid"),
            (json!({"a": 1}), 0, "not valid"),
            (json!([]), 0, "not valid"),
        ] {
            let refused = check_json(&header, data_bytes).unwrap_err();
            assert!(refused.contains(why), "{header}: {refused}");
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let mut huge = u64::MAX.to_le_bytes().to_vec();
        huge.extend_from_slice(b"{}");
        let twice = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#;
        for file in [
            Vec::new(),
            b"short".to_vec(),
            huge,
            file("", 0),
            file("{} {}", 0),
            file("{\"a\":", 0),
            file(&"[".repeat(100_000), 0),
            file(twice, 2),
            b"<!doctype html><html>not a model</html>".to_vec(),
            file("{}", 0)[..9].to_vec(),
        ] {
            assert!(check(&file).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = check(&bytes);
        }

        #[test]
        fn no_header_makes_it_panic(header in "\\PC{0,200}", data in 0_usize..64) {
            let _ = check(&file(&header, data));
        }

        #[test]
        fn a_changed_byte_never_passes_a_range_outside(
            at in 0_usize..200, byte in any::<u8>(), shape in proptest::collection::vec(0_u64..5, 0..4)
        ) {
            let elements: u64 = shape.iter().product();
            let header = json!({"a": tensor("F32", &shape, 0, elements * 4)}).to_string();
            let mut changed = file(&header, elements as usize * 4);
            prop_assert!(check(&changed).is_ok());
            let at = at % changed.len();
            changed[at] = byte;
            let _ = check(&changed);
        }
    }
}
