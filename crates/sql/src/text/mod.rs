//! Values as text, in PostgreSQL's forms: what clients send and see, and what `COPY` carries.
//!
//! ```text
//!   "2024-02-29 12:00:00+02"  ──parse(timestamptz)──▶  Micros(1709200800000000)
//!   Micros(1709200800000000)  ──format(timestamptz)──▶ "2024-02-29 10:00:00+00"
//! ```
//!
//! `COPY` of a million rows runs through [`parse`], so the common forms are read from the bytes in
//! one pass without allocation, and rarer ones (month names, `AM`, `BC`) on a second path.
//!
//! # Invariants
//! * `parse(ty, format(ty, v)) == v` for every value a column of the type can hold.
//! * A value that comes out of [`parse`] fits its type: range, precision, length, padding.
//!
//! # What it does not do
//! * Time zones by name: the session's zone is always UTC, offsets are read as numbers.
//! * `infinity` dates and `NaN` numerics: refused with a clear error, storage cannot hold them.

mod bytes;
mod calendar;
mod chars;
mod datetime;
mod decimal;
mod fields;
mod number;
mod show;

#[cfg(test)]
mod tests;

pub use show::{format, write};

use base::{Error, Result, SqlState, SqlType, Value};

/// Reads a value of a type. Blanks around anything but text are ignored.
pub fn parse(ty: SqlType, text: &str) -> Result<Value> {
    match ty {
        SqlType::Bool => number::boolean(text),
        SqlType::SmallInt => number::integer(text, ty, i64::from(i16::MIN), i64::from(i16::MAX)),
        SqlType::Int => number::integer(text, ty, i64::from(i32::MIN), i64::from(i32::MAX)),
        SqlType::BigInt => number::integer(text, ty, i64::MIN, i64::MAX),
        SqlType::Real => number::real(text),
        SqlType::Double => number::double(text),
        SqlType::Numeric { precision, scale } => decimal::parse(text, precision, scale),
        SqlType::Text => chars::text(text),
        SqlType::Varchar(n) => chars::varchar(text, n),
        SqlType::Char(n) => chars::char(text, n),
        SqlType::Bytea => bytes::bytea(text),
        SqlType::Date => datetime::date(text),
        SqlType::Time => datetime::time(text),
        SqlType::Timestamp => datetime::timestamp(text, ty),
        SqlType::TimestampTz => datetime::timestamp(text, ty),
        SqlType::Uuid => bytes::uuid(text),
        SqlType::Jsonb => chars::json(text),
    }
}

/// `invalid input syntax for type …`
fn invalid(ty: impl std::fmt::Display, text: &str) -> Error {
    Error::new(
        SqlState::INVALID_TEXT_REPRESENTATION,
        format!("invalid input syntax for type {ty}: \"{text}\""),
    )
}
