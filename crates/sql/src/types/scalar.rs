//! One value: storage's [`Value`] and DataFusion's [`ScalarValue`].

use ::arrow::array::{ArrayRef, AsArray, StringArray};
use ::arrow::datatypes::IntervalMonthDayNanoType;
use base::{Error, Result, SqlType, Value};
use bytes::Bytes;
use datafusion::common::ScalarValue;
use std::fmt::Write;
use std::sync::Arc;

/// The UTC time zone as Arrow types name it.
pub(crate) fn utc() -> Option<Arc<str>> {
    Some(Arc::from("+00:00"))
}

/// A stored value of a column of this type, as a literal of exactly the column's Arrow type.
pub fn to_scalar(value: &Value, ty: SqlType) -> ScalarValue {
    let int = || match value {
        Value::Int(v) => Some(*v),
        _ => None,
    };
    let micros = || match value {
        Value::Micros(v) => Some(*v),
        _ => None,
    };
    match ty {
        SqlType::Bool => ScalarValue::Boolean(match value {
            Value::Bool(v) => Some(*v),
            _ => None,
        }),
        SqlType::SmallInt => ScalarValue::Int16(int().map(|v| v as i16)),
        SqlType::Int => ScalarValue::Int32(int().map(|v| v as i32)),
        SqlType::BigInt => ScalarValue::Int64(int()),
        SqlType::Real => ScalarValue::Float32(match value {
            Value::Float4(v) => Some(*v),
            _ => None,
        }),
        SqlType::Double => ScalarValue::Float64(match value {
            Value::Float8(v) => Some(*v),
            _ => None,
        }),
        SqlType::Numeric { precision, scale } => {
            let v = match value {
                Value::Decimal(v) => Some(*v),
                _ => None,
            };
            ScalarValue::Decimal128(v, precision, scale as i8)
        }
        SqlType::Text | SqlType::Varchar(_) | SqlType::Char(_) | SqlType::Uuid | SqlType::Jsonb => {
            ScalarValue::Utf8(match value {
                Value::Text(v) => Some(v.to_string()),
                _ => None,
            })
        }
        SqlType::Bytea => ScalarValue::Binary(match value {
            Value::Bytes(v) => Some(v.to_vec()),
            _ => None,
        }),
        SqlType::Date => ScalarValue::Date32(match value {
            Value::Date(v) => Some(*v),
            _ => None,
        }),
        SqlType::Time => ScalarValue::Time64Microsecond(micros()),
        SqlType::Timestamp => ScalarValue::TimestampMicrosecond(micros(), None),
        SqlType::TimestampTz => ScalarValue::TimestampMicrosecond(micros(), utc()),
    }
}

/// The inverse of [`to_scalar`]: `None` if the scalar's type is not exactly the column's.
pub fn from_scalar(scalar: &ScalarValue, ty: SqlType) -> Option<Value> {
    if scalar.is_null() {
        return Some(Value::Null);
    }
    Some(match (scalar, ty) {
        (ScalarValue::Boolean(Some(v)), SqlType::Bool) => Value::Bool(*v),
        (ScalarValue::Int16(Some(v)), SqlType::SmallInt) => Value::Int((*v).into()),
        (ScalarValue::Int32(Some(v)), SqlType::Int) => Value::Int((*v).into()),
        (ScalarValue::Int64(Some(v)), SqlType::BigInt) => Value::Int(*v),
        (ScalarValue::Float32(Some(v)), SqlType::Real) => Value::Float4(*v),
        (ScalarValue::Float64(Some(v)), SqlType::Double) => Value::Float8(*v),
        (ScalarValue::Decimal128(Some(v), _, s), SqlType::Numeric { scale, .. })
            if *s == scale as i8 =>
        {
            Value::Decimal(*v)
        }
        (
            ScalarValue::Utf8(Some(v)),
            SqlType::Text | SqlType::Varchar(_) | SqlType::Char(_) | SqlType::Uuid | SqlType::Jsonb,
        ) => Value::Text(v.as_str().into()),
        (ScalarValue::Binary(Some(v)), SqlType::Bytea) => Value::Bytes(Bytes::copy_from_slice(v)),
        (ScalarValue::Date32(Some(v)), SqlType::Date) => Value::Date(*v),
        (ScalarValue::Time64Microsecond(Some(v)), SqlType::Time) => Value::Micros(*v),
        (ScalarValue::TimestampMicrosecond(Some(v), None), SqlType::Timestamp)
        | (ScalarValue::TimestampMicrosecond(Some(v), Some(_)), SqlType::TimestampTz) => {
            Value::Micros(*v)
        }
        _ => return None,
    })
}

/// What a comparison `column = scalar` looks for in a column of this type.
#[derive(Clone, Debug, PartialEq)]
pub enum Exact {
    /// This value.
    Value(Value),
    /// Nothing can be equal (NULL, out of range, digits the column cannot hold).
    Nothing,
    /// The types compare in another way: no key can be computed.
    Unknown,
}

