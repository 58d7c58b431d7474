//! Pictures of one colour, by which a result is told from every other.

use std::io::Cursor;
use std::path::Path;

use anyhow::Context;
use image::{ImageFormat, Rgb, RgbImage};

/// `0xRRGGBB`, as ComfyUI's `EmptyImage` takes it.
pub type Colour = u32;

const SIDE: u32 = 8;

/// As `ImageInvert` changes it.
pub fn inverted(colour: Colour) -> Colour {
    0xff_ffff - colour
}

/// The same but for a rounding: ComfyUI reckons in fractions.
pub fn is_same(left: Colour, right: Colour) -> bool {
    left.to_be_bytes().iter().zip(right.to_be_bytes()).all(|(left, right)| left.abs_diff(right) <= 1)
}

/// A PNG file of this colour.
pub fn png(colour: Colour) -> anyhow::Result<Vec<u8>> {
    let [_, red, green, blue] = colour.to_be_bytes();
    let picture = RgbImage::from_pixel(SIDE, SIDE, Rgb([red, green, blue]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

/// The colour of a picture's first point.
pub fn colour_of(bytes: &[u8]) -> anyhow::Result<Colour> {
    let picture = image::load_from_memory(bytes).context("no picture")?.to_rgb8();
    let Rgb([red, green, blue]) = *picture.get_pixel(0, 0);
    Ok(u32::from_be_bytes([0, red, green, blue]))
}

pub fn colour_of_file(path: &Path) -> anyhow::Result<Colour> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    colour_of(&bytes).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_keeps_its_colour() -> anyhow::Result<()> {
        for colour in [0, 0x12_3456, 0xff_ffff] {
            assert_eq!(colour_of(&png(colour)?)?, colour);
            assert_eq!(inverted(inverted(colour)), colour);
        }
        Ok(())
    }

    #[test]
    fn a_rounding_is_no_other_colour() {
        assert!(is_same(0x21bfff, 0x20bfff));
        assert!(!is_same(0x21bfff, 0x1fbfff));
    }
}
