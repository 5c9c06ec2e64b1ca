//! PostgreSQL's binary forms of values.
//!
//! | type | bytes |
//! |---|---|
//! | `bool` | 1: 0 or 1 |
//! | integers, floats | 2, 4 or 8, big-endian |
//! | `numeric` | count, weight, sign, scale (16 bit each), then digits of base 10000 |
//! | `date` | days since 2000-01-01, 32 bit |
//! | `time`, `timestamp`, `timestamptz` | microseconds since midnight or 2000-01-01, 64 bit |
//! | `uuid` | 16 |
//! | `jsonb` | 1, then the text |
//! | text types, `bytea` | as they are |

use arrow::array::{Array, AsArray};
use arrow::datatypes::*;
use base::{Error, Result, SqlState, SqlType, Value};
use bytes::{BufMut, Bytes, BytesMut};

/// 2000-01-01 in days since 1970-01-01.
const EPOCH_DAYS: i32 = 10_957;
/// 2000-01-01 in microseconds since 1970-01-01.
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

const NEGATIVE: u16 = 0x4000;

/// Appends a value that is not NULL. The array has the Arrow type of `ty`.
pub(crate) fn write(array: &dyn Array, row: usize, ty: SqlType, out: &mut BytesMut) -> Result<()> {
    match ty {
        SqlType::Bool => out.put_u8(array.as_boolean().value(row).into()),
        SqlType::SmallInt => out.put_i16(array.as_primitive::<Int16Type>().value(row)),
        SqlType::Int => out.put_i32(array.as_primitive::<Int32Type>().value(row)),
        SqlType::BigInt => out.put_i64(array.as_primitive::<Int64Type>().value(row)),
        SqlType::Real => out.put_f32(array.as_primitive::<Float32Type>().value(row)),
        SqlType::Double => out.put_f64(array.as_primitive::<Float64Type>().value(row)),
        SqlType::Numeric { scale, .. } => {
            numeric(array.as_primitive::<Decimal128Type>().value(row), scale, out);
        }
        SqlType::Text | SqlType::Varchar(_) | SqlType::Char(_) => {
            out.put_slice(array.as_string::<i32>().value(row).as_bytes());
        }
        SqlType::Bytea => out.put_slice(array.as_binary::<i32>().value(row)),
        SqlType::Date => {
            let days = array.as_primitive::<Date32Type>().value(row);
            out.put_i32(days.checked_sub(EPOCH_DAYS).ok_or_else(out_of_range)?);
        }
        SqlType::Time => out.put_i64(array.as_primitive::<Time64MicrosecondType>().value(row)),
        SqlType::Timestamp | SqlType::TimestampTz => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            out.put_i64(micros.checked_sub(EPOCH_MICROS).ok_or_else(out_of_range)?);
        }
        SqlType::Uuid => uuid(array.as_string::<i32>().value(row), out)?,
        SqlType::Jsonb => {
            out.put_u8(1);
            out.put_slice(array.as_string::<i32>().value(row).as_bytes());
        }
    }
    Ok(())
}

fn out_of_range() -> Error {
    Error::new(SqlState("22008"), "timestamp out of range")
}

/// The digits are the value times 10^scale.
fn numeric(unscaled: i128, scale: u8, out: &mut BytesMut) {
    let scale = u32::from(scale);
    let mut rest = unscaled.unsigned_abs();
    // Groups of four digits count from the decimal point, so the fraction is padded to whole ones.
    let padding = (4 - scale % 4) % 4;
    let mut groups = Vec::with_capacity(12);
    if padding > 0 {
        let size = 10_u128.pow(4 - padding);
        groups.push((rest % size) as u16 * 10_u16.pow(padding));
        rest /= size;
    }
    while rest > 0 {
        groups.push((rest % 10_000) as u16);
        rest /= 10_000;
    }
    let fraction_groups = scale.div_ceil(4) as i32;
    let leading = groups.iter().rev().take_while(|g| **g == 0).count();
    groups.truncate(groups.len() - leading);
    let trailing = groups.iter().take_while(|g| **g == 0).count();
    let weight = if groups.is_empty() { 0 } else { groups.len() as i32 - fraction_groups - 1 };
    let digits = &groups[trailing..];
    out.put_u16(digits.len() as u16);
    out.put_i16(weight as i16);
    out.put_u16(if unscaled < 0 { NEGATIVE } else { 0 });
    out.put_u16(scale as u16);
    digits.iter().rev().for_each(|d| out.put_u16(*d));
}

fn uuid(text: &str, out: &mut BytesMut) -> Result<()> {
    let mut digits = text.bytes().filter(|b| *b != b'-').map(|b| char::from(b).to_digit(16));
    for _ in 0..16 {
        match (digits.next().flatten(), digits.next().flatten()) {
            (Some(high), Some(low)) => out.put_u8((high * 16 + low) as u8),
            _ => return Err(Error::internal(format!("a stored uuid reads \"{text}\""))),
        }
    }
    Ok(())
}

