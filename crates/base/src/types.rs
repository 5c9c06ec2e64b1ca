//! The SQL types a column can have.

use std::fmt;

/// A column's type. How values of it are held: see [`crate::Value`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SqlType {
    /// `boolean`
    Bool,
    /// `smallint`, 16 bit
    SmallInt,
    /// `integer`, 32 bit
    Int,
    /// `bigint`, 64 bit
    BigInt,
    /// `real`, 32-bit float
    Real,
    /// `double precision`, 64-bit float
    Double,
    /// `numeric(precision, scale)`, precision 1 to 38. Plain `numeric` is `numeric(38, 10)`.
    Numeric {
        /// Digits in all.
        precision: u8,
        /// Digits after the point, at most `precision`.
        scale: u8,
    },
    /// `text`
    Text,
    /// `varchar(n)`: at most n characters
    Varchar(u32),
    /// `char(n)`: blank-padded to n characters
    Char(u32),
    /// `bytea`
    Bytea,
    /// `date`
    Date,
    /// `time` without zone
    Time,
    /// `timestamp` without zone
    Timestamp,
    /// `timestamptz`
    TimestampTz,
    /// `uuid`
    Uuid,
    /// `json` and `jsonb`, held as text
    Jsonb,
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlType::Bool => f.write_str("boolean"),
            SqlType::SmallInt => f.write_str("smallint"),
            SqlType::Int => f.write_str("integer"),
            SqlType::BigInt => f.write_str("bigint"),
            SqlType::Real => f.write_str("real"),
            SqlType::Double => f.write_str("double precision"),
            SqlType::Numeric { precision, scale } => write!(f, "numeric({precision},{scale})"),
            SqlType::Text => f.write_str("text"),
            SqlType::Varchar(n) => write!(f, "character varying({n})"),
            SqlType::Char(n) => write!(f, "character({n})"),
            SqlType::Bytea => f.write_str("bytea"),
            SqlType::Date => f.write_str("date"),
            SqlType::Time => f.write_str("time without time zone"),
            SqlType::Timestamp => f.write_str("timestamp without time zone"),
            SqlType::TimestampTz => f.write_str("timestamp with time zone"),
            SqlType::Uuid => f.write_str("uuid"),
            SqlType::Jsonb => f.write_str("jsonb"),
        }
    }
}
