//! The parts of Python's semantics that show in ComfyUI's answers: how values print,
//! compare and convert. ComfyUI's messages embed them, so ours must agree to the letter.

use std::fmt::Write;

use serde_json::{Number, Value};

/// `str(value)`.
pub(crate) fn str(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

/// `repr(value)`.
pub(crate) fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(&mut out, value);
    out
}

fn write_repr(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_quoted(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_repr(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (key, item)) in members.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_quoted(out, key);
                out.push_str(": ");
                write_repr(out, item);
            }
            out.push('}');
        }
    }
}

fn write_number(out: &mut String, number: &Number) {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        out.push_str(&number.to_string());
        return;
    };
    // Rust's debug form switches to exponents at the same magnitudes as Python,
    // but writes `1e-5` where Python writes `1e-05`.
    let text = format!("{float:?}");
    match text.split_once('e') {
        None => out.push_str(&text),
        Some((mantissa, exponent)) => {
            let (sign, digits) = match exponent.strip_prefix('-') {
                Some(digits) => ('-', digits),
                None => ('+', exponent),
            };
            out.push_str(mantissa.strip_suffix(".0").unwrap_or(mantissa));
            out.push('e');
            out.push(sign);
            if digits.len() < 2 {
                out.push('0');
            }
            out.push_str(digits);
        }
    }
}

fn write_quoted(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other if other == quote => {
                out.push('\\');
                out.push(other);
            }
            other if other.is_control() || other == '\u{a0}' || other == '\u{ad}' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", other as u32);
            }
            other => out.push(other),
        }
    }
    out.push(quote);
}

/// `type(value).__name__`.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// `bool(value)`.
pub(crate) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// `left == right`: booleans are integers, and an integer equals the same float.
pub(crate) fn equals(left: &Value, right: &Value) -> bool {
    match (Numeric::of(left), Numeric::of(right)) {
        (Some(left), Some(right)) => left.compare(right) == Some(std::cmp::Ordering::Equal),
        (None, None) => match (left, right) {
            (Value::Array(left), Value::Array(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equals(left, right))
            }
            (Value::Object(left), Value::Object(right)) => {
                left.len() == right.len()
                    && left
                        .iter()
                        .all(|(key, value)| right.get(key).is_some_and(|other| equals(value, other)))
            }
            _ => left == right,
        },
        _ => false,
    }
}

/// `left < right` where both are numbers.
pub(crate) fn is_less(left: &Value, right: &Value) -> bool {
    match (Numeric::of(left), Numeric::of(right)) {
        (Some(left), Some(right)) => left.compare(right) == Some(std::cmp::Ordering::Less),
        _ => false,
    }
}

#[derive(Clone, Copy)]
enum Numeric {
    Integer(i128),
    Float(f64),
}

impl Numeric {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(Self::Integer(i128::from(*flag))),
            Value::Number(number) => number
                .as_i64()
                .map(i128::from)
                .or_else(|| number.as_u64().map(i128::from))
                .map(Self::Integer)
                .or_else(|| number.as_f64().map(Self::Float)),
            _ => None,
        }
    }

    fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => Some(left.cmp(&right)),
            (left, right) => left.to_f64().partial_cmp(&right.to_f64()),
        }
    }

    fn to_f64(self) -> f64 {
        match self {
            Self::Integer(integer) => integer as f64,
            Self::Float(float) => float,
        }
    }
}

/// `int(value)`; the error is Python's message. An integer that JSON's numbers cannot
/// hold stays a float, which the engine converts itself.
pub(crate) fn to_int(value: &Value) -> Result<Value, String> {
    match value {
        Value::Bool(flag) => Ok(Value::from(i64::from(*flag))),
        Value::Number(number) if number.is_f64() => Ok(integer_from_f64(number.as_f64().unwrap_or_default())),
        Value::Number(_) => Ok(value.clone()),
        Value::String(text) => {
            parse_int(text).ok_or_else(|| format!("invalid literal for int() with base 10: {}", repr(value)))
        }
        other => Err(format!(
            "int() argument must be a string, a bytes-like object or a real number, not '{}'",
            type_name(other)
        )),
    }
}

