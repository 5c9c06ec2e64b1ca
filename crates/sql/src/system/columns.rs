//! The columns of the system tables: names and types as in PostgreSQL, read from `columns.txt`.

use super::sheet::Cell;
use arrow::datatypes::{DataType, Field, TimeUnit};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// The type of a system table's column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Oid,
    Int8,
    Int4,
    Int2,
    Bool,
    Name,
    Text,
    Char,
    Float4,
    Float8,
    TimestampTz,
    Oids,
    Int2s,
    Texts,
}

impl Kind {
    fn read(word: &str) -> Option<Kind> {
        Some(match word {
            "oid" => Kind::Oid,
            "int8" => Kind::Int8,
            "int4" => Kind::Int4,
            "int2" => Kind::Int2,
            "bool" => Kind::Bool,
            "name" => Kind::Name,
            "text" => Kind::Text,
            "char" => Kind::Char,
            "float4" => Kind::Float4,
            "float8" => Kind::Float8,
            "timestamptz" => Kind::TimestampTz,
            "_oid" => Kind::Oids,
            "_int2" => Kind::Int2s,
            "_text" => Kind::Texts,
            _ => return None,
        })
    }

    /// PostgreSQL's number for the type.
    pub(super) fn type_oid(self) -> i64 {
        match self {
            Kind::Oid => 26,
            Kind::Int8 => 20,
            Kind::Int4 => 23,
            Kind::Int2 => 21,
            Kind::Bool => 16,
            Kind::Name => 19,
            Kind::Text => 25,
            Kind::Char => 18,
            Kind::Float4 => 700,
            Kind::Float8 => 701,
            Kind::TimestampTz => 1184,
            Kind::Oids => 1028,
            Kind::Int2s => 1005,
            Kind::Texts => 1009,
        }
    }

    pub(super) fn arrow(self) -> DataType {
        let list = |ty| DataType::List(Arc::new(Field::new("item", ty, true)));
        match self {
            Kind::Oid | Kind::Int8 => DataType::Int64,
            Kind::Int4 => DataType::Int32,
            Kind::Int2 => DataType::Int16,
            Kind::Bool => DataType::Boolean,
            Kind::Name | Kind::Text | Kind::Char => DataType::Utf8,
            Kind::Float4 => DataType::Float32,
            Kind::Float8 => DataType::Float64,
            Kind::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            Kind::Oids | Kind::Int2s => list(DataType::Int64),
            Kind::Texts => list(DataType::Utf8),
        }
    }

    /// What a cell of a catalog table holds if nothing is said about it.
    pub(super) fn usual(self) -> Cell {
        match self {
            Kind::Oid | Kind::Int8 | Kind::Int4 | Kind::Int2 => Cell::Int(0),
            Kind::Bool => Cell::Bool(false),
            Kind::Char => Cell::Text(String::new()),
            Kind::Float4 | Kind::Float8 => Cell::Float(0.0),
            _ => Cell::Null,
        }
    }
}

/// A system table's name and columns.
#[derive(Debug)]
pub(super) struct Relation {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) oid: i64,
    pub(super) view: bool,
    pub(super) columns: Vec<(String, Kind)>,
}

/// Every system table, by schema and name.
pub(super) static RELATIONS: LazyLock<BTreeMap<(String, String), Relation>> = LazyLock::new(|| {
    let text = include_str!("columns.txt").replace("\n  ", " ");
    let read = text.lines().filter_map(read_relation);
    read.map(|r| ((r.schema.clone(), r.name.clone()), r)).collect()
});

/// `schema.name oid {r|v}: column type, column type …`
fn read_relation(line: &str) -> Option<Relation> {
    let (head, columns) = line.split_once(": ")?;
    let mut head = head.split(' ');
    let (schema, name) = head.next()?.split_once('.')?;
    let oid = head.next()?.parse().ok()?;
    let view = head.next()? == "v";
    let columns = columns
        .split(", ")
        .filter_map(|c| c.split_once(' '))
        .filter_map(|(name, kind)| Some((name.to_string(), Kind::read(kind.trim())?)))
        .collect();
    Some(Relation { schema: schema.into(), name: name.into(), oid, view, columns })
}
