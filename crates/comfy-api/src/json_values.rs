//! How many values a JSON text has, told without reading it into memory.
//!
//! A value in memory is some seventy bytes, in a text it can be two: without this, a body
//! within its limit would take a hundred times as much.

/// More than the largest workflow that an editor can still show.
pub const MAX_VALUES: usize = 500_000;

/// Whether a text has more than [`MAX_VALUES`] values. What is no JSON may be told either.
pub fn has_too_many(text: &[u8]) -> bool {
    exceeds(text, MAX_VALUES)
}

/// Whether a text has more than `most` values.
pub fn exceeds(text: &[u8], most: usize) -> bool {
    let (mut values, mut is_string, mut is_escaped) = (1, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            // Each value but the first comes after one of these.
            b',' | b'[' | b'{' if !is_string => values += 1,
            _ => {}
        }
        if values > most {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_texts() {
        for (text, values) in [("0", 1), ("[0,0]", 3), (r#"{"a":1,"b":[2]}"#, 4), (r#"["a,[\",{b"]"#, 2)] {
            assert!(!exceeds(text.as_bytes(), values), "{text}");
            assert!(exceeds(text.as_bytes(), values - 1), "{text}");
        }
    }

    #[test]
    fn a_text_without_values_is_as_long_as_it_likes() {
        let text = format!("[\"{}\"]", ",[{".repeat(MAX_VALUES));
        assert!(!has_too_many(text.as_bytes()));
        assert!(has_too_many("0,".repeat(MAX_VALUES).as_bytes()));
    }
}
