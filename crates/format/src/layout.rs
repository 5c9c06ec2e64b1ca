//! How the columns of a table are laid out in chunk files, and the protocol-buffer forms of types
//! and values that catalog and manifest share.

use crate::row;
use base::{Column, Error, Result, SqlType, Value};

/// One column as chunks and scans see it.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnLayout {
    /// The column's id, which names it in rows and chunk files.
    pub id: u32,
    /// Its type.
    pub ty: SqlType,
    /// The value of rows that do not have it.
    pub missing: Value,
}

impl From<&Column> for ColumnLayout {
    fn from(c: &Column) -> ColumnLayout {
        ColumnLayout { id: c.id, ty: c.ty, missing: c.missing.clone() }
    }
}

/// A type: its number and up to two parameters.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct TypeProto {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(uint32, tag = "2")]
    a: u32,
    #[prost(uint32, tag = "3")]
    b: u32,
}

impl From<SqlType> for TypeProto {
    fn from(ty: SqlType) -> TypeProto {
        let (kind, a, b) = match ty {
            SqlType::Bool => (1, 0, 0),
            SqlType::SmallInt => (2, 0, 0),
            SqlType::Int => (3, 0, 0),
            SqlType::BigInt => (4, 0, 0),
            SqlType::Real => (5, 0, 0),
            SqlType::Double => (6, 0, 0),
            SqlType::Numeric { precision, scale } => (7, precision.into(), scale.into()),
            SqlType::Text => (8, 0, 0),
            SqlType::Varchar(n) => (9, n, 0),
            SqlType::Char(n) => (10, n, 0),
            SqlType::Bytea => (11, 0, 0),
            SqlType::Date => (12, 0, 0),
            SqlType::Time => (13, 0, 0),
            SqlType::Timestamp => (14, 0, 0),
            SqlType::TimestampTz => (15, 0, 0),
            SqlType::Uuid => (16, 0, 0),
            SqlType::Jsonb => (17, 0, 0),
        };
        TypeProto { kind, a, b }
    }
}

impl TypeProto {
    pub(crate) fn decode(self) -> Result<SqlType> {
        Ok(match self.kind {
            1 => SqlType::Bool,
            2 => SqlType::SmallInt,
            3 => SqlType::Int,
            4 => SqlType::BigInt,
            5 => SqlType::Real,
            6 => SqlType::Double,
            7 if (1..=38).contains(&self.a) && self.b <= self.a => {
                SqlType::Numeric { precision: self.a as u8, scale: self.b as u8 }
            }
            8 => SqlType::Text,
            9 => SqlType::Varchar(self.a),
            10 => SqlType::Char(self.a),
            11 => SqlType::Bytea,
            12 => SqlType::Date,
            13 => SqlType::Time,
            14 => SqlType::Timestamp,
            15 => SqlType::TimestampTz,
            16 => SqlType::Uuid,
            17 => SqlType::Jsonb,
            other => {
                return Err(Error::corrupt(format!("unknown column type {other}"))
                    .hint("it may come from a newer version of Antipode"));
            }
        })
    }
}

/// A [`ColumnLayout`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LayoutProto {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(message, optional, tag = "2")]
    ty: Option<TypeProto>,
    #[prost(bytes = "bytes", tag = "3")]
    missing: bytes::Bytes,
}

impl From<&ColumnLayout> for LayoutProto {
    fn from(c: &ColumnLayout) -> LayoutProto {
        LayoutProto { id: c.id, ty: Some(c.ty.into()), missing: row::encode_value(&c.missing) }
    }
}

impl LayoutProto {
    pub(crate) fn decode(self) -> Result<ColumnLayout> {
        Ok(ColumnLayout {
            id: self.id,
            ty: self.ty.unwrap_or_default().decode()?,
            missing: row::decode_value(&self.missing)?,
        })
    }
}
