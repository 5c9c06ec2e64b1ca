//! Entries of indexes. They are rows of a key space of the index, in the partition of their row.
//!
//! ```text
//!   key   storage id │ column │ column … │ suffix      the suffix: the row's key without its storage id
//!         storage id │ column │ column …               a unique index, none of the columns null
//!   row   nothing                                      or (1 suffix), where the key lacks it
//!
//!   ascending column     as in `key`: 01 value; null FF, or 00 if nulls come first
//!   descending column    the same value with all bits turned: FE value; null 00, or FF
//! ```
//!
//! Two rows that a unique index would keep apart want the same key, so that to lock the key is to
//! ask whether the values are free. The bytes are for ever, as those of [`crate::key`].

use crate::codec::Reader;
use crate::key::{self, NULL, VALUE};
use crate::layout::ColumnLayout;
use crate::row::{self, Cell, Cursor, Writer};
use base::{
    Error, IndexColumn, IndexDescriptor, Result, SqlState, SqlType, StorageId, TableDescriptor,
    Value,
};
use bytes::Bytes;

/// The longest key of an entry.
pub const KEY_MAX: usize = 8191;

const SUFFIX: u32 = 1;
const FIRST: u8 = 0x00;

/// The columns of every index's key space.
pub fn layout() -> Vec<ColumnLayout> {
    vec![ColumnLayout { id: SUFFIX, ty: SqlType::Bytea, missing: Value::Null }]
}

/// What an index says about one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its storage key.
    pub key: Bytes,
    /// Its stored row.
    pub row: Bytes,
    /// Another row may want the same key: it must be locked, and looked at, before it is changed.
    /// Else only who holds the row's lock can mean this key.
    pub contested: bool,
}

/// The entry of a row with these values of the index's columns.
///
/// # Errors
/// 54000 if they are too long.
pub fn entry<'v>(
    index: &IndexDescriptor,
    values: impl IntoIterator<Item = &'v Value>,
    row_key: &[u8],
) -> Result<Entry> {
    let suffix = row_key.get(4..).unwrap_or_default();
    let mut out = Vec::with_capacity(4 + index.columns.len() * 10 + suffix.len());
    out.extend_from_slice(&index.storage.0.to_be_bytes());
    let mut contested = index.unique;
    for (column, value) in index.columns.iter().zip(values) {
        contested &= !value.is_null();
        put_column(&mut out, column, value);
    }
    let mut stored = Writer::with_capacity(4 + suffix.len());
    if contested {
        stored.push(SUFFIX, Cell::Bytes(suffix));
    } else {
        out.extend_from_slice(suffix);
    }
    if out.len() > KEY_MAX {
        return Err(Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!(
                "index row size {} exceeds maximum {KEY_MAX} for index \"{}\"",
                out.len(),
                index.name
            ),
        )
        .hint("values that long cannot be indexed; index a hash of them instead"));
    }
    Ok(Entry { key: out.into(), row: stored.finish(), contested })
}

/// The entry of a stored row.
///
/// # Errors
/// As [`entry`], and if the row is corrupt.
pub fn entry_of(
    table: &TableDescriptor,
    index: &IndexDescriptor,
    row_key: &[u8],
    stored: &[u8],
) -> Result<Entry> {
    let row = row::decode(stored)?;
    let missing = |id: u32| table.column(id).map_or(&Value::Null, |c| &c.missing);
    let value = |c: &IndexColumn| {
        let found = row.iter().find(|(id, _)| *id == c.column);
        found.map_or_else(|| missing(c.column), |(_, value)| value)
    };
    entry(index, index.columns.iter().map(value), row_key)
}

/// Appends one value as it stands in the key of an entry.
pub fn put_column(out: &mut Vec<u8>, column: &IndexColumn, value: &Value) {
    if value.is_null() {
        out.push(if column.nulls_first { FIRST } else { NULL });
        return;
    }
    let from = out.len();
    key::put_value(out, value);
    if column.descending {
        out[from..].iter_mut().for_each(|b| *b = !*b);
    }
}

/// With what every value of a column begins that is not null.
pub fn value_tag(column: &IndexColumn) -> u8 {
    if column.descending { !VALUE } else { VALUE }
}

/// Reads entries of one index.
#[derive(Clone, Debug)]
pub struct Entries {
    /// Type and direction of each column.
    columns: Vec<(SqlType, bool)>,
    table: StorageId,
}

impl Entries {
    /// For an index of a table.
    pub fn of(table: &TableDescriptor, index: &IndexDescriptor) -> Entries {
        let ty = |c: &IndexColumn| table.column(c.column).map(|t| (t.ty, c.descending));
        Entries { columns: index.columns.iter().filter_map(ty).collect(), table: table.storage }
    }

    /// The key of the row that an entry stands for; `suffix` is the one in the entry's row.
    pub fn row_key(&self, key: &[u8], suffix: Option<&[u8]>) -> Result<Bytes> {
        let rest;
        let suffix = match suffix {
            Some(suffix) => suffix,
            None => {
                let mut r = Reader::new(key, "index entry");
                r.take(4)?;
                for (ty, descending) in &self.columns {
                    skip(&mut r, *ty, *descending)?;
                }
                rest = r.take(r.remaining())?;
                rest
            }
        };
        let mut out = Vec::with_capacity(4 + suffix.len());
        out.extend_from_slice(&self.table.0.to_be_bytes());
        out.extend_from_slice(suffix);
        Ok(out.into())
    }

    /// As [`Entries::row_key`], from the entry's stored row.
    pub fn row_key_of(&self, key: &[u8], row: &[u8]) -> Result<Bytes> {
        match Cursor::new(row)?.next_cell()? {
            Some((SUFFIX, Cell::Bytes(suffix))) => self.row_key(key, Some(suffix)),
            _ => self.row_key(key, None),
        }
    }
}

/// Passes one column of an entry's key.
fn skip(r: &mut Reader<'_>, ty: SqlType, descending: bool) -> Result<()> {
    let turn = if descending { 0xff } else { 0 };
    match r.u8()? {
        tag if tag ^ turn == VALUE => {}
        FIRST | NULL => return Ok(()),
        _ => return Err(r.corrupt("unknown tag")),
    }
    let size = match ty {
        SqlType::Bool => 1,
        SqlType::Real | SqlType::Date => 4,
        SqlType::SmallInt | SqlType::Int | SqlType::BigInt | SqlType::Double => 8,
        SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz => 8,
        SqlType::Numeric { .. } => 16,
        SqlType::Text
        | SqlType::Varchar(_)
        | SqlType::Char(_)
        | SqlType::Bytea
        | SqlType::Uuid
        | SqlType::Jsonb => {
            // Escaped: 00 FF stands for 00, and 00 01 ends it.
            while r.u8()? ^ turn != 0 || r.u8()? ^ turn != 1 {}
            return Ok(());
        }
    };
    r.take(size).map(drop)
}
