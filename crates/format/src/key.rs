//! Storage keys: `storage id (u32 BE) │ value │ value …`, memcomparable: the order of the bytes is
//! the order of SQL, nulls last.
//!
//! ```text
//!   null      FF
//!   value     01 then   bool      00 / 01
//!                       ints      i64, sign flipped, 8 bytes BE        (smallint = int = bigint)
//!                       decimal   i128, sign flipped, 16 bytes BE      (one scale per column)
//!                       real      u32 BE, double u64 BE: order-preserving; all NaN equal and
//!                                 greatest, -0 = 0
//!                       text, bytes   00 written as 00 FF, ended by 00 01
//!                       date      i32, sign flipped, 4 bytes BE
//!                       micros    i64, sign flipped, 8 bytes BE
//! ```
//!
//! These bytes and [`shard`] are for ever: they say where data is, on all clusters.

use crate::codec::Reader;
use base::{Result, SqlType, StorageId, Value};
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

pub(crate) const VALUE: u8 = 0x01;
pub(crate) const NULL: u8 = 0xff;
const SIGN32: u32 = 1 << 31;
const SIGN64: u64 = 1 << 63;
const SIGN128: u128 = 1 << 127;

/// The key of a row with these primary-key values.
pub fn encode(storage: StorageId, values: &[&Value]) -> Bytes {
    let mut out = Vec::with_capacity(4 + values.len() * 12);
    put_key(&mut out, storage, values.iter().copied());
    out.into()
}

/// Appends the key of a row with these primary-key values.
pub fn put_key<'v>(
    out: &mut Vec<u8>,
    storage: StorageId,
    values: impl IntoIterator<Item = &'v Value>,
) {
    out.extend_from_slice(&storage.0.to_be_bytes());
    values.into_iter().for_each(|value| put_value(out, value));
}

/// The key space a key is in; [`StorageId`] 0 (never used) if the key is shorter than four bytes.
pub fn storage_of(key: &[u8]) -> StorageId {
    StorageId(key.first_chunk::<4>().map_or(0, |b| u32::from_be_bytes(*b)))
}

/// The half-open range `[start, end)` of a whole key space.
pub fn range(storage: StorageId) -> (Bytes, Bytes) {
    let start = storage.0.to_be_bytes();
    (Bytes::copy_from_slice(&start), prefix_end(&start))
}

/// The smallest key greater than all keys that begin with `prefix`.
pub fn prefix_end(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end.into();
        }
    }
    // Only the key space u32::MAX, which is never given out, begins with nothing but FF.
    let mut end = prefix.to_vec();
    end.extend_from_slice(&[0xff; 16]);
    end.into()
}

