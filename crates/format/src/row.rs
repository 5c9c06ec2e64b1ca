//! Rows as bytes: `01 │ column │ column …`, each column `varint(gap × 16 + tag) │ payload`. The gap
//! is the column id minus the smallest id possible there (the previous id plus one), so ids ascend
//! by construction and a dense row costs one byte per column beside its payloads.
//!
//! | tag | value | payload |
//! |---|---|---|
//! | 0 | null | – |
//! | 1, 2 | false, true | – |
//! | 3 | int | zigzag varint |
//! | 4, 5 | real, double | 4, 8 bytes LE |
//! | 6 | decimal | zigzag varint of up to 128 bit |
//! | 7, 8 | text, bytes | length, bytes |
//! | 9 | date | zigzag varint |
//! | 10 | micros | zigzag varint |

use crate::codec::{
    Reader, put_bytes, put_varint, put_varint128, unzigzag, unzigzag128, zigzag, zigzag128,
};
use base::{Result, Row, Value};
use bytes::Bytes;

const VERSION: u8 = 1;

/// A value that borrows its text or bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
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
    /// Unscaled decimal
    Decimal(i128),
    /// UTF-8 text
    Text(&'a str),
    /// Byte string
    Bytes(&'a [u8]),
    /// Days since 1970-01-01
    Date(i32),
    /// Microseconds
    Micros(i64),
}

impl<'a> From<&'a Value> for Cell<'a> {
    fn from(v: &'a Value) -> Cell<'a> {
        match v {
            Value::Null => Cell::Null,
            Value::Bool(v) => Cell::Bool(*v),
            Value::Int(v) => Cell::Int(*v),
            Value::Float4(v) => Cell::Float4(*v),
            Value::Float8(v) => Cell::Float8(*v),
            Value::Decimal(v) => Cell::Decimal(*v),
            Value::Text(v) => Cell::Text(v),
            Value::Bytes(v) => Cell::Bytes(v),
            Value::Date(v) => Cell::Date(*v),
            Value::Micros(v) => Cell::Micros(*v),
        }
    }
}

impl From<Cell<'_>> for Value {
    fn from(c: Cell<'_>) -> Value {
        match c {
            Cell::Null => Value::Null,
            Cell::Bool(v) => Value::Bool(v),
            Cell::Int(v) => Value::Int(v),
            Cell::Float4(v) => Value::Float4(v),
            Cell::Float8(v) => Value::Float8(v),
            Cell::Decimal(v) => Value::Decimal(v),
            Cell::Text(v) => Value::Text(v.into()),
            Cell::Bytes(v) => Value::Bytes(Bytes::copy_from_slice(v)),
            Cell::Date(v) => Value::Date(v),
            Cell::Micros(v) => Value::Micros(v),
        }
    }
}

/// A row as bytes.
pub fn encode(row: &[(u32, Value)]) -> Bytes {
    let mut w = Writer::with_capacity(1 + row.len() * 10);
    if row.is_sorted_by_key(|c| c.0) {
        row.iter().for_each(|(id, v)| w.push(*id, v.into()));
    } else {
        let mut sorted: Vec<_> = row.iter().collect();
        sorted.sort_by_key(|c| c.0);
        sorted.iter().for_each(|(id, v)| w.push(*id, v.into()));
    }
    w.finish()
}

/// A row from its bytes.
pub fn decode(bytes: &[u8]) -> Result<Row> {
    let mut cursor = Cursor::new(bytes)?;
    let mut row = Row::new();
    while let Some((id, cell)) = cursor.next_cell()? {
        row.push((id, cell.into()));
    }
    Ok(row)
}

/// One value as bytes (tag and payload), for descriptors.
pub fn encode_value(value: &Value) -> Bytes {
    let mut out = Vec::new();
    put_cell(&mut out, 0, value.into());
    out.into()
}

/// One value from [`encode_value`]'s bytes; no bytes at all are a null.
pub fn decode_value(bytes: &[u8]) -> Result<Value> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let mut r = Reader::new(bytes, "value");
    let tag = r.varint()?;
    let value = take_cell(&mut r, tag)?.into();
    r.finish()?;
    Ok(value)
}

