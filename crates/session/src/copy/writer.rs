//! Writes result batches in COPY's text or csv format.

use super::{CopyFormat, Header};
use crate::copy_out::CopyChunk;
use crate::text;
use arrow::array::{Array, RecordBatch};
use base::Result;
use bytes::{BufMut, BytesMut};

/// The writer: feed batches, take chunks.
pub(crate) struct Writer {
    format: CopyFormat,
    names: Vec<String>,
    force_quote: Vec<bool>,
    out: BytesMut,
    ends: Vec<usize>,
    field: BytesMut,
    rows: u64,
}

impl Writer {
    /// A writer for these columns; the header, if any, is ready to be taken.
    pub(crate) fn new(format: CopyFormat, names: Vec<String>) -> Writer {
        let force_quote = names.iter().map(|n| format.force_quote.has(n)).collect();
        let mut writer = Writer {
            format,
            names,
            force_quote,
            out: BytesMut::new(),
            ends: Vec::new(),
            field: BytesMut::new(),
            rows: 0,
        };
        if writer.format.header != Header::No {
            writer.header();
        }
        writer
    }

    /// Rows written so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes not taken yet.
    pub(crate) fn pending(&self) -> usize {
        self.out.len()
    }

    /// Takes what was written; `None` if nothing was.
    pub(crate) fn take(&mut self) -> Option<CopyChunk> {
        let ends = std::mem::take(&mut self.ends);
        let data = self.out.split().freeze();
        (!ends.is_empty()).then_some(CopyChunk { data, ends })
    }

    fn header(&mut self) {
        for (i, name) in self.names.iter().enumerate() {
            if i > 0 {
                self.out.put_u8(self.format.delimiter);
            }
            put_field(&self.format, name.as_bytes(), false, self.names.len() == 1, &mut self.out);
        }
        self.end_line();
    }

    fn end_line(&mut self) {
        self.out.put_u8(b'\n');
        self.ends.push(self.out.len());
    }

    /// Writes one row of a batch.
    pub(crate) fn write(&mut self, batch: &RecordBatch, row: usize) -> Result<()> {
        let single = batch.num_columns() == 1;
        for (i, column) in batch.columns().iter().enumerate() {
            if i > 0 {
                self.out.put_u8(self.format.delimiter);
            }
            if column.is_null(row) {
                self.out.put_slice(self.format.null.as_bytes());
                continue;
            }
            self.field.clear();
            text::write(column.as_ref(), row, &mut self.field)?;
            let quoted = self.force_quote.get(i).copied().unwrap_or(false);
            put_field(&self.format, &self.field, quoted, single, &mut self.out);
        }
        self.end_line();
        self.rows += 1;
        Ok(())
    }
}

fn put_field(format: &CopyFormat, field: &[u8], force: bool, single: bool, out: &mut BytesMut) {
    if format.csv {
        put_csv(format, field, force, single, out);
    } else {
        put_text(format.delimiter, field, out);
    }
}

fn put_text(delimiter: u8, field: &[u8], out: &mut BytesMut) {
    let mut clean = 0;
    for (i, b) in field.iter().enumerate() {
        let escaped = match b {
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            8 => b'b',
            12 => b'f',
            11 => b'v',
            b if *b == delimiter => *b,
            _ => continue,
        };
        out.put_slice(&field[clean..i]);
        out.put_u8(b'\\');
        out.put_u8(escaped);
        clean = i + 1;
    }
    out.put_slice(&field[clean..]);
}

fn put_csv(format: &CopyFormat, field: &[u8], force: bool, single: bool, out: &mut BytesMut) {
    let special =
        |b: &u8| *b == format.delimiter || *b == format.quote || matches!(b, b'\n' | b'\r');
    let quoted = force
        || field == format.null.as_bytes()
        || (single && field == b"\\.")
        || field.iter().any(special);
    if !quoted {
        out.put_slice(field);
        return;
    }
    out.put_u8(format.quote);
    for b in field {
        if *b == format.quote || *b == format.escape {
            out.put_u8(format.escape);
        }
        out.put_u8(*b);
    }
    out.put_u8(format.quote);
}
