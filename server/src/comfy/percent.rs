//! Percent-encoding, for names in paths and headers.

/// Decodes `%41`; text whose decoding is no UTF-8 is returned as it is.
pub(super) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        match (first, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(hex_value(*high) << 4 | hex_value(*low));
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// Encodes everything that is not plain in a header parameter or a path segment.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for text in ["plain", "a b", "schön & 100%.json", "../x", "日本"] {
            assert_eq!(decode(&encode(text)), text);
        }
        assert_eq!(encode("a b/ö"), "a%20b%2F%C3%B6");
    }

    #[test]
    fn what_is_not_encoded_stays() {
        for text in ["50% done", "%", "%4", "%zz", "%ff"] {
            assert_eq!(decode(text), text);
        }
        assert_eq!(decode("%2e%2E%2Fx"), "../x");
    }
}
