//! Stored rows into Arrow batches, column by column, without building values.

use crate::columns::{Builder, file_schema, schema};
use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, RecordBatch, RecordBatchOptions, UInt64Builder,
};
use arrow::datatypes::SchemaRef;
use base::{Error, Result, Timestamp};
use format::ColumnLayout;
use format::row::{Cell, Cursor};
use std::sync::Arc;

/// A batch of these columns (named `c<id>`) from stored rows.
pub fn rows_to_batch<'a>(
    columns: &[ColumnLayout],
    rows: impl Iterator<Item = &'a [u8]>,
) -> Result<RecordBatch> {
    let mut builder = RowsBuilder::new(columns, false, rows.size_hint().0);
    for row in rows {
        builder.push(&[], Timestamp::ZERO, row)?;
    }
    builder.finish()
}

/// A batch from its columns; also if there are none.
pub(crate) fn batch(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
        .map_err(|e| Error::internal(format!("building a batch: {e}")))
}

/// Collects stored rows.
pub(crate) struct RowsBuilder {
    schema: SchemaRef,
    columns: Vec<ColumnLayout>,
    /// Positions in `columns`, by ascending column id: the order in which rows hold them.
    order: Vec<usize>,
    keys: Option<(BinaryBuilder, UInt64Builder)>,
    deleted: Option<BooleanBuilder>,
    builders: Vec<Builder>,
    rows: usize,
    bytes: usize,
}

impl RowsBuilder {
    pub(crate) fn new(columns: &[ColumnLayout], with_key: bool, capacity: usize) -> RowsBuilder {
        let mut order: Vec<usize> = (0..columns.len()).collect();
        order.sort_by_key(|i| columns[*i].id);
        let keys = with_key.then(|| {
            (
                BinaryBuilder::with_capacity(capacity, capacity * 16),
                UInt64Builder::with_capacity(capacity),
            )
        });
        RowsBuilder {
            schema: schema(columns, with_key),
            columns: columns.to_vec(),
            order,
            keys,
            deleted: None,
            builders: columns.iter().map(|c| Builder::new(c.ty, capacity)).collect(),
            rows: 0,
            bytes: 0,
        }
    }

    /// For chunk files: with keys, and with deletions if there may be any.
    pub(crate) fn for_file(columns: &[ColumnLayout], with_deleted: bool) -> RowsBuilder {
        let mut builder = RowsBuilder::new(columns, true, 1024);
        builder.schema = file_schema(columns, with_deleted);
        builder.deleted = with_deleted.then(|| BooleanBuilder::with_capacity(1024));
        builder
    }

    /// Rows collected so far.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// About how many bytes they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends one stored row. After an error the builder must not be used any more.
    pub(crate) fn push(&mut self, key: &[u8], ts: Timestamp, row: &[u8]) -> Result<()> {
        let mut cursor = Cursor::new(row)?;
        let mut next = None;
        let mut ended = self.order.is_empty();
        for &i in &self.order {
            let column = &self.columns[i];
            while !ended && next.is_none_or(|(id, _)| id < column.id) {
                next = cursor.next_cell()?;
                ended = next.is_none();
            }
            let cell = match next {
                Some((id, cell)) if id == column.id => cell,
                _ => Cell::from(&column.missing),
            };
            self.builders[i].append(cell)?;
        }
        self.count(key, ts, false);
        self.bytes += row.len();
        Ok(())
    }

    /// Appends a deletion, to a builder that is for files with deletions.
    pub(crate) fn push_deleted(&mut self, key: &[u8], ts: Timestamp) -> Result<()> {
        for builder in &mut self.builders {
            builder.append(Cell::Null)?;
        }
        self.count(key, ts, true);
        Ok(())
    }

    fn count(&mut self, key: &[u8], ts: Timestamp, is_deleted: bool) {
        if let Some((keys, stamps)) = &mut self.keys {
            keys.append_value(key);
            stamps.append_value(ts.0);
        }
        if let Some(deleted) = &mut self.deleted {
            deleted.append_value(is_deleted);
        }
        self.rows += 1;
        self.bytes += key.len() + 16;
    }

    /// The batch; the builder is empty again.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.builders.len() + 3);
        if let Some((keys, stamps)) = &mut self.keys {
            arrays.push(Arc::new(keys.finish()));
            arrays.push(Arc::new(stamps.finish()));
        }
        if let Some(deleted) = &mut self.deleted {
            arrays.push(Arc::new(deleted.finish()));
        }
        arrays.extend(self.builders.iter_mut().map(Builder::finish));
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        batch(&self.schema, arrays, rows)
    }
}
