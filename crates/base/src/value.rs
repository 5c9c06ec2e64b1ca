//! One SQL value, as rows hold it.

use bytes::Bytes;

/// A value. Which variant a column holds follows from its [`crate::SqlType`]:
///
/// | type | variant |
/// |---|---|
/// | `boolean` | `Bool` |
/// | `smallint`, `integer`, `bigint` | `Int` |
/// | `real` | `Float4` |
/// | `double precision` | `Float8` |
/// | `numeric(p,s)` | `Decimal`: the value times 10^s |
/// | `text`, `varchar`, `char` (padded), `uuid` (36 lower-case characters), `jsonb` | `Text` |
/// | `bytea` | `Bytes` |
/// | `date` | `Date`: days since 1970-01-01 |
/// | `time` | `Micros`: since midnight |
/// | `timestamp`, `timestamptz` | `Micros`: since 1970-01-01 (UTC for `timestamptz`) |
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL NULL
    Null,
    /// Boolean
    Bool(bool),
    /// All integers
    Int(i64),
    /// 32-bit float
    Float4(f32),
    /// 64-bit float
    Float8(f64),
    /// Unscaled decimal; the scale is the column's
    Decimal(i128),
    /// UTF-8 text
    Text(Box<str>),
    /// Byte string
    Bytes(Bytes),
    /// Days since 1970-01-01
    Date(i32),
    /// Microseconds
    Micros(i64),
}

impl Value {
    /// True for SQL NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }
}

/// A row as stored: `(column id, value)` in ascending column id. A column id that is absent was
/// added after the row was written and has its column's `missing` value.
pub type Row = Vec<(u32, Value)>;
