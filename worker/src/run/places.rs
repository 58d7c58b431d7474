//! Where an assignment may put files on the engine.
//!
//! The server names plain places only. This is the second lock: whatever an assignment says,
//! nothing is written or removed outside of the engine's input and output folders.

use queue::report::Assignment;

/// The first of an assignment's names that leads out of its folder.
pub(super) fn misplaced(assignment: &Assignment) -> Option<String> {
    if !is_plain_path(&assignment.output_folder) {
        return Some(assignment.output_folder.clone());
    }
    let inputs = assignment.inputs.iter().map(|input| (&input.subfolder, &input.filename));
    let models = assignment.models.iter().map(|model| (&model.folder, &model.filename));
    inputs.chain(models).find_map(|(folder, filename)| {
        let is_fine = is_plain_path(folder) && is_plain_name(filename);
        (!is_fine).then(|| format!("{folder}/{filename}"))
    })
}

fn is_plain_path(path: &str) -> bool {
    path.split('/').all(is_plain_name)
}

fn is_plain_name(name: &str) -> bool {
    let is_plain = |character: char| !character.is_control() && !matches!(character, '/' | '\\' | ':');
    !matches!(name, "" | "." | "..") && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_are_not_plain() {
        for path in ["cm/user001", "cm/job/2", "3d/cm/user001", "a b"] {
            assert!(is_plain_path(path), "{path:?}");
        }
        for path in [
            "",
            "/",
            "/etc",
            "..",
            "cm/../..",
            "cm/.",
            "cm//x",
            "cm/",
            "cm\\..\\x",
            "C:/x",
            "cm/a\0",
            "file:/x",
        ] {
            assert!(!is_plain_path(path), "{path:?}");
        }
        for name in ["a/b.png", "../a.png", "a\\b", "", "..", "C:a", "a\n"] {
            assert!(!is_plain_name(name), "{name:?}");
        }
    }
}
