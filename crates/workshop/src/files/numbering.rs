//! How ComfyUI numbers its output files: `<prefix>_<5 digits>_.<ext>`, one more than the
//! highest number of that prefix in the folder.

use super::path::{FileName, InvalidPath};

/// The longest run of digits read as a number; a longer one belongs to the name.
const MAX_DIGITS: usize = 9;

/// An output file's name as an engine gave it, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NumberedName<'a> {
    prefix: &'a str,
    /// What stands between the number and the extension: `_`, in core nodes.
    tail: &'a str,
    extension: &'a str,
}

impl<'a> NumberedName<'a> {
    /// A name without a number gets one, so that a later job's file never takes an earlier one's name.
    pub(super) fn of(name: &'a FileName) -> Self {
        let (stem, extension) = name.split_extension();
        let (numbered, tail) = stem.strip_suffix('_').map_or((stem, ""), |numbered| (numbered, "_"));
        let prefix = numbered.trim_end_matches(|character: char| character.is_ascii_digit());
        let digits = numbered.len() - prefix.len();
        match prefix.strip_suffix('_') {
            Some(prefix) if (5..=MAX_DIGITS).contains(&digits) => Self { prefix, tail, extension },
            _ => Self { prefix: stem, tail: "_", extension },
        }
    }

    /// The number after the highest that `names` hold for this prefix.
    pub(super) fn next_number<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> u32 {
        let numbers = names.into_iter().filter_map(|name| self.number_of(name));
        numbers.max().unwrap_or(0).saturating_add(1)
    }

    /// This name with another number.
    pub(super) fn with_number(&self, number: u32) -> Result<FileName, InvalidPath> {
        FileName::parse(&format!("{}_{number:05}{}{}", self.prefix, self.tail, self.extension))
    }

    fn number_of(&self, name: &str) -> Option<u32> {
        let rest = name.strip_prefix(self.prefix)?.strip_prefix('_')?;
        let digits = rest.len() - rest.trim_start_matches(|character: char| character.is_ascii_digit()).len();
        (1..=MAX_DIGITS).contains(&digits).then(|| rest[..digits].parse().ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renumbered(engine_name: &str, present: &[&str]) -> String {
        let name = FileName::parse(engine_name).unwrap();
        let numbered = NumberedName::of(&name);
        let number = numbered.next_number(present.iter().copied());
        numbered.with_number(number).unwrap().to_string()
    }

    #[test]
    fn the_first_file_of_a_prefix_is_number_one() {
        assert_eq!(renumbered("ComfyUI_00007_.png", &[]), "ComfyUI_00001_.png");
        assert_eq!(renumbered("ComfyUI_temp_abcde_00003_.png", &[]), "ComfyUI_temp_abcde_00001_.png");
    }

    #[test]
    fn the_next_number_follows_the_highest_of_that_prefix() {
        let present =
            ["ComfyUI_00001_.png", "ComfyUI_00041_.webp", "Other_00099_.png", "ComfyUI2_00500_.png", "x"];
        assert_eq!(renumbered("ComfyUI_00001_.png", &present), "ComfyUI_00042_.png");
    }

    #[test]
    fn one_prefix_may_begin_with_another() {
        assert_eq!(renumbered("a_00001_.png", &["a_b_00009_.png"]), "a_00001_.png");
        assert_eq!(renumbered("a_b_00001_.png", &["a_00009_.png"]), "a_b_00001_.png");
    }

    #[test]
    fn names_of_other_node_packs_keep_their_form() {
        assert_eq!(renumbered("clip_00003.mp4", &["clip_00007.mp4"]), "clip_00008.mp4");
        assert_eq!(renumbered("result.glb", &[]), "result_00001_.glb");
        assert_eq!(renumbered("result.glb", &["result_00001_.glb"]), "result_00002_.glb");
        assert_eq!(renumbered("seed_1234.png", &[]), "seed_1234_00001_.png");
        assert_eq!(renumbered("_00001_.png", &["_00001_.png"]), "_00002_.png");
    }

    #[test]
    fn numbers_grow_past_five_digits() {
        assert_eq!(renumbered("a_00001_.png", &["a_99999_.png"]), "a_100000_.png");
        assert_eq!(renumbered("a_100000_.png", &["a_100000_.png"]), "a_100001_.png");
        assert_eq!(renumbered("a_00001_.png", &["a_12345678901234_.png"]), "a_00001_.png");
    }
}
