//! Secrets minted from the operating system's randomness.

use rand::TryRngCore;
use rand::rngs::OsRng;

/// Crockford's base 32 in lower case: no letter that reads like a digit.
const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Bytes from the operating system.
///
/// # Panics
/// If the operating system has none, which Linux rules out once it has booted.
pub fn bytes<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    OsRng.try_fill_bytes(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// 256 bits in 64 hexadecimal digits, for what machines pass on.
pub fn hex_token() -> String {
    bytes::<32>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `length` characters of five random bits each, for what people may have to type.
pub fn base32_token(length: usize) -> String {
    // 256 is a multiple of 32, so taking five bits of a byte favours no character.
    (0..length).map(|_| char::from(BASE32[usize::from(bytes::<1>()[0] & 31)])).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tokens_have_their_length_and_alphabet() {
        let hex = hex_token();
        assert_eq!(hex.len(), 64);
        assert!(hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hex}");
        let base32 = base32_token(26);
        assert_eq!(base32.len(), 26);
        assert!(base32.bytes().all(|byte| BASE32.contains(&byte)), "{base32}");
    }

    #[test]
    fn tokens_differ_and_use_the_whole_alphabet() {
        let tokens: HashSet<_> = (0..100).map(|_| base32_token(26)).collect();
        assert_eq!(tokens.len(), 100);
        let seen: HashSet<_> = tokens.iter().flat_map(|token| token.chars()).collect();
        assert_eq!(seen.len(), 32);
    }
}
