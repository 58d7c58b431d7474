//! The parts of Python's semantics that show in ComfyUI's answers: how values print,
//! compare and convert. ComfyUI's messages embed them, so ours must agree to the letter.

use std::cmp::Ordering;
use std::fmt::Write;

use serde_json::{Number, Value};

/// Python refuses to read longer integers from text.
const MAX_INT_DIGITS: usize = 4300;

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
        (Some(left), Some(right)) => left.compare(right) == Some(Ordering::Equal),
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

/// What a value was converted to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Converted {
    Json(Value),
    /// A number that JSON cannot carry: `inf`, `nan`, or an integer beyond 64 bits. The
    /// engine converts the given value itself.
    Beyond {
        text: String,
        float: f64,
    },
}

impl Converted {
    /// `str(value)`.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Json(value) => str(value),
            Self::Beyond { text, .. } => text.clone(),
        }
    }

    /// How the value compares to a number; the error is Python's message for `sign`.
    /// `None` is `nan`, which is neither less nor more than anything.
    pub(crate) fn compare(&self, bound: &Value, sign: char) -> Result<Option<Ordering>, String> {
        let value = match self {
            Self::Json(value) => Numeric::of(value).ok_or_else(|| {
                let (left, right) = (type_name(value), type_name(bound));
                format!("'{sign}' not supported between instances of '{left}' and '{right}'")
            })?,
            Self::Beyond { float, .. } => Numeric::Float(*float),
        };
        Ok(Numeric::of(bound).and_then(|bound| value.compare(bound)))
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

    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => Some(left.cmp(&right)),
            (Self::Float(left), Self::Float(right)) => left.partial_cmp(&right),
            (Self::Integer(left), Self::Float(right)) => compare_exactly(left, right),
            (Self::Float(left), Self::Integer(right)) => compare_exactly(right, left).map(Ordering::reverse),
        }
    }
}

/// Python rounds neither side. `integer` has 64 bits at the most.
fn compare_exactly(integer: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // A float beyond 128 bits, infinity included, becomes the nearest bound.
    let whole = float.floor();
    Some(integer.cmp(&(whole as i128)).then(if float > whole { Ordering::Less } else { Ordering::Equal }))
}

/// `int(value)`; the error is Python's message.
pub(crate) fn to_int(value: &Value) -> Result<Converted, String> {
    match value {
        Value::Bool(flag) => Ok(Converted::Json(Value::from(i64::from(*flag)))),
        Value::Number(number) if number.is_f64() => Ok(integer_from_f64(number.as_f64().unwrap_or_default())),
        Value::Number(_) => Ok(Converted::Json(value.clone())),
        Value::String(text) => parse_int(text)
            .unwrap_or_else(|| Err(format!("invalid literal for int() with base 10: {}", repr(value)))),
        other => Err(format!(
            "int() argument must be a string, a bytes-like object or a real number, not '{}'",
            type_name(other)
        )),
    }
}

/// `float(value)`; the error is Python's message.
pub(crate) fn to_float(value: &Value) -> Result<Converted, String> {
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
    let float = float.ok_or_else(|| format!("could not convert string to float: {}", repr(value)))?;
    Ok(Number::from_f64(float).map_or_else(
        || {
            let name = if float.is_nan() { "nan" } else { "inf" };
            let sign = if float < 0.0 { "-" } else { "" };
            Converted::Beyond { text: format!("{sign}{name}"), float }
        },
        |number| Converted::Json(Value::Number(number)),
    ))
}

fn integer_from_f64(float: f64) -> Converted {
    let whole = float.trunc();
    // Both bounds are powers of two, so they are exact as floats.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole) {
        Converted::Json(Value::from(whole as i64))
    } else if (0.0..18_446_744_073_709_551_616.0).contains(&whole) {
        Converted::Json(Value::from(whole as u64))
    } else {
        Converted::Beyond { text: format!("{whole:.0}"), float: whole }
    }
}

/// `None` where the text is no integer at all.
fn parse_int(text: &str) -> Option<Result<Converted, String>> {
    let digits = without_digit_separators(text.trim())?;
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(&digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if unsigned.len() > MAX_INT_DIGITS {
        return Some(Err(format!(
            "Exceeds the limit ({MAX_INT_DIGITS} digits) for integer string conversion: value has {} digits; use sys.set_int_max_str_digits() to increase the limit",
            unsigned.len()
        )));
    }
    if let Ok(integer) = digits.parse::<i64>() {
        return Some(Ok(Converted::Json(Value::from(integer))));
    }
    if let Ok(integer) = digits.parse::<u64>() {
        return Some(Ok(Converted::Json(Value::from(integer))));
    }
    let sign = if digits.starts_with('-') { "-" } else { "" };
    let text = format!("{sign}{}", unsigned.trim_start_matches('0'));
    let float = digits.parse::<f64>().ok()?;
    Some(Ok(Converted::Beyond { text, float }))
}

fn parse_float(text: &str) -> Option<f64> {
    without_digit_separators(text.trim())?.parse::<f64>().ok()
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
        let json = |value: Value| Ok(Converted::Json(value));
        assert_eq!(to_int(&json!(" 1_000 ")), json(json!(1000)));
        assert_eq!(to_int(&json!(-7.9)), json(json!(-7)));
        assert_eq!(to_int(&json!(true)), json(json!(1)));
        assert_eq!(to_int(&json!("18446744073709551615")), json(json!(18_446_744_073_709_551_615_u64)));
        let text = |converted: Result<Converted, String>| converted.unwrap().text();
        assert_eq!(text(to_int(&json!("-0099999999999999999999"))), "-99999999999999999999");
        assert_eq!(text(to_int(&json!(1e20))), "100000000000000000000");
        assert!(to_int(&json!("9".repeat(4301))).unwrap_err().contains("4301 digits"));
        assert_eq!(to_int(&json!("7.5")).unwrap_err(), "invalid literal for int() with base 10: '7.5'");
        assert!(to_int(&json!("1__0")).is_err());
        assert_eq!(to_float(&json!(7)), json(json!(7.0)));
        assert_eq!(to_float(&json!(".5")), json(json!(0.5)));
        assert_eq!(text(to_float(&json!(" NaN"))), "nan");
        assert_eq!(text(to_float(&json!("-Infinity"))), "-inf");
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
        let compare = |value: Value, bound: Value| Converted::Json(value).compare(&bound, '<');
        let nearly = json!(18_446_744_073_709_551_614_u64);
        assert_eq!(compare(nearly, json!(18_446_744_073_709_551_615_u64)), Ok(Some(Ordering::Less)));
        assert_eq!(
            compare(json!("a"), json!(1)).unwrap_err(),
            "'<' not supported between instances of 'str' and 'int'"
        );
        // As floats they are equal.
        let least = i64::MIN + 1;
        assert_eq!(compare(json!(least as f64), json!(least)), Ok(Some(Ordering::Less)));
        assert_eq!(compare(json!(2.5), json!(2)), Ok(Some(Ordering::Greater)));
        assert_eq!(compare(json!(2), json!(2.5)), Ok(Some(Ordering::Less)));
        assert_eq!(compare(json!(-1e300), json!(least)), Ok(Some(Ordering::Less)));
        let nan = to_float(&json!("nan")).unwrap();
        assert_eq!(nan.compare(&json!(0), '<'), Ok(None));
    }
}
