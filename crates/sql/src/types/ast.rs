//! Type names as users write them.

use base::{Error, Result, SqlState, SqlType};
use datafusion::sql::sqlparser::ast::{CharacterLength, DataType, ExactNumberInfo, TimezoneInfo};

/// The column type that a type name in a statement means.
pub fn sql_type(ast: &DataType) -> Result<SqlType> {
    Ok(match ast {
        DataType::Bool | DataType::Boolean => SqlType::Bool,
        DataType::SmallInt(_) | DataType::Int2(_) | DataType::Int16 => SqlType::SmallInt,
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) | DataType::Int32 => {
            SqlType::Int
        }
        DataType::BigInt(_) | DataType::Int8(_) | DataType::Int64 => SqlType::BigInt,
        DataType::Real | DataType::Float4 | DataType::Float32 => SqlType::Real,
        DataType::Double(_) | DataType::DoublePrecision | DataType::Float8 | DataType::Float64 => {
            SqlType::Double
        }
        DataType::Float(info) => match info {
            ExactNumberInfo::Precision(p) if *p <= 24 => SqlType::Real,
            _ => SqlType::Double,
        },
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => numeric(info)?,
        DataType::Text | DataType::String(None) => SqlType::Text,
        DataType::Varchar(n)
        | DataType::CharacterVarying(n)
        | DataType::CharVarying(n)
        | DataType::Nvarchar(n) => match length(n)? {
            Some(n) => SqlType::Varchar(n),
            None => SqlType::Text,
        },
        DataType::Char(n) | DataType::Character(n) => SqlType::Char(length(n)?.unwrap_or(1)),
        DataType::Bytea => SqlType::Bytea,
        DataType::Date | DataType::Date32 => SqlType::Date,
        DataType::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => SqlType::Time,
        DataType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            SqlType::Timestamp
        }
        DataType::Timestamp(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => {
            SqlType::TimestampTz
        }
        DataType::Uuid => SqlType::Uuid,
        DataType::JSON | DataType::JSONB => SqlType::Jsonb,
        DataType::Custom(name, args) => return custom(&name.to_string(), args),
        other => return Err(Error::unsupported(format!("type {other}"))),
    })
}

/// Type names the parser has no word for.
fn custom(name: &str, args: &[String]) -> Result<SqlType> {
    match (name.to_ascii_lowercase().as_str(), args.len()) {
        ("bpchar", 0) => Ok(SqlType::Text),
        ("name", 0) => Ok(SqlType::Varchar(63)),
        _ => Err(Error::new(SqlState::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist"))),
    }
}

fn length(n: &Option<CharacterLength>) -> Result<Option<u32>> {
    match n {
        None | Some(CharacterLength::Max) => Ok(None),
        Some(CharacterLength::IntegerLength { length, .. }) => match u32::try_from(*length) {
            Ok(n) if (1..=10_485_760).contains(&n) => Ok(Some(n)),
            _ => Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                "length of a character type must be between 1 and 10485760",
            )),
        },
    }
}

fn numeric(info: &ExactNumberInfo) -> Result<SqlType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => (38, 10),
        ExactNumberInfo::Precision(p) => (*p, 0),
        ExactNumberInfo::PrecisionAndScale(p, s) => (*p, *s),
    };
    if !(1..=38).contains(&precision) {
        return Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("NUMERIC precision {precision} must be between 1 and 38"),
        ));
    }
    if scale < 0 || scale as u64 > precision {
        return Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("NUMERIC scale {scale} must be between 0 and precision {precision}"),
        ));
    }
    Ok(SqlType::Numeric { precision: precision as u8, scale: scale as u8 })
}
