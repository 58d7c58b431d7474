//! What is read as a path stays below its folder, and is read back as the same.
#![no_main]

use comfy_api::annotated_path::AnnotatedPath;
use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../crates/workshop/src/files/path.rs"]
mod path;

use path::{FileName, SeatPath};

fuzz_target!(|text: &str| {
    if let Ok(annotated) = AnnotatedPath::parse(text) {
        fuzz::assert_below(&annotated.relative());
        assert_eq!(AnnotatedPath::parse(&annotated.to_string()), Ok(annotated));
    }
    if let Ok(seat_path) = SeatPath::parse(text) {
        assert!(seat_path.is_root() || !SeatPath::parse_file(text).unwrap().is_root());
        if !seat_path.is_root() {
            fuzz::assert_below(seat_path.as_str());
        }
        assert!(seat_path.as_str().len() <= text.len());
        assert_eq!(SeatPath::parse(seat_path.as_str()).as_ref(), Ok(&seat_path));
        assert_eq!(SeatPath::parse(seat_path.parent().as_str()), Ok(seat_path.parent()));
    }
    for name in [FileName::parse(text), FileName::last_of(text)].into_iter().flatten() {
        fuzz::assert_below(name.as_str());
        assert!(!name.as_str().contains('/'));
        let (stem, extension) = name.split_extension();
        assert_eq!(format!("{stem}{extension}"), name.as_str());
    }
});
