//! Booleans, integers and floats.

use super::invalid;
use base::{Error, Result, SqlState, SqlType, Value};

/// Any unique beginning of true, false, yes, no, on, off; or 1 and 0.
pub(super) fn boolean(text: &str) -> Result<Value> {
    let word = text.trim().to_ascii_lowercase();
    let begins = |of: &str, from: usize| word.len() >= from && of.starts_with(&word);
    if word == "1" || begins("true", 1) || begins("yes", 1) || word == "on" {
        Ok(Value::Bool(true))
    } else if word == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2) {
        Ok(Value::Bool(false))
    } else {
        Err(invalid("boolean", text))
    }
}

/// A decimal whole number between two limits.
pub(super) fn integer(text: &str, ty: SqlType, least: i64, most: i64) -> Result<Value> {
    let trimmed = text.trim_ascii();
    let (negative, digits) = match trimmed.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(invalid(ty, text));
    }
    // Counted down from zero, because the least number has no positive twin.
    let mut number: i64 = 0;
    for digit in digits {
        let next = number.checked_mul(10).and_then(|n| n.checked_sub(i64::from(digit - b'0')));
        number = next.ok_or_else(|| out_of_range(ty, trimmed))?;
    }
    if !negative {
        number = number.checked_neg().ok_or_else(|| out_of_range(ty, trimmed))?;
    }
    if number < least || number > most {
        return Err(out_of_range(ty, trimmed));
    }
    Ok(Value::Int(number))
}

/// A 32-bit float.
pub(super) fn real(text: &str) -> Result<Value> {
    let trimmed = text.trim_ascii();
    let number: f32 = trimmed.parse().map_err(|_| invalid("real", text))?;
    lost(trimmed, number == 0.0, number.is_infinite(), SqlType::Real)?;
    Ok(Value::Float4(number))
}

/// A 64-bit float.
pub(super) fn double(text: &str) -> Result<Value> {
    let trimmed = text.trim_ascii();
    let number: f64 = trimmed.parse().map_err(|_| invalid("double precision", text))?;
    lost(trimmed, number == 0.0, number.is_infinite(), SqlType::Double)?;
    Ok(Value::Float8(number))
}

/// Refuses digits that became zero or infinity because the type cannot hold them.
fn lost(text: &str, zero: bool, infinite: bool, ty: SqlType) -> Result<()> {
    if !zero && !infinite {
        return Ok(());
    }
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    let digits = mantissa.bytes().any(|b| matches!(b, b'1'..=b'9'));
    if !digits {
        return Ok(());
    }
    Err(Error::new(
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("\"{text}\" is out of range for type {ty}"),
    ))
}

fn out_of_range(ty: SqlType, text: &str) -> Error {
    Error::new(
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("value \"{text}\" is out of range for type {ty}"),
    )
}
