//! `bytea` and `uuid`.

use super::invalid;
use base::{Error, Result, SqlState, Value};

/// `\x` and hexadecimal digits, or text in which `\\` is a backslash and `\ooo` an octal byte.
pub(super) fn bytea(text: &str) -> Result<Value> {
    let bytes = match text.strip_prefix("\\x") {
        Some(digits) => hex(digits)?,
        None => escaped(text)?,
    };
    Ok(Value::Bytes(bytes.into()))
}

/// 32 hexadecimal digits, hyphens between groups of four, braces around it, as one likes.
pub(super) fn uuid(text: &str) -> Result<Value> {
    let bad = || invalid("uuid", text);
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(bad)?,
        None => text,
    };
    let mut out = String::with_capacity(36);
    let mut digits = 0;
    let mut hyphen_before = true;
    for b in inner.bytes() {
        if b == b'-' {
            if hyphen_before || digits % 4 != 0 || digits == 32 {
                return Err(bad());
            }
            hyphen_before = true;
            continue;
        }
        if !b.is_ascii_hexdigit() || digits == 32 {
            return Err(bad());
        }
        if matches!(digits, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(b.to_ascii_lowercase() as char);
        digits += 1;
        hyphen_before = false;
    }
    if digits != 32 {
        return Err(bad());
    }
    Ok(Value::Text(out.into()))
}

fn hex(digits: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(digits.len() / 2);
    let mut high = None;
    for c in digits.chars() {
        // Blanks may stand between pairs.
        if high.is_none() && c.is_ascii_whitespace() {
            continue;
        }
        let value = c.to_digit(16).ok_or_else(|| {
            let message = format!("invalid hexadecimal digit: \"{c}\"");
            Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
        })? as u8;
        match high.take() {
            None => high = Some(value << 4),
            Some(high) => out.push(high | value),
        }
    }
    match high {
        None => Ok(out),
        Some(_) => Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            "invalid hexadecimal data: odd number of digits",
        )),
    }
}

fn escaped(text: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Ok(out),
            [b'\\', b'\\', rest @ ..] => {
                out.push(b'\\');
                rest
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest
            }
            [b'\\', ..] => {
                return Err(Error::new(
                    SqlState::INVALID_TEXT_REPRESENTATION,
                    "invalid input syntax for type bytea",
                ));
            }
            [byte, rest @ ..] => {
                out.push(*byte);
                rest
            }
        };
    }
}
