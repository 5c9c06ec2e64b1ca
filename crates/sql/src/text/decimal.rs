//! `numeric(precision, scale)`, held as a whole number times ten to the minus scale.

use super::invalid;
use base::{Error, Result, SqlState, Value};

/// Reads `[sign] digits [. digits] [e exponent]`, rounded half away from zero.
pub(super) fn parse(text: &str, precision: u8, scale: u8) -> Result<Value> {
    let trimmed = text.trim_ascii();
    let bytes = trimmed.as_bytes();
    let (negative, rest) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let whole = leading_digits(rest);
    let (fraction, tail) = match &rest[whole.len()..] {
        [b'.', tail @ ..] => {
            let fraction = leading_digits(tail);
            (fraction, &tail[fraction.len()..])
        }
        tail => (&[][..], tail),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(not_a_number(text, rest));
    }
    let exponent = match tail {
        [] => 0,
        [b'e' | b'E', digits @ ..] => exponent(digits).ok_or_else(|| invalid("numeric", text))?,
        _ => return Err(invalid("numeric", text)),
    };
    let magnitude = scaled(whole, fraction, exponent, scale)
        .filter(|m| *m < limit(precision))
        .ok_or_else(|| overflow(precision, scale))?;
    Ok(Value::Decimal(if negative { -magnitude } else { magnitude }))
}

/// `numeric field overflow`
pub(super) fn overflow(precision: u8, scale: u8) -> Error {
    let digits = precision - scale.min(precision);
    let limit = if digits == 0 { "1".to_string() } else { format!("10^{digits}") };
    Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").detail(format!(
        "A field with precision {precision}, scale {scale} must round to an absolute value less \
         than {limit}."
    ))
}

/// The least number that has too many digits.
fn limit(precision: u8) -> i128 {
    match u32::from(precision) {
        few @ 0..=DIGITS_OF_I64 => 10_i64.pow(few).into(),
        many => 10_i128.pow(many.min(38)),
    }
}

/// Any number of so many digits fits.
const DIGITS_OF_I64: u32 = 18;

/// The digits as a whole number of units of 10^-scale; `None` if it has more than 38 digits.
fn scaled(whole: &[u8], fraction: &[u8], exponent: i64, scale: u8) -> Option<i128> {
    // Nearly always: few digits, and none to be cut off.
    if let Some(missing) = usize::from(scale).checked_sub(fraction.len())
        && exponent == 0
        && whole.len() + usize::from(scale) <= DIGITS_OF_I64 as usize
    {
        let digits = whole.iter().chain(fraction);
        let number = digits.fold(0_i64, |n, digit| n * 10 + i64::from(digit - b'0'));
        return Some(i128::from(number) * i128::from(10_i64.pow(missing as u32)));
    }
    // How many of the digits stand before the cut.
    let kept = whole.len() as i64 + exponent + i64::from(scale);
    let mut number: i128 = 0;
    for (i, digit) in whole.iter().chain(fraction).enumerate() {
        let digit = i128::from(digit - b'0');
        if (i as i64) < kept {
            number = number.checked_mul(10)?.checked_add(digit)?;
        } else {
            let first_cut = i as i64 == kept;
            return if first_cut && digit >= 5 { number.checked_add(1) } else { Some(number) };
        }
    }
    let missing = kept - (whole.len() + fraction.len()) as i64;
    if number == 0 || missing <= 0 {
        return Some(number);
    }
    number.checked_mul(10_i128.checked_pow(u32::try_from(missing).ok()?)?)
}

fn leading_digits(bytes: &[u8]) -> &[u8] {
    let len = bytes.iter().position(|b| !b.is_ascii_digit()).unwrap_or(bytes.len());
    &bytes[..len]
}

fn exponent(bytes: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(bytes).ok()?.parse().ok()?;
    // Far more than any digit count; keeps the sums above from overflowing.
    Some(number.clamp(-1_000_000, 1_000_000))
}

fn not_a_number(text: &str, rest: &[u8]) -> Error {
    let word = rest.to_ascii_lowercase();
    match word.as_slice() {
        b"nan" | b"inf" | b"infinity" => Error::unsupported(format!("the numeric value {text}")),
        _ => invalid("numeric", text),
    }
}
