//! The `.env` file: names and values, with what is wrong about them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::table;
use super::value::nearest;

pub(super) const FILE_NAME: &str = ".env";

/// The settings in the text, and a sentence for each line that cannot be used.
pub(super) fn parse(text: &str) -> (HashMap<String, String>, Vec<String>) {
    let mut values = HashMap::new();
    let mut problems = Vec::new();
    // Windows editors put this mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for entry in dotenvy::from_read_iter(text.as_bytes()) {
        let (name, value) = match entry {
            Ok(entry) => entry,
            Err(error) => {
                problems.push(describe(&error, text));
                continue;
            }
        };
        if !table::is_known(&name) {
            problems.push(unknown(&name));
            continue;
        }
        match values.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            Entry::Occupied(entry) => {
                problems.push(format!("{} is set twice in `{FILE_NAME}`", entry.key()));
            }
        }
    }
    (values, problems)
}

/// Never quotes the line: it may hold a secret.
fn describe(error: &dotenvy::Error, text: &str) -> String {
    let dotenvy::Error::LineParse(line, _) = error else {
        return format!("`{FILE_NAME}` cannot be read: {error}");
    };
    let first_line = line.lines().next().unwrap_or_default().trim();
    let number = text.lines().position(|candidate| candidate.trim() == first_line).map(|index| index + 1);
    match number {
        Some(number) => format!("line {number} of `{FILE_NAME}` is not of the form NAME=value"),
        None => format!("`{FILE_NAME}` has a line that is not of the form NAME=value"),
    }
}

fn unknown(name: &str) -> String {
    match nearest(name, table::known_names()) {
        Some(known) => format!("{name} in `{FILE_NAME}` is not a setting; did you mean {known}?"),
        None => format!("{name} in `{FILE_NAME}` is not a setting; see .env.example for all of them"),
    }
}
