//! Columns as Arrow sees them. A result column always has the Arrow type of its [`SqlType`], so
//! that the wire has one encoder per SQL type and no more.

use ::arrow::array::{Array, ArrayRef, AsArray, StringArray, new_null_array};
use ::arrow::compute::{CastOptions, cast_with_options};
use ::arrow::datatypes::{DataType, Field, IntervalUnit};
use ::arrow::util::display::{ArrayFormatter, FormatOptions};
use base::{Error, Result, SqlType};
use std::collections::HashMap;

pub use state::arrow_type;

/// The field metadata key that holds the SQL type's name where the Arrow type does not tell it.
pub const TYPE_KEY: &str = "antipode.type";

/// The Arrow field of a column.
pub fn field(name: &str, ty: SqlType, nullable: bool) -> Field {
    let field = Field::new(name, arrow_type(ty), nullable);
    match ty {
        SqlType::Varchar(_) | SqlType::Char(_) | SqlType::Uuid | SqlType::Jsonb => {
            field.with_metadata(HashMap::from([(TYPE_KEY.to_owned(), ty.to_string())]))
        }
        _ => field,
    }
}

/// The SQL type a field carries, from its metadata or else from its Arrow type.
pub fn sql_type_of(field: &Field) -> SqlType {
    if field.data_type() == &DataType::Utf8
        && let Some(name) = field.metadata().get(TYPE_KEY)
    {
        return match name.as_str() {
            "uuid" => SqlType::Uuid,
            "jsonb" => SqlType::Jsonb,
            other => sized(other).unwrap_or(SqlType::Text),
        };
    }
    natural(field.data_type())
}

/// Reads `character varying(n)` and `character(n)`.
fn sized(name: &str) -> Option<SqlType> {
    let (head, n) = name.strip_suffix(')')?.split_once('(')?;
    let n = n.parse().ok()?;
    match head {
        "character varying" => Some(SqlType::Varchar(n)),
        "character" => Some(SqlType::Char(n)),
        _ => None,
    }
}

/// The SQL type that an Arrow type is shown as.
pub fn natural(ty: &DataType) -> SqlType {
    match ty {
        DataType::Boolean => SqlType::Bool,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => SqlType::SmallInt,
        DataType::Int32 | DataType::UInt16 => SqlType::Int,
        DataType::Int64 | DataType::UInt32 => SqlType::BigInt,
        DataType::UInt64 => SqlType::Numeric { precision: 20, scale: 0 },
        DataType::Float16 | DataType::Float32 => SqlType::Real,
        DataType::Float64 => SqlType::Double,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
            SqlType::Numeric { precision: *p, scale: (*s).max(0) as u8 }
        }
        DataType::Decimal256(_, s) => {
            SqlType::Numeric { precision: 38, scale: (*s).clamp(0, 38) as u8 }
        }
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => SqlType::Bytea,
        DataType::Date32 | DataType::Date64 => SqlType::Date,
        DataType::Time32(_) | DataType::Time64(_) => SqlType::Time,
        DataType::Timestamp(_, None) => SqlType::Timestamp,
        DataType::Timestamp(_, Some(_)) => SqlType::TimestampTz,
        DataType::Dictionary(_, value) => natural(value),
        _ => SqlType::Text,
    }
}

/// Brings a column to the Arrow type of `ty`.
pub fn normalise(array: &ArrayRef, ty: SqlType) -> Result<ArrayRef> {
    let wanted = arrow_type(ty);
    if array.data_type() == &wanted {
        return Ok(array.clone());
    }
    match array.data_type() {
        DataType::Null => Ok(new_null_array(&wanted, array.len())),
        DataType::Interval(_)
        | DataType::Duration(_)
        | DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::Struct(_)
        | DataType::Map(..) => as_text(array),
        _ => {
            let options = CastOptions { safe: false, ..CastOptions::default() };
            cast_with_options(array, &wanted, &options)
                .map_err(|e| crate::error::arrow(&e).hint("while sending a result column"))
        }
    }
}

/// An array as PostgreSQL writes it: `{1,NULL,"a b"}`.
fn list_text(elements: &ArrayRef) -> Result<String> {
    let ty = natural(elements.data_type());
    let nested = matches!(elements.data_type(), DataType::List(_));
    let elements = normalise(elements, ty)?;
    let mut out = String::from("{");
    for row in 0..elements.len() {
        if row > 0 {
            out.push(',');
        }
        if elements.is_null(row) {
            out.push_str("NULL");
            continue;
        }
        let text = crate::text::format(ty, &state::value_at(elements.as_ref(), row, ty));
        let plain = !text.is_empty()
            && !text.eq_ignore_ascii_case("null")
            && !text.contains(|c: char| c.is_whitespace() || "{},\"\\".contains(c));
        if plain || nested {
            out.push_str(&text);
        } else {
            out.push('"');
            out.push_str(&text.replace('\\', "\\\\").replace('"', "\\\""));
            out.push('"');
        }
    }
    out.push('}');
    Ok(out)
}

/// Renders what has no SQL type here as text.
fn as_text(array: &ArrayRef) -> Result<ArrayRef> {
    if let DataType::Interval(IntervalUnit::MonthDayNano) = array.data_type() {
        return Ok(super::scalar::interval_text(array));
    }
    if let Some(list) = array.as_list_opt::<i32>() {
        let lists = list.iter().map(|l| l.map(|l| list_text(&l)).transpose());
        let text: StringArray = lists.collect::<Result<_>>()?;
        return Ok(std::sync::Arc::new(text));
    }
    let options = FormatOptions::default();
    let formatter =
        ArrayFormatter::try_new(array, &options).map_err(|e| crate::error::arrow(&e))?;
    let mut out = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        let text = formatter.value(row).try_to_string();
        out.push(if array.is_null(row) {
            None
        } else {
            Some(text.map_err(|e| Error::internal(e.to_string()))?)
        });
    }
    Ok(std::sync::Arc::new(StringArray::from(out)))
}
