//! JSON that comes from outside.
//!
//! Invariant: a value that was read here is no deeper than `serde_json` reads any text, so it can
//! be walked, dropped, written, and read again.
//!
//! `serde_json` alone does not keep it: with `raw_value`, which axum and sqlx turn on, an object
//! with the member [`RAW_VALUE`] is read as the JSON in that member's text, with a new bound.
//! Such texts within texts make a value that can be stored and never read again.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// What `serde_json` calls the only member of a value that it is to take as it is.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// As [`serde_json::from_slice`], and refuses what would be read as more than it says.
pub fn from_slice<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice::<Plain>(text)?;
    serde_json::from_slice(text)
}

/// As [`from_slice`].
pub fn from_str<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    from_slice(text.as_bytes())
}

/// Any JSON without a [`RAW_VALUE`]; keeps nothing of it.
struct Plain;

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Plain {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        // Owned, because an escaped name cannot be borrowed.
        while let Some(name) = members.next_key::<String>()? {
            if name == RAW_VALUE {
                return Err(A::Error::custom("a member's name is not allowed"));
            }
            members.next_value::<Self>()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn json_is_read_as_it_is() {
        let text = r#"{"a": [1, -1, 1.5, "x\n", null, true, {"$serde_json": {}}], "b": {"private": ""}}"#;
        assert_eq!(from_str::<Value>(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        for broken in ["", "{", "[1,]", "{} {}", &"[".repeat(100_000)] {
            assert!(from_str::<Value>(broken).is_err(), "{broken:.20}");
        }
    }

    #[test]
    fn no_text_is_read_as_json_within_json() {
        let mut deep = "0".to_owned();
        for _ in 0..4 {
            let nested = format!("{}{deep}{}", "[".repeat(100), "]".repeat(100));
            deep = json!({RAW_VALUE: nested}).to_string();
        }
        let escaped = deep.replacen('$', "\\u0024", 1);
        for text in [&deep, &escaped, &format!("[{deep}]"), &format!(r#"{{"a": {deep}}}"#)] {
            assert!(from_str::<Value>(text).is_err(), "{text:.60}");
        }
        // Why it is refused: it can be written, and not read again.
        let read: Value = serde_json::from_str(&deep).unwrap();
        assert!(serde_json::from_str::<Value>(&read.to_string()).is_err());
    }
}
