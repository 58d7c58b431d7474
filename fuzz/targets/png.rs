//! Text chunks carried from one picture to another: the other's own bytes all stay.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../server/src/comfy/png_text.rs"]
mod png_text;

/// Signature and header chunk.
const HEADER_BYTES: usize = 33;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (source, target) = input;
    let carried = png_text::carry_over(source, target.to_vec());
    assert!(carried.len() >= target.len() && carried.len() <= source.len() + target.len());
    let head = HEADER_BYTES.min(target.len());
    assert_eq!(carried[..head], target[..head]);
    assert!(carried.ends_with(&target[head..]));
    // A signature of its own, which mutation finds late.
    let signed = [b"\x89PNG\r\n\x1a\n", source].concat();
    let all = png_text::carry_over(&signed, signed.clone());
    assert!(all.len() >= signed.len() && all.len() <= 2 * signed.len());
});