/// The stored value that equals `scalar`, for finding keys. Never rounds.
pub fn exact(scalar: &ScalarValue, ty: SqlType) -> Exact {
    if scalar.is_null() {
        return Exact::Nothing;
    }
    if let Some(value) = from_scalar(scalar, ty) {
        // Padding and letter case differ from what is stored: those two compare as text.
        return match (&value, ty) {
            (Value::Text(v), SqlType::Char(n)) => Exact::Value(super::assign::pad(v, n)),
            _ => Exact::Value(value),
        };
    }
    let Some(unscaled) = integer(scalar) else {
        return match (decimal(scalar), ty) {
            (Some((v, s)), SqlType::Numeric { precision, scale }) => {
                rescale(v, s, precision, scale)
            }
            (Some((v, s)), SqlType::SmallInt | SqlType::Int | SqlType::BigInt) => {
                match rescale(v, s, 38, 0) {
                    Exact::Value(Value::Decimal(v)) => in_range(v, ty),
                    other => other,
                }
            }
            _ => Exact::Unknown,
        };
    };
    match ty {
        SqlType::SmallInt | SqlType::Int | SqlType::BigInt => in_range(unscaled, ty),
        SqlType::Numeric { precision, scale } => rescale(unscaled, 0, precision, scale),
        _ => Exact::Unknown,
    }
}

fn in_range(v: i128, ty: SqlType) -> Exact {
    let (min, max) = match ty {
        SqlType::SmallInt => (i16::MIN.into(), i16::MAX.into()),
        SqlType::Int => (i32::MIN.into(), i32::MAX.into()),
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    };
    if (min..=max).contains(&v) { Exact::Value(Value::Int(v as i64)) } else { Exact::Nothing }
}

fn rescale(v: i128, from: i8, precision: u8, scale: u8) -> Exact {
    let shift = i32::from(scale) - i32::from(from);
    let scaled = if shift >= 0 {
        10i128.checked_pow(shift as u32).and_then(|f| v.checked_mul(f))
    } else {
        match 10i128.checked_pow((-shift) as u32) {
            Some(f) if v % f == 0 => Some(v / f),
            _ => None,
        }
    };
    match scaled {
        Some(v) if v.unsigned_abs() < 10u128.pow(u32::from(precision)) => {
            Exact::Value(Value::Decimal(v))
        }
        _ => Exact::Nothing,
    }
}

/// Any integer scalar.
pub(super) fn integer(scalar: &ScalarValue) -> Option<i128> {
    Some(match scalar {
        ScalarValue::Int8(Some(v)) => (*v).into(),
        ScalarValue::Int16(Some(v)) => (*v).into(),
        ScalarValue::Int32(Some(v)) => (*v).into(),
        ScalarValue::Int64(Some(v)) => (*v).into(),
        ScalarValue::UInt8(Some(v)) => (*v).into(),
        ScalarValue::UInt16(Some(v)) => (*v).into(),
        ScalarValue::UInt32(Some(v)) => (*v).into(),
        ScalarValue::UInt64(Some(v)) => (*v).into(),
        _ => return None,
    })
}

/// Any decimal scalar that fits 128 bits, with its scale.
pub(super) fn decimal(scalar: &ScalarValue) -> Option<(i128, i8)> {
    match scalar {
        ScalarValue::Decimal32(Some(v), _, s) => Some(((*v).into(), *s)),
        ScalarValue::Decimal64(Some(v), _, s) => Some(((*v).into(), *s)),
        ScalarValue::Decimal128(Some(v), _, s) => Some((*v, *s)),
        ScalarValue::Decimal256(Some(v), _, s) => Some((v.to_i128()?, *s)),
        _ => None,
    }
}

/// An array of a column's Arrow type from stored values.
pub fn to_array<'a>(
    values: impl ExactSizeIterator<Item = &'a Value>,
    ty: SqlType,
) -> Result<ArrayRef> {
    if values.len() == 0 {
        return Ok(::arrow::array::new_empty_array(&super::arrow_type(ty)));
    }
    ScalarValue::iter_to_array(values.map(|v| to_scalar(v, ty)))
        .map_err(|e| Error::internal(format!("building a column of {ty}: {e}")))
}

/// Intervals as PostgreSQL writes them.
pub(super) fn interval_text(array: &ArrayRef) -> ArrayRef {
    let array = array.as_primitive::<IntervalMonthDayNanoType>();
    let text = array.iter().map(|v| v.map(|v| interval(v.months, v.days, v.nanoseconds)));
    Arc::new(text.collect::<StringArray>())
}

fn interval(months: i32, days: i32, nanos: i64) -> String {
    let mut out = String::new();
    let mut part = |n: i32, unit: &str| {
        if n != 0 {
            let plural = if n == 1 { "" } else { "s" };
            let space = if out.is_empty() { "" } else { " " };
            let _ = write!(out, "{space}{n} {unit}{plural}");
        }
    };
    part(months / 12, "year");
    part(months % 12, "mon");
    part(days, "day");
    if nanos != 0 || out.is_empty() {
        let micros = nanos / 1000;
        let (sign, us) =
            if micros < 0 { ("-", micros.unsigned_abs()) } else { ("", micros as u64) };
        let space = if out.is_empty() { "" } else { " " };
        let (s, fraction) = (us / 1_000_000, us % 1_000_000);
        let _ = write!(out, "{space}{sign}{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
        if fraction != 0 {
            let digits = format!("{fraction:06}");
            let _ = write!(out, ".{}", digits.trim_end_matches('0'));
        }
    }
    out
}