/// `float(value)`; the error is Python's message. Departs from Python for `inf` and `nan`,
/// which JSON cannot carry: they are refused.
pub(crate) fn to_float(value: &Value) -> Result<Value, String> {
    let float = match value {
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => parse_float(text),
        other => {
            return Err(format!(
                "float() argument must be a string or a real number, not '{}'",
                type_name(other)
            ));
        }
    };
    float
        .and_then(Number::from_f64)
        .map(Value::Number)
        .ok_or_else(|| format!("could not convert string to float: {}", repr(value)))
}

fn integer_from_f64(float: f64) -> Value {
    let whole = float.trunc();
    // Both bounds are powers of two, so they are exact as floats.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole) {
        Value::from(whole as i64)
    } else if (0.0..18_446_744_073_709_551_616.0).contains(&whole) {
        Value::from(whole as u64)
    } else {
        Number::from_f64(whole).map_or(Value::Null, Value::Number)
    }
}

fn parse_int(text: &str) -> Option<Value> {
    let digits = without_digit_separators(text.trim())?;
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(&digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match digits.parse::<i128>() {
        Ok(integer) => match (i64::try_from(integer), u64::try_from(integer)) {
            (Ok(integer), _) => Some(Value::from(integer)),
            (_, Ok(integer)) => Some(Value::from(integer)),
            _ => Number::from_f64(integer as f64).map(Value::Number),
        },
        Err(_) => digits.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number),
    }
}

fn parse_float(text: &str) -> Option<f64> {
    let digits = without_digit_separators(text.trim())?;
    digits.parse::<f64>().ok().filter(|float| float.is_finite())
}

/// Python allows one underscore between two digits.
fn without_digit_separators(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_digit =
        |index: Option<usize>| index.and_then(|index| bytes.get(index)).is_some_and(u8::is_ascii_digit);
    for (index, byte) in bytes.iter().enumerate() {
        if *byte == b'_' && !(is_digit(index.checked_sub(1)) && is_digit(Some(index + 1))) {
            return None;
        }
    }
    Some(text.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_print_as_in_python() {
        let cases = [
            (json!(null), "None"),
            (json!(true), "True"),
            (json!(7), "7"),
            (json!(7.0), "7.0"),
            (json!(0.00001), "1e-05"),
            (json!(1e16), "1e+16"),
            (json!(1.5e300), "1.5e+300"),
            (json!("it's"), "\"it's\""),
            (json!("it's \"so\""), "'it\\'s \"so\"'"),
            (json!("a\n\u{7}"), "'a\\n\\x07'"),
            (json!(["a", 1, {"k": null}]), "['a', 1, {'k': None}]"),
        ];
        for (value, expected) in cases {
            assert_eq!(repr(&value), expected);
        }
        assert_eq!(str(&json!("plain")), "plain");
    }

    #[test]
    fn conversion_follows_python() {
        assert_eq!(to_int(&json!(" 1_000 ")), Ok(json!(1000)));
        assert_eq!(to_int(&json!(-7.9)), Ok(json!(-7)));
        assert_eq!(to_int(&json!(true)), Ok(json!(1)));
        assert_eq!(to_int(&json!("18446744073709551615")), Ok(json!(18_446_744_073_709_551_615_u64)));
        assert_eq!(to_int(&json!("7.5")).unwrap_err(), "invalid literal for int() with base 10: '7.5'");
        assert!(to_int(&json!("1__0")).is_err());
        assert_eq!(to_float(&json!(7)), Ok(json!(7.0)));
        assert_eq!(to_float(&json!(".5")), Ok(json!(0.5)));
        assert!(to_float(&json!("nan")).is_err());
        assert_eq!(
            to_float(&json!(null)).unwrap_err(),
            "float() argument must be a string or a real number, not 'NoneType'"
        );
    }

    #[test]
    fn numbers_and_booleans_compare_across_types() {
        assert!(equals(&json!(1), &json!(true)));
        assert!(equals(&json!([1.0]), &json!([1])));
        assert!(!equals(&json!("1"), &json!(1)));
        assert!(is_less(&json!(18_446_744_073_709_551_614_u64), &json!(18_446_744_073_709_551_615_u64)));
        assert!(!is_less(&json!("a"), &json!(1)));
    }
}
