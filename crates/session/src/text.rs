//! Values of result batches as PostgreSQL writes them in text: for the wire's text format and for
//! COPY TO. Points in time are written in UTC.

use arrow::array::{Array, AsArray};
use arrow::datatypes::*;
use base::{Error, Result};
use bytes::{BufMut, BytesMut};
use std::fmt::Write as _;

const DAY_MICROS: i64 = 86_400_000_000;

/// Appends the text of one value that is not NULL. The array has the Arrow type of a
/// [`base::SqlType`].
pub fn write(array: &dyn Array, row: usize, out: &mut BytesMut) -> Result<()> {
    match array.data_type() {
        DataType::Boolean => out.put_u8(if array.as_boolean().value(row) { b't' } else { b'f' }),
        DataType::Int16 => int(array.as_primitive::<Int16Type>().value(row), out),
        DataType::Int32 => int(array.as_primitive::<Int32Type>().value(row), out),
        DataType::Int64 => int(array.as_primitive::<Int64Type>().value(row), out),
        DataType::Float32 => float4(array.as_primitive::<Float32Type>().value(row), out),
        DataType::Float64 => float8(array.as_primitive::<Float64Type>().value(row), out),
        DataType::Decimal128(_, scale) => {
            let digits = array.as_primitive::<Decimal128Type>().value(row);
            decimal(digits.unsigned_abs(), digits < 0, usize::from(scale.unsigned_abs()), out);
        }
        DataType::Utf8 => out.put_slice(array.as_string::<i32>().value(row).as_bytes()),
        DataType::Binary => hex(array.as_binary::<i32>().value(row), out),
        DataType::Date32 => date(array.as_primitive::<Date32Type>().value(row).into(), out),
        DataType::Time64(TimeUnit::Microsecond) => {
            time(array.as_primitive::<Time64MicrosecondType>().value(row), out);
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            timestamp(micros, zone.is_some(), out);
        }
        other => return Err(Error::internal(format!("a result column of type {other}"))),
    }
    Ok(())
}

fn int(value: impl itoa::Integer, out: &mut BytesMut) {
    out.put_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn float4(value: f32, out: &mut BytesMut) {
    if value.is_finite() {
        shortest(&format!("{value:e}"), 6, out);
    } else {
        not_finite(value.is_nan(), value > 0.0, out);
    }
}

fn float8(value: f64, out: &mut BytesMut) {
    if value.is_finite() {
        shortest(&format!("{value:e}"), 15, out);
    } else {
        not_finite(value.is_nan(), value > 0.0, out);
    }
}

fn not_finite(nan: bool, positive: bool, out: &mut BytesMut) {
    out.put_slice(match (nan, positive) {
        (true, _) => b"NaN",
        (false, true) => b"Infinity",
        (false, false) => b"-Infinity",
    });
}

/// Shortest digits, written as PostgreSQL does: fixed point for exponents from -4 to below
/// `limit`, else with an exponent of at least two digits.
fn shortest(scientific: &str, limit: i32, out: &mut BytesMut) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    out.put_slice(sign.as_bytes());
    if !(-4..limit).contains(&exponent) {
        out.put_slice(mantissa.as_bytes());
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "e{sign}{:02}", exponent.abs());
        return;
    }
    let digits: Vec<u8> = mantissa.bytes().filter(|b| *b != b'.').collect();
    if exponent < 0 {
        out.put_slice(b"0.");
        out.put_bytes(b'0', (-exponent - 1) as usize);
        out.put_slice(&digits);
        return;
    }
    let whole = exponent as usize + 1;
    out.put_slice(&digits[..whole.min(digits.len())]);
    out.put_bytes(b'0', whole.saturating_sub(digits.len()));
    if digits.len() > whole {
        out.put_u8(b'.');
        out.put_slice(&digits[whole..]);
    }
}

fn decimal(digits: u128, negative: bool, scale: usize, out: &mut BytesMut) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(digits).as_bytes();
    if negative {
        out.put_u8(b'-');
    }
    let whole = text.len().saturating_sub(scale);
    if scale == 0 {
        out.put_slice(text);
    } else if whole == 0 {
        out.put_slice(b"0.");
        out.put_bytes(b'0', scale - text.len());
        out.put_slice(text);
    } else {
        out.put_slice(&text[..whole]);
        out.put_u8(b'.');
        out.put_slice(&text[whole..]);
    }
}

/// `\x…`
fn hex(bytes: &[u8], out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(2 + bytes.len() * 2);
    out.put_slice(b"\\x");
    for b in bytes {
        out.put_u8(DIGITS[usize::from(b >> 4)]);
        out.put_u8(DIGITS[usize::from(b & 15)]);
    }
}

/// Year, month and day of a day number since 1970-01-01.
fn civil(days: i64) -> (i64, u32, u32) {
    // Eras of 400 years that begin on 1 March, so that the leap day comes last.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month + 2) / 5 + 1) as u32;
    let month = if month < 10 { month + 3 } else { month - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn two(value: u32, out: &mut BytesMut) {
    out.put_slice(&[b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]);
}

/// `YYYY-MM-DD`; returns true if ` BC` has to follow at the end.
fn ymd(days: i64, out: &mut BytesMut) -> bool {
    let (year, month, day) = civil(days);
    let before_christ = year <= 0;
    let year = if before_christ { 1 - year } else { year };
    let _ = write!(out, "{year:04}-");
    two(month, out);
    out.put_u8(b'-');
    two(day, out);
    before_christ
}

fn date(days: i64, out: &mut BytesMut) {
    if ymd(days, out) {
        out.put_slice(b" BC");
    }
}

fn time(micros: i64, out: &mut BytesMut) {
    let seconds = (micros / 1_000_000) as u32;
    two(seconds / 3600, out);
    out.put_u8(b':');
    two(seconds / 60 % 60, out);
    out.put_u8(b':');
    two(seconds % 60, out);
    fraction((micros % 1_000_000) as u32, out);
}

fn fraction(micros: u32, out: &mut BytesMut) {
    if micros == 0 {
        return;
    }
    let text = format!(".{micros:06}");
    out.put_slice(text.trim_end_matches('0').as_bytes());
}

fn timestamp(micros: i64, utc: bool, out: &mut BytesMut) {
    let before_christ = ymd(micros.div_euclid(DAY_MICROS), out);
    out.put_u8(b' ');
    time(micros.rem_euclid(DAY_MICROS), out);
    if utc {
        out.put_slice(b"+00");
    }
    if before_christ {
        out.put_slice(b" BC");
    }
}

#[cfg(test)]
mod tests;
