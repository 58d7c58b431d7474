//! Forms as an upload's are read: the same however the network cuts them, names harmless.
#![no_main]

use std::convert::Infallible;

use bytes::Bytes;
use futures::executor::block_on;
use futures::stream;
use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../crates/workshop/src/files/path.rs"]
mod path;

type Field = (Option<String>, Option<String>, Bytes);

fuzz_target!(|input: &[u8]| {
    let Some((cut, body)) = input.split_first() else { return };
    let whole = read(body, body.len().max(1));
    let pieces = read(body, usize::from(*cut).max(1));
    // A broken form may give its first fields before it is found out, or not.
    if let (Ok(whole), Ok(pieces)) = (&whole, &pieces) {
        assert_eq!(whole, pieces);
    }
    assert_eq!(whole.is_ok(), pieces.is_ok());
    for (_, filename, content) in whole.into_iter().flatten() {
        assert!(content.len() <= body.len());
        if let Some(name) = filename.and_then(|name| path::FileName::last_of(&name).ok()) {
            fuzz::assert_below(name.as_str());
        }
        if let Some(folder) =
            std::str::from_utf8(&content).ok().and_then(|text| path::SeatPath::parse(text).ok())
            && !folder.is_root()
        {
            fuzz::assert_below(folder.as_str());
        }
    }
});

fn read(body: &[u8], piece: usize) -> Result<Vec<Field>, multer::Error> {
    let pieces: Vec<Result<Bytes, Infallible>> =
        body.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let mut form = multer::Multipart::new(stream::iter(pieces), "X");
    block_on(async {
        let mut fields = Vec::new();
        while let Some(mut field) = form.next_field().await? {
            let (name, filename) = (field.name().map(str::to_owned), field.file_name().map(str::to_owned));
            let mut content = Vec::new();
            while let Some(chunk) = field.chunk().await? {
                content.extend_from_slice(&chunk);
            }
            fields.push((name, filename, content.into()));
        }
        Ok(fields)
    })
}
