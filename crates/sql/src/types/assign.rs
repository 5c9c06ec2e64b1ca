//! Assignment: what happens to a value on its way into a column. Ranges, lengths and scales are
//! checked as PostgreSQL checks them; text is read as the column's type.

use super::scalar::{decimal, from_scalar, integer};
use super::{arrow_type, natural};
use ::arrow::array::{Array, ArrayRef};
use base::{Error, Result, SqlState, SqlType, Value};
use datafusion::common::ScalarValue;

/// Assigns the cells of one source column to one target column.
#[derive(Clone, Copy, Debug)]
pub struct Assigner {
    ty: SqlType,
    same: bool,
}

impl Assigner {
    /// For a source column of this Arrow type.
    pub fn new(source: &::arrow::datatypes::DataType, ty: SqlType) -> Assigner {
        Assigner { ty, same: source == &arrow_type(ty) && !is_spelled(ty) }
    }

    /// The cell as a value of the target column.
    pub fn cell(&self, array: &ArrayRef, row: usize, column: &str) -> Result<Value> {
        if array.is_null(row) {
            return Ok(Value::Null);
        }
        if self.same {
            return fit(state::value_at(array.as_ref(), row, self.ty), self.ty);
        }
        let scalar = ScalarValue::try_from_array(array, row).map_err(|e| {
            Error::internal(format!("reading a value for column \"{column}\": {e}"))
        })?;
        assign(&scalar, self.ty, column)
    }
}

/// The value a column gets when `scalar` is assigned to it.
pub fn assign(scalar: &ScalarValue, ty: SqlType, column: &str) -> Result<Value> {
    if scalar.is_null() {
        return Ok(Value::Null);
    }
    if !is_spelled(ty)
        && let Some(value) = from_scalar(scalar, ty)
    {
        return fit(value, ty);
    }
    if let Some(Some(text)) = scalar.try_as_str() {
        return fit(crate::text::parse(ty, text)?, ty);
    }
    let value = match ty {
        SqlType::SmallInt | SqlType::Int | SqlType::BigInt => to_int(scalar, ty)?,
        SqlType::Real | SqlType::Double => to_float(scalar, ty)?,
        SqlType::Numeric { precision, scale } => to_numeric(scalar, precision, scale)?,
        SqlType::Text | SqlType::Varchar(_) | SqlType::Char(_) => Some(to_text(scalar)?),
        SqlType::Bytea => match scalar {
            ScalarValue::LargeBinary(Some(v))
            | ScalarValue::BinaryView(Some(v))
            | ScalarValue::FixedSizeBinary(_, Some(v)) => {
                Some(Value::Bytes(bytes::Bytes::copy_from_slice(v)))
            }
            _ => None,
        },
        SqlType::Date | SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz => {
            to_time(scalar, ty)
        }
        SqlType::Bool | SqlType::Uuid | SqlType::Jsonb => None,
    };
    match value {
        Some(value) => fit(value, ty),
        None => Err(mismatch(scalar, ty, column)),
    }
}

/// Types that are stored as text but have a syntax: any text for them has to be read.
fn is_spelled(ty: SqlType) -> bool {
    matches!(ty, SqlType::Uuid | SqlType::Jsonb)
}

fn mismatch(scalar: &ScalarValue, ty: SqlType, column: &str) -> Error {
    let is = natural(&scalar.data_type());
    Error::new(
        SqlState::DATATYPE_MISMATCH,
        format!("column \"{column}\" is of type {ty} but expression is of type {is}"),
    )
    .hint("You will need to rewrite or cast the expression.")
}

/// Checks a value that has the right variant already: lengths of text, padding.
pub fn fit(value: Value, ty: SqlType) -> Result<Value> {
    match (&value, ty) {
        (Value::Text(v), SqlType::Varchar(n)) if v.len() > n as usize => {
            let chars = v.chars().count();
            if chars <= n as usize {
                return Ok(value);
            }
            // Too many characters are fine if all beyond the limit are blanks.
            let kept: String = v.chars().take(n as usize).collect();
            if v[kept.len()..].bytes().all(|b| b == b' ') {
                return Ok(Value::Text(kept.into()));
            }
            Err(too_long(ty))
        }
        (Value::Text(v), SqlType::Char(n)) => match pad(v, n) {
            Value::Text(v) if v.chars().count() > n as usize => Err(too_long(ty)),
            padded => Ok(padded),
        },
        _ => Ok(value),
    }
}

fn too_long(ty: SqlType) -> Error {
    Error::new(SqlState::STRING_DATA_RIGHT_TRUNCATION, format!("value too long for type {ty}"))
}

/// Text blank-padded, or stripped of blanks, to `n` characters; longer if more than blanks is over.
pub(crate) fn pad(text: &str, n: u32) -> Value {
    let n = n as usize;
    let chars = text.chars().count();
    if chars == n {
        return Value::Text(text.into());
    }
    let bare = text.trim_end_matches(' ');
    let bare_chars = bare.chars().count();
    let blanks = n.saturating_sub(bare_chars);
    let mut out = String::with_capacity(bare.len() + blanks);
    out.push_str(bare);
    out.extend(std::iter::repeat_n(' ', blanks));
    Value::Text(out.into())
}