/// Builds a row column by column.
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    next: u32,
}

impl Default for Writer {
    fn default() -> Self {
        Writer::with_capacity(64)
    }
}

impl Writer {
    /// An empty row with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Writer {
        let mut out = Vec::with_capacity(bytes);
        out.push(VERSION);
        Writer { out, next: 0 }
    }

    /// An empty row in a buffer that is there already; what it holds goes.
    pub fn reusing(mut out: Vec<u8>) -> Writer {
        out.clear();
        out.push(VERSION);
        Writer { out, next: 0 }
    }

    /// Appends a column. Ids must ascend; a repeated or smaller id is left out.
    pub fn push(&mut self, id: u32, cell: Cell<'_>) {
        debug_assert!(id >= self.next, "column ids must ascend");
        if let Some(gap) = id.checked_sub(self.next) {
            put_cell(&mut self.out, gap, cell);
            self.next = id.saturating_add(1);
        }
    }

    /// The row's bytes.
    pub fn finish(self) -> Bytes {
        self.out.into()
    }

    /// The row's bytes in their buffer.
    pub fn into_buffer(self) -> Vec<u8> {
        self.out
    }
}

fn put_cell(out: &mut Vec<u8>, gap: u32, cell: Cell<'_>) {
    let header = |tag: u64, out: &mut Vec<u8>| put_varint(out, u64::from(gap) << 4 | tag);
    match cell {
        Cell::Null => header(0, out),
        Cell::Bool(v) => header(1 + u64::from(v), out),
        Cell::Int(v) => {
            header(3, out);
            put_varint(out, zigzag(v));
        }
        Cell::Float4(v) => {
            header(4, out);
            out.extend_from_slice(&v.to_le_bytes());
        }
        Cell::Float8(v) => {
            header(5, out);
            out.extend_from_slice(&v.to_le_bytes());
        }
        Cell::Decimal(v) => {
            header(6, out);
            put_varint128(out, zigzag128(v));
        }
        Cell::Text(v) => {
            header(7, out);
            put_bytes(out, v.as_bytes());
        }
        Cell::Bytes(v) => {
            header(8, out);
            put_bytes(out, v);
        }
        Cell::Date(v) => {
            header(9, out);
            put_varint(out, zigzag(i64::from(v)));
        }
        Cell::Micros(v) => {
            header(10, out);
            put_varint(out, zigzag(v));
        }
    }
}

#[inline]
fn take_cell<'a>(r: &mut Reader<'a>, tag: u64) -> Result<Cell<'a>> {
    Ok(match tag {
        0 => Cell::Null,
        1 => Cell::Bool(false),
        2 => Cell::Bool(true),
        3 => Cell::Int(unzigzag(r.varint()?)),
        4 => Cell::Float4(f32::from_le_bytes(r.array()?)),
        5 => Cell::Float8(f64::from_le_bytes(r.array()?)),
        6 => Cell::Decimal(unzigzag128(r.varint128()?)),
        7 => Cell::Text(r.str()?),
        8 => Cell::Bytes(r.bytes()?),
        9 => Cell::Date(
            i32::try_from(unzigzag(r.varint()?)).map_err(|_| r.corrupt("a date is too large"))?,
        ),
        10 => Cell::Micros(unzigzag(r.varint()?)),
        _ => return Err(r.corrupt("unknown tag")),
    })
}

/// Walks over a row's columns without building it.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    reader: Reader<'a>,
    next: u64,
}

impl<'a> Cursor<'a> {
    /// Starts before the first column.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Result<Cursor<'a>> {
        let mut reader = Reader::new(bytes, "row");
        if reader.u8()? != VERSION {
            return Err(reader.corrupt("unknown version"));
        }
        Ok(Cursor { reader, next: 0 })
    }

    /// The next column, in ascending id.
    #[inline]
    pub fn next_cell(&mut self) -> Result<Option<(u32, Cell<'a>)>> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        let header = self.reader.varint()?;
        let id = u32::try_from(self.next + (header >> 4))
            .map_err(|_| self.reader.corrupt("a column id is too large"))?;
        self.next = u64::from(id) + 1;
        Ok(Some((id, take_cell(&mut self.reader, header & 15)?)))
    }
}