/// Reads a parameter in binary. `json` for the type `json`, which has no version byte.
///
/// # Errors
/// 22P03 or 08P01 if the bytes are not such a value, 22003 and others if it does not fit.
pub fn read(ty: SqlType, json: bool, bytes: &Bytes) -> Result<Value> {
    Ok(match ty {
        SqlType::Bool => Value::Bool(fixed::<1>(bytes)?[0] != 0),
        SqlType::SmallInt | SqlType::Int | SqlType::BigInt => Value::Int(integer(bytes)?),
        SqlType::Real => Value::Float4(f32::from_be_bytes(fixed(bytes)?)),
        SqlType::Double if bytes.len() == 4 => {
            Value::Float8(f32::from_be_bytes(fixed(bytes)?).into())
        }
        SqlType::Double => Value::Float8(f64::from_be_bytes(fixed(bytes)?)),
        SqlType::Numeric { precision, scale } => {
            Value::Decimal(read_numeric(bytes, precision, scale)?)
        }
        SqlType::Bytea => Value::Bytes(bytes.clone()),
        SqlType::Date => {
            let days = i32::from_be_bytes(fixed(bytes)?);
            Value::Date(days.checked_add(EPOCH_DAYS).ok_or_else(out_of_range)?)
        }
        SqlType::Time => Value::Micros(i64::from_be_bytes(fixed(bytes)?)),
        SqlType::Timestamp | SqlType::TimestampTz => {
            let micros = i64::from_be_bytes(fixed(bytes)?);
            if micros == i64::MAX || micros == i64::MIN {
                return Err(Error::unsupported("an infinite timestamp"));
            }
            Value::Micros(micros.checked_add(EPOCH_MICROS).ok_or_else(out_of_range)?)
        }
        SqlType::Uuid => {
            let b: [u8; 16] = fixed(bytes)?;
            let hex: String = b.iter().map(|b| format!("{b:02x}")).collect();
            let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
            Value::Text(parts.join("-").into())
        }
        SqlType::Jsonb if !json => match bytes.split_first() {
            Some((1, _)) => text(ty, &bytes.slice(1..))?,
            _ => return Err(malformed()),
        },
        SqlType::Jsonb | SqlType::Text | SqlType::Varchar(_) | SqlType::Char(_) => text(ty, bytes)?,
    })
}

/// Binary text goes the same way as text, so that it is checked the same.
fn text(ty: SqlType, bytes: &Bytes) -> Result<Value> {
    session::value_from_text(ty, utf8(bytes)?)
}

/// A parameter's bytes as text.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str> {
    let invalid = || {
        Error::new(
            SqlState::CHARACTER_NOT_IN_REPERTOIRE,
            "invalid byte sequence for encoding \"UTF8\"",
        )
    };
    let text = std::str::from_utf8(bytes).map_err(|_| invalid())?;
    if text.contains('\0') { Err(invalid()) } else { Ok(text) }
}

fn malformed() -> Error {
    Error::new(SqlState("22P03"), "incorrect binary data format in bind parameter")
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| malformed())
}

/// An integer of any width: the width is the client's choice, the range the statement's.
fn integer(bytes: &[u8]) -> Result<i64> {
    Ok(match bytes.len() {
        2 => i16::from_be_bytes(fixed(bytes)?).into(),
        4 => i32::from_be_bytes(fixed(bytes)?).into(),
        8 => i64::from_be_bytes(fixed(bytes)?),
        _ => return Err(malformed()),
    })
}

fn read_numeric(bytes: &[u8], precision: u8, scale: u8) -> Result<i128> {
    let words: Vec<i32> =
        bytes.chunks(2).map(|w| w.try_into().map(u16::from_be_bytes).unwrap_or(0).into()).collect();
    let [count, weight, sign, _scale, digits @ ..] = words.as_slice() else {
        return Err(malformed());
    };
    if !bytes.len().is_multiple_of(2)
        || digits.len() != *count as usize
        || digits.iter().any(|d| *d > 9_999)
    {
        return Err(malformed());
    }
    if *sign != 0 && *sign != i32::from(NEGATIVE) {
        return Err(Error::unsupported("a numeric NaN or infinity"));
    }
    let weight = i32::from(*weight as u16 as i16);
    let overflow = || Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow");
    // One more digit than wanted, to round by.
    let wanted = i32::from(scale) + 1;
    let mut value: i128 = 0;
    for (i, digit) in digits.iter().enumerate() {
        let exponent = (weight - i as i32) * 4 + wanted;
        let digit = i128::from(*digit);
        let part = if exponent >= 0 {
            let factor = 10_i128.checked_pow(exponent as u32);
            match factor.and_then(|f| f.checked_mul(digit)) {
                Some(part) => part,
                None if digit == 0 => 0,
                None => return Err(overflow()),
            }
        } else if exponent > -4 {
            digit / 10_i128.pow(-exponent as u32)
        } else {
            0
        };
        value = value.checked_add(part).ok_or_else(overflow)?;
    }
    let rounded = value / 10 + i128::from(value % 10 >= 5);
    if rounded >= 10_i128.checked_pow(precision.into()).unwrap_or(i128::MAX) {
        return Err(overflow());
    }
    Ok(if *sign == 0 { rounded } else { -rounded })
}

#[cfg(test)]
mod tests;