/// The smallest key above `key`.
pub fn after(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

/// The partition of a row with these shard-key values, of `partitions`.
pub fn shard(values: &[&Value], partitions: u16) -> u16 {
    let mut out = Vec::with_capacity(values.len() * 12);
    for value in values {
        put_value(&mut out, value);
    }
    shard_of(&out, partitions)
}

/// The partition of a row whose shard-key values have these bytes, in key form.
pub fn shard_of(values: &[u8], partitions: u16) -> u16 {
    ((u128::from(xxh3_64(values)) * u128::from(partitions)) >> 64) as u16
}

/// The values of a key whose columns have these types. A key may be a prefix: then fewer values
/// than types come back. NaN and zero come back in their one stored form.
pub fn decode(key: &[u8], types: &[SqlType]) -> Result<Vec<Value>> {
    let mut r = Reader::new(key, "key");
    r.take(4)?;
    let mut values = Vec::with_capacity(types.len());
    for ty in types {
        if r.is_empty() {
            break;
        }
        values.push(take_value(&mut r, *ty)?);
    }
    r.finish()?;
    Ok(values)
}

/// Appends one value in key form (without a key space): for prefixes of keys.
pub fn put_value(out: &mut Vec<u8>, value: &Value) {
    if value.is_null() {
        out.push(NULL);
        return;
    }
    out.push(VALUE);
    match value {
        Value::Null => {}
        Value::Bool(v) => out.push(u8::from(*v)),
        Value::Int(v) | Value::Micros(v) => {
            out.extend_from_slice(&(*v as u64 ^ SIGN64).to_be_bytes());
        }
        Value::Float4(v) => out.extend_from_slice(&ordered32(*v).to_be_bytes()),
        Value::Float8(v) => out.extend_from_slice(&ordered64(*v).to_be_bytes()),
        Value::Decimal(v) => out.extend_from_slice(&(*v as u128 ^ SIGN128).to_be_bytes()),
        Value::Text(v) => put_escaped(out, v.as_bytes()),
        Value::Bytes(v) => put_escaped(out, v),
        Value::Date(v) => out.extend_from_slice(&(*v as u32 ^ SIGN32).to_be_bytes()),
    }
}

fn put_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(i) = rest.iter().position(|b| *b == 0) {
        out.extend_from_slice(&rest[..i]);
        out.extend_from_slice(&[0x00, 0xff]);
        rest = &rest[i + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(&[0x00, 0x01]);
}

fn take_escaped(r: &mut Reader<'_>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        match r.u8()? {
            0x00 => match r.u8()? {
                0x01 => return Ok(out),
                0xff => out.push(0),
                _ => return Err(r.corrupt("a text is escaped wrongly")),
            },
            b => out.push(b),
        }
    }
}

fn take_value(r: &mut Reader<'_>, ty: SqlType) -> Result<Value> {
    match r.u8()? {
        NULL => return Ok(Value::Null),
        VALUE => {}
        _ => return Err(r.corrupt("unknown tag")),
    }
    Ok(match ty {
        SqlType::Bool => match r.u8()? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            _ => return Err(r.corrupt("a boolean is neither true nor false")),
        },
        SqlType::SmallInt | SqlType::Int | SqlType::BigInt => {
            Value::Int((u64::from_be_bytes(r.array()?) ^ SIGN64) as i64)
        }
        SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz => {
            Value::Micros((u64::from_be_bytes(r.array()?) ^ SIGN64) as i64)
        }
        SqlType::Real => Value::Float4(unordered32(u32::from_be_bytes(r.array()?))),
        SqlType::Double => Value::Float8(unordered64(u64::from_be_bytes(r.array()?))),
        SqlType::Numeric { .. } => {
            Value::Decimal((u128::from_be_bytes(r.array()?) ^ SIGN128) as i128)
        }
        SqlType::Date => Value::Date((u32::from_be_bytes(r.array()?) ^ SIGN32) as i32),
        SqlType::Bytea => Value::Bytes(take_escaped(r)?.into()),
        SqlType::Text | SqlType::Varchar(_) | SqlType::Char(_) | SqlType::Uuid | SqlType::Jsonb => {
            let text = String::from_utf8(take_escaped(r)?)
                .map_err(|_| r.corrupt("a text is not UTF-8"))?;
            Value::Text(text.into())
        }
    })
}

fn ordered32(v: f32) -> u32 {
    if v.is_nan() {
        return u32::MAX;
    }
    let bits = if v == 0.0 { 0 } else { v.to_bits() };
    if bits & SIGN32 == 0 { bits ^ SIGN32 } else { !bits }
}

fn ordered64(v: f64) -> u64 {
    if v.is_nan() {
        return u64::MAX;
    }
    let bits = if v == 0.0 { 0 } else { v.to_bits() };
    if bits & SIGN64 == 0 { bits ^ SIGN64 } else { !bits }
}

fn unordered32(bits: u32) -> f32 {
    match bits {
        u32::MAX => f32::NAN,
        b if b & SIGN32 != 0 => f32::from_bits(b ^ SIGN32),
        b => f32::from_bits(!b),
    }
}

fn unordered64(bits: u64) -> f64 {
    match bits {
        u64::MAX => f64::NAN,
        b if b & SIGN64 != 0 => f64::from_bits(b ^ SIGN64),
        b => f64::from_bits(!b),
    }
}
