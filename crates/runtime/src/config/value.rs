//! Values that are more than text. Each check says in words what is wrong.

use std::ops::RangeInclusive;

const UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

pub(super) fn number(text: &str, bounds: &RangeInclusive<u64>) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if bounds.contains(&number) => Ok(number),
        _ => Err(format!("it is not a whole number from {} to {}", bounds.start(), bounds.end())),
    }
}

pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let (digits, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), *factor)))
        .unwrap_or((text, 1));
    digits
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(factor))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "it is not a size such as 20MiB or 1048576".to_owned())
}

/// Checks an address as far as a typing error shows, and takes the slash off its end.
pub(super) fn url(text: &str, schemes: &[&str]) -> Result<String, String> {
    let forms = || schemes.iter().map(|scheme| format!("{scheme}://…")).collect::<Vec<_>>().join(" or ");
    let rest = text
        .split_once("://")
        .and_then(|(scheme, rest)| schemes.contains(&scheme).then_some(rest))
        .ok_or_else(|| format!("it is not of the form {}", forms()))?;
    if rest.trim_start_matches('/').is_empty() {
        return Err("it names no host".to_owned());
    }
    if text.contains(char::is_whitespace) {
        return Err("it contains a space".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Splits as a shell does, without its expansions.
pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    // `None` between words; quotes alone make an empty word.
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for character in text.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

/// The name that was probably meant, if one is near enough.
pub(super) fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    known
        .map(|candidate| (distance(&name.to_ascii_uppercase(), &candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(4))
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters to insert, remove or replace (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, left_letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, right_letter) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(left_letter != *right_letter);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes("20MiB"), Ok(20 << 20));
        assert_eq!(bytes("1 GiB"), Ok(1 << 30));
        assert_eq!(bytes("17"), Ok(17));
        for bad in ["", "0", "MiB", "-1", "20MB", "1.5MiB", "99999999999999999999", "99999999999GiB"] {
            assert!(bytes(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn shell_words() {
        assert_eq!(
            words("--a  --b 'two words' \"it's\" ''").unwrap(),
            ["--a", "--b", "two words", "it's", ""]
        );
        assert_eq!(words("--path=\"/a b\"/c").unwrap(), ["--path=/a b/c"]);
        assert_eq!(words("  ").unwrap(), Vec::<String>::new());
        assert!(words("'open").is_err());
    }

    #[test]
    fn addresses() {
        assert_eq!(url("https://example.org/", &["http", "https"]).unwrap(), "https://example.org");
        for bad in ["example.org", "ftp://example.org", "http://", "http:///", "http://a b", "https//x"] {
            assert!(url(bad, &["http", "https"]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn distances() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
