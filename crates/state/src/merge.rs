//! Merging old rows and changes into new chunks: both ascend by key, neither is ever held whole.

use crate::cache::Fill;
use crate::chunk::Chunk;
use crate::footer::Opened;
use crate::project::project;
use crate::rows::{RowsBuilder, batch};
use crate::walk::Walk;
use crate::write::ChunkWriter;
use arrow::array::{Array, AsArray, BinaryArray, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use base::{Error, Result};
use bytes::Bytes;
use format::ColumnLayout;
use std::collections::VecDeque;
use std::sync::Arc;

/// Changes taken at a time, by number and by bytes.
const CHANGES: usize = 8192;
const CHANGE_BYTES: usize = 4 << 20;

/// The rows of some chunks, in the wanted columns.
pub(crate) struct OldRows<'a> {
    pub(crate) chunks: VecDeque<Arc<Chunk>>,
    pub(crate) columns: &'a [ColumnLayout],
    pub(crate) schema: SchemaRef,
    current: Option<(Arc<Chunk>, Arc<Opened>, usize)>,
}

impl<'a> OldRows<'a> {
    pub(crate) fn new(
        chunks: &[Arc<Chunk>],
        columns: &'a [ColumnLayout],
        schema: SchemaRef,
    ) -> OldRows<'a> {
        OldRows { chunks: chunks.iter().cloned().collect(), columns, schema, current: None }
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some((chunk, opened, group)) = &mut self.current
                && *group < opened.groups.len()
            {
                let arrays = project(chunk, opened, *group, self.columns, true, Fill::Never)?;
                let rows = opened.groups[*group].rows;
                *group += 1;
                return batch(&self.schema, arrays, rows).map(Some);
            }
            let Some(chunk) = self.chunks.pop_front() else { return Ok(None) };
            let opened = chunk.open()?;
            self.current = Some((chunk, opened, 0));
        }
    }
}

/// Some changes in a row: their keys, and the new rows of those that are not deletions.
struct Changes {
    keys: Vec<Bytes>,
    /// How many new rows there are before each key, and after the last.
    rows_before: Vec<usize>,
    rows: RecordBatch,
}

impl Changes {
    fn row(&self, i: usize) -> Option<usize> {
        let at = self.rows_before[i];
        (self.rows_before[i + 1] > at).then_some(at)
    }
}

fn next_changes(walk: &mut Walk, columns: &[ColumnLayout]) -> Result<Option<Changes>> {
    let mut keys = Vec::new();
    let mut rows_before = vec![0];
    let mut builder = RowsBuilder::new(columns, true, 1024);
    for (key, version) in walk {
        if let Some(row) = &version.row {
            builder.push(&key, version.ts, row)?;
        }
        keys.push(key);
        rows_before.push(builder.rows());
        if keys.len() == CHANGES || builder.bytes() >= CHANGE_BYTES {
            break;
        }
    }
    if keys.is_empty() {
        return Ok(None);
    }
    Ok(Some(Changes { keys, rows_before, rows: builder.finish()? }))
}

/// Writes the old rows with the changes in them.
pub(crate) fn merge(mut old: OldRows<'_>, mut walk: Walk, out: &mut ChunkWriter<'_>) -> Result<()> {
    let columns = old.columns;
    let (mut a, mut a_at) = (old.next()?, 0);
    let (mut b, mut b_at) = (next_changes(&mut walk, columns)?, 0);
    loop {
        match (&a, &b) {
            (None, None) => return Ok(()),
            (Some(rows), None) => {
                out.write(&rows.slice(a_at, rows.num_rows() - a_at))?;
                a_at = rows.num_rows();
            }
            (None, Some(changes)) => {
                let from = changes.rows_before[b_at];
                out.write(&changes.rows.slice(from, changes.rows.num_rows() - from))?;
                b_at = changes.keys.len();
            }
            (Some(rows), Some(changes)) => step(rows, &mut a_at, changes, &mut b_at, out)?,
        }
        if a.as_ref().is_some_and(|rows| a_at == rows.num_rows()) {
            (a, a_at) = (old.next()?, 0);
        }
        if b.as_ref().is_some_and(|changes| b_at == changes.keys.len()) {
            (b, b_at) = (next_changes(&mut walk, columns)?, 0);
        }
    }
}

/// Merges until one of the two is used up.
fn step(
    rows: &RecordBatch,
    a: &mut usize,
    changes: &Changes,
    b: &mut usize,
    out: &mut ChunkWriter<'_>,
) -> Result<()> {
    let keys: &BinaryArray = rows.column(0).as_binary();
    let n = keys.len();
    if keys.value(n - 1) < &*changes.keys[*b] {
        out.write(&rows.slice(*a, n - *a))?;
        *a = n;
        return Ok(());
    }
    let mut picks = Vec::with_capacity(n - *a);
    while *a < n && *b < changes.keys.len() {
        let change = &*changes.keys[*b];
        if keys.value(*a) < change {
            picks.push((0, *a));
            *a += 1;
            continue;
        }
        *a += usize::from(keys.value(*a) == change);
        picks.extend(changes.row(*b).map(|row| (1, row)));
        *b += 1;
    }
    if picks.is_empty() {
        return Ok(());
    }
    let merged = interleave_record_batch(&[rows, &changes.rows], &picks)
        .map_err(|e| Error::internal(format!("merging rows: {e}")))?;
    out.write(&merged)
}