fn to_int(scalar: &ScalarValue, ty: SqlType) -> Result<Option<Value>> {
    let v = if let Some(v) = integer(scalar) {
        v
    } else if let Some((v, s)) = decimal(scalar) {
        round(v, i32::from(s), 0).ok_or_else(|| out_of_range(ty))?
    } else if let Some(v) = float(scalar) {
        let v = v.round_ties_even();
        if !v.is_finite() || v.abs() >= 1.0e19 {
            return Err(out_of_range(ty));
        }
        v as i128
    } else {
        return Ok(None);
    };
    let (min, max) = match ty {
        SqlType::SmallInt => (i64::from(i16::MIN), i64::from(i16::MAX)),
        SqlType::Int => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    if v < min.into() || v > max.into() {
        return Err(out_of_range(ty));
    }
    Ok(Some(Value::Int(v as i64)))
}

fn out_of_range(ty: SqlType) -> Error {
    Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("{ty} out of range"))
}

fn to_float(scalar: &ScalarValue, ty: SqlType) -> Result<Option<Value>> {
    let v = if let Some(v) = integer(scalar) {
        v as f64
    } else if let Some((v, s)) = decimal(scalar) {
        // Through text, so that 0.1 becomes the float nearest to 0.1.
        let text = if s >= 0 { format!("{v}e-{s}") } else { format!("{v}e{}", -i32::from(s)) };
        text.parse().map_err(|_| out_of_range(ty))?
    } else if let Some(v) = float(scalar) {
        v
    } else {
        return Ok(None);
    };
    if ty == SqlType::Double {
        return Ok(Some(Value::Float8(v)));
    }
    let narrow = v as f32;
    if narrow.is_infinite() && v.is_finite() {
        return Err(out_of_range(ty));
    }
    Ok(Some(Value::Float4(narrow)))
}

fn float(scalar: &ScalarValue) -> Option<f64> {
    match scalar {
        ScalarValue::Float32(Some(v)) => Some((*v).into()),
        ScalarValue::Float64(Some(v)) => Some(*v),
        _ => None,
    }
}

fn to_numeric(scalar: &ScalarValue, precision: u8, scale: u8) -> Result<Option<Value>> {
    let overflow = || numeric_overflow(precision, scale);
    let v = if let Some(v) = integer(scalar) {
        round(v, 0, i32::from(scale)).ok_or_else(overflow)?
    } else if let Some((v, s)) = decimal(scalar) {
        round(v, i32::from(s), i32::from(scale)).ok_or_else(overflow)?
    } else if let Some(v) = float(scalar) {
        let ty = SqlType::Numeric { precision, scale };
        let text = match scalar {
            ScalarValue::Float32(Some(v)) => v.to_string(),
            _ => v.to_string(),
        };
        return crate::text::parse(ty, &text).map(Some);
    } else {
        return Ok(None);
    };
    if v.unsigned_abs() >= 10u128.pow(u32::from(precision)) {
        return Err(overflow());
    }
    Ok(Some(Value::Decimal(v)))
}

fn numeric_overflow(precision: u8, scale: u8) -> Error {
    Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").detail(format!(
        "A field with precision {precision}, scale {scale} must round to an absolute value less \
         than 10^{}.",
        precision - scale
    ))
}

/// Brings an unscaled decimal from one scale to another, halves away from zero.
fn round(v: i128, from: i32, to: i32) -> Option<i128> {
    if to >= from {
        return 10i128.checked_pow((to - from) as u32).and_then(|f| v.checked_mul(f));
    }
    let Some(f) = 10i128.checked_pow((from - to) as u32) else {
        return Some(0);
    };
    let (quotient, rest) = (v / f, v % f);
    let up = rest.unsigned_abs() * 2 >= f.unsigned_abs();
    Some(if up { quotient + v.signum() } else { quotient })
}

fn to_text(scalar: &ScalarValue) -> Result<Value> {
    let ty = natural(&scalar.data_type());
    let array =
        scalar.to_array().map_err(|e| Error::internal(format!("writing a value as text: {e}")))?;
    let array = super::normalise(&array, ty)?;
    let value = state::value_at(array.as_ref(), 0, ty);
    Ok(Value::Text(crate::text::format(ty, &value).into()))
}

const DAY_MICROS: i64 = 86_400_000_000;

fn to_time(scalar: &ScalarValue, ty: SqlType) -> Option<Value> {
    let micros = match scalar {
        ScalarValue::TimestampSecond(Some(v), _) => v.checked_mul(1_000_000)?,
        ScalarValue::TimestampMillisecond(Some(v), _) => v.checked_mul(1000)?,
        ScalarValue::TimestampMicrosecond(Some(v), _) => *v,
        ScalarValue::TimestampNanosecond(Some(v), _) => v.div_euclid(1000),
        ScalarValue::Date32(Some(v)) => i64::from(*v) * DAY_MICROS,
        ScalarValue::Date64(Some(v)) => v.checked_mul(1000)?,
        ScalarValue::Time64Nanosecond(Some(v)) if ty == SqlType::Time => {
            return Some(Value::Micros(v / 1000));
        }
        _ => return None,
    };
    let is_date = matches!(scalar, ScalarValue::Date32(_) | ScalarValue::Date64(_));
    match ty {
        SqlType::Date => i32::try_from(micros.div_euclid(DAY_MICROS)).ok().map(Value::Date),
        SqlType::Timestamp | SqlType::TimestampTz => Some(Value::Micros(micros)),
        SqlType::Time if !is_date => Some(Value::Micros(micros.rem_euclid(DAY_MICROS))),
        _ => None,
    }
}

/// A NULL of a type, for places that need a typed one.
pub fn default_scalar(ty: SqlType) -> ScalarValue {
    super::to_scalar(&Value::Null, ty)
}
