//! Model files, judged by their headers before anything loads them.
//!
//! Two formats hold plain numbers: safetensors and GGUF. Both headers are read here with
//! every count and range checked against the file's length, in memory that does not grow
//! with the file. Invariant: no content makes these functions panic or read without end.

mod gguf;
mod safetensors;

use std::io::{self, Read};

pub use gguf::check_gguf;
pub use safetensors::check_safetensors;

/// More than any model has; a longer list is made to cost memory.
const MAX_TENSORS: u64 = 200_000;

/// The formats that a model may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelFormat {
    Safetensors,
    Gguf,
}

/// Why a file's name rules it out as a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAModel {
    #[error(
        "`{0}` files can run code on the GPU machine when they are loaded, so they are not taken. Convert it to .safetensors (many model pages offer that file too) and upload that"
    )]
    Pickle(String),
    #[error("models are .safetensors or .gguf files, and `{0}` is neither")]
    Unknown(String),
}

/// Why a file is not the model that its name says.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// In words for whoever uploaded it.
    #[error("{0}")]
    Malformed(String),
    #[error("the file could not be read")]
    Read(#[source] io::Error),
}

impl ModelFormat {
    /// By the end of the file's name.
    pub fn of(name: &str) -> Result<Self, NotAModel> {
        let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        match extension.as_deref() {
            Some("safetensors") => Ok(Self::Safetensors),
            Some("gguf") => Ok(Self::Gguf),
            Some(pickle @ ("ckpt" | "pt" | "pt2" | "pth" | "bin" | "pkl" | "pickle")) => {
                Err(NotAModel::Pickle(format!(".{pickle}")))
            }
            _ => Err(NotAModel::Unknown(name.to_owned())),
        }
    }

    /// Checks a whole file of `bytes` bytes by its header; gives the metadata that it carries, as JSON.
    pub fn check(self, content: impl Read, bytes: u64) -> Result<Option<String>, ModelFileError> {
        match self {
            Self::Safetensors => check_safetensors(content, bytes),
            Self::Gguf => check_gguf(content, bytes).map(|()| None),
        }
    }
}

impl ModelFileError {
    fn malformed(message: impl Into<String>) -> Self {
        Self::Malformed(message.into())
    }
}

/// A file that ends within its header is the uploader's fault, a failing disk is not.
fn read_failed(error: io::Error) -> ModelFileError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        ModelFileError::malformed("the file ends in the middle of its header")
    } else {
        ModelFileError::Read(error)
    }
}

fn read_u32(reader: &mut impl Read) -> Result<u32, ModelFileError> {
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes).map_err(read_failed)?;
    Ok(u32::from_le_bytes(bytes))
}

fn read_u64(reader: &mut impl Read) -> Result<u64, ModelFileError> {
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes).map_err(read_failed)?;
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pickles_are_named_as_what_they_are() {
        for name in ["a.ckpt", "a.PT", "a.pth", "pytorch_model.bin", "x.pkl"] {
            assert!(matches!(ModelFormat::of(name), Err(NotAModel::Pickle(_))), "{name}");
        }
        for name in ["a.zip", "a", "safetensors", "a.safetensors.exe", ""] {
            assert!(matches!(ModelFormat::of(name), Err(NotAModel::Unknown(_))), "{name}");
        }
        assert_eq!(ModelFormat::of("my.lora.safetensors"), Ok(ModelFormat::Safetensors));
        assert_eq!(ModelFormat::of("q4.GGUF"), Ok(ModelFormat::Gguf));
        let reason = ModelFormat::of("a.ckpt").unwrap_err().to_string();
        assert!(reason.contains("run code") && reason.contains(".safetensors"), "{reason}");
    }
}
