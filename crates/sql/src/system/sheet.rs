//! Tables made of facts: their cells, and the Arrow batch.

use super::columns::{Kind, Relation};
use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array,
    Int64Builder, ListBuilder, RecordBatch, RecordBatchOptions, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema, SchemaRef};
use base::{Error, Result};
use std::sync::Arc;

/// One value of a system table.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Micros(i64),
    Texts(Vec<String>),
    Ints(Vec<i64>),
}

macro_rules! cells {
    ($($from:ty => |$v:ident| $cell:expr;)*) => {
        $(impl From<$from> for Cell {
            fn from($v: $from) -> Cell {
                $cell
            }
        })*
    };
}

cells! {
    bool => |v| Cell::Bool(v);
    i64 => |v| Cell::Int(v);
    i32 => |v| Cell::Int(v.into());
    u32 => |v| Cell::Int(v.into());
    u16 => |v| Cell::Int(v.into());
    u8 => |v| Cell::Int(v.into());
    u64 => |v| Cell::Int(i64::try_from(v).unwrap_or(i64::MAX));
    usize => |v| Cell::Int(v as i64);
    &str => |v| Cell::Text(v.to_string());
    String => |v| Cell::Text(v);
    &String => |v| Cell::Text(v.clone());
    Vec<i64> => |v| Cell::Ints(v);
    Vec<String> => |v| Cell::Texts(v);
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(v: Option<T>) -> Cell {
        v.map_or(Cell::Null, Into::into)
    }
}

/// Milliseconds since 1970 as a time.
pub(super) fn at_ms(ms: u64) -> Cell {
    Cell::Micros(i64::try_from(ms).unwrap_or(i64::MAX / 1000).saturating_mul(1000))
}

/// Rows of one table being gathered.
pub(super) struct Sheet {
    columns: Vec<(String, Kind)>,
    usual: Vec<Cell>,
    rows: Vec<Vec<Cell>>,
}

impl Sheet {
    /// For a system table. What its rows do not say is 0 or false in the catalog, NULL in
    /// `information_schema`.
    pub(super) fn of(relation: &Relation) -> Sheet {
        let catalog = relation.schema == "pg_catalog";
        let usual = |kind: Kind| if catalog { kind.usual() } else { Cell::Null };
        Sheet {
            columns: relation.columns.clone(),
            usual: relation.columns.iter().map(|(_, kind)| usual(*kind)).collect(),
            rows: Vec::new(),
        }
    }

    /// For a result that is no table.
    pub(super) fn new(columns: &[(&str, Kind)]) -> Sheet {
        Sheet {
            columns: columns.iter().map(|(name, kind)| (name.to_string(), *kind)).collect(),
            usual: vec![Cell::Null; columns.len()],
            rows: Vec::new(),
        }
    }

    /// Adds a row. A name that is no column is ignored, so that two relations of different width
    /// can share a description.
    pub(super) fn row<const N: usize>(&mut self, cells: [(&str, Cell); N]) {
        let mut row = self.usual.clone();
        for (name, cell) in cells {
            if let Some(i) = self.columns.iter().position(|(column, _)| column == name) {
                row[i] = cell;
            }
        }
        self.rows.push(row);
    }

    /// Adds a row with all its cells in order.
    pub(super) fn full_row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// The Arrow schema.
    pub(super) fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|(name, kind)| Field::new(name, kind.arrow(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// All rows.
    pub(super) fn batch(&self) -> Result<RecordBatch> {
        let arrays = self.columns.iter().enumerate();
        let arrays = arrays.map(|(i, (_, kind))| self.array(i, *kind)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        RecordBatch::try_new_with_options(self.schema(), arrays, &options)
            .map_err(|e| Error::internal(format!("a system table: {e}")))
    }

    fn array(&self, i: usize, kind: Kind) -> ArrayRef {
        let cells = || self.rows.iter().map(|row| row.get(i).unwrap_or(&Cell::Null));
        let ints = || cells().map(int);
        match kind {
            Kind::Oid | Kind::Int8 => Arc::new(ints().collect::<Int64Array>()),
            Kind::Int4 => {
                let narrow = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
                Arc::new(ints().map(|n| n.map(narrow)).collect::<Int32Array>())
            }
            Kind::Int2 => {
                let narrow = |n: i64| i16::try_from(n).unwrap_or(i16::MAX);
                Arc::new(ints().map(|n| n.map(narrow)).collect::<Int16Array>())
            }
            Kind::Bool => Arc::new(cells().map(bool).collect::<BooleanArray>()),
            Kind::Name | Kind::Text | Kind::Char => {
                Arc::new(cells().map(text).collect::<StringArray>())
            }
            Kind::Float4 => {
                Arc::new(cells().map(|c| float(c).map(|f| f as f32)).collect::<Float32Array>())
            }
            Kind::Float8 => Arc::new(cells().map(float).collect::<Float64Array>()),
            Kind::TimestampTz => {
                Arc::new(ints().collect::<TimestampMicrosecondArray>().with_timezone("+00:00"))
            }
            Kind::Oids | Kind::Int2s => int_lists(cells()),
            Kind::Texts => text_lists(cells()),
        }
    }
}

fn int(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Int(n) | Cell::Micros(n) => Some(*n),
        _ => None,
    }
}

fn bool(cell: &Cell) -> Option<bool> {
    if let Cell::Bool(b) = cell { Some(*b) } else { None }
}

fn text(cell: &Cell) -> Option<&str> {
    if let Cell::Text(t) = cell { Some(t) } else { None }
}

fn float(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Float(f) => Some(*f),
        Cell::Int(n) => Some(*n as f64),
        _ => None,
    }
}

fn int_lists<'a>(cells: impl Iterator<Item = &'a Cell>) -> ArrayRef {
    let mut lists = ListBuilder::new(Int64Builder::new());
    for cell in cells {
        match cell {
            Cell::Ints(list) => lists.append_value(list.iter().map(|n| Some(*n))),
            _ => lists.append_null(),
        }
    }
    Arc::new(lists.finish())
}

fn text_lists<'a>(cells: impl Iterator<Item = &'a Cell>) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for cell in cells {
        match cell {
            Cell::Texts(list) => lists.append_value(list.iter().map(Some)),
            _ => lists.append_null(),
        }
    }
    Arc::new(lists.finish())
}
