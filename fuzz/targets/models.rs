//! Model files' headers: no content is read twice, past its end, or without end.
#![no_main]

use std::io::{self, Read};

use comfy_api::model_file::{check_gguf, check_safetensors};
use libfuzzer_sys::fuzz_target;

/// Counts what is asked of a file.
struct Watched<'a> {
    content: &'a [u8],
    reads: usize,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        self.content.read(buffer)
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, content)) = input.split_first() else { return };
    // The length as it is, and as a file system may claim it.
    for bytes in [content.len() as u64, content.len() as u64 + u64::from(*choice), u64::MAX] {
        let mut watched = Watched { content, reads: 0 };
        if choice % 2 == 0 {
            let metadata = check_safetensors(&mut watched, bytes);
            if let Ok(Some(metadata)) = metadata {
                assert!(
                    serde_json::from_str::<serde_json::Value>(&metadata).is_ok_and(|json| json.is_object())
                );
            }
        } else {
            let _ = check_gguf(&mut watched, bytes);
        }
        assert!(watched.reads <= content.len() + 16, "{} reads of {} bytes", watched.reads, content.len());
    }
});
