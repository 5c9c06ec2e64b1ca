//! Scans: first the chunks, row group by row group, without the rows the delta knows better; then
//! the delta's own rows.
//!
//! ```text
//!   row group  k1 ........ k8192      delta has no key in between: its columns, untouched
//!   row group  k8193 .x..x. k16384    delta has x: the same columns, x masked out
//!   delta      x x                    rows decoded into a batch
//! ```

use crate::cache::Fill;
use crate::chunk::{Chunk, lower_bound};
use crate::columns::schema;
use crate::footer::Opened;
use crate::project::project;
use crate::rows::{RowsBuilder, batch};
use crate::view::View;
use crate::walk::Walk;
use arrow::array::{Array, BinaryArray, BooleanArray, BooleanBufferBuilder, RecordBatch};
use arrow::compute::filter;
use arrow::datatypes::SchemaRef;
use base::{Error, Lsn, Result, StorageId, Timestamp};
use bytes::Bytes;
use format::{ColumnLayout, key};
use std::sync::Arc;

/// A batch of wide rows ends at about this many bytes.
const BATCH_BYTES: usize = 8 << 20;

/// What to scan.
#[derive(Clone, Debug)]
pub struct ScanSpec {
    /// Which key space.
    pub storage: StorageId,
    /// The first key.
    pub start: Bytes,
    /// Above the last key.
    pub end: Bytes,
    /// As of when. All commits at or below it must have been applied already.
    pub ts: Timestamp,
    /// Which columns, in which order.
    pub columns: Vec<ColumnLayout>,
    /// Adds `_key` (Binary) and `_ts` (UInt64) before the columns.
    pub with_key: bool,
    /// The most rows of one batch.
    pub batch_rows: usize,
    /// The most rows in all.
    pub limit: Option<usize>,
}

/// A running scan: an iterator of batches in no particular order of rows.
pub struct Scan {
    view: View,
    spec: ScanSpec,
    schema: SchemaRef,
    /// The chunk and the row group that come next.
    chunk: usize,
    opened: Option<(Arc<Chunk>, Arc<Opened>, usize)>,
    delta: Option<Walk>,
    /// A batch that is handed out in slices.
    rest: Option<RecordBatch>,
    left: usize,
    revealed: Lsn,
    done: bool,
}

impl Scan {
    pub(crate) fn new(view: View, mut spec: ScanSpec) -> Scan {
        spec.batch_rows = spec.batch_rows.max(1);
        let chunks = view.base.chunks(spec.storage);
        let chunk = chunks.partition_point(|c| c.meta.max_key < spec.start);
        Scan {
            schema: schema(&spec.columns, spec.with_key),
            chunk,
            opened: None,
            delta: None,
            rest: None,
            left: spec.limit.unwrap_or(usize::MAX),
            revealed: Lsn::ZERO,
            done: spec.start >= spec.end,
            view,
            spec,
        }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The newest log position whose effect was shown so far: it must be durable before a client
    /// may see these batches.
    pub fn revealed_lsn(&self) -> Lsn {
        self.revealed
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        while self.left > 0 {
            if let Some(rest) = self.rest.take() {
                return Ok(Some(self.cut(rest)));
            }
            if let Some(delta) = &mut self.delta {
                let rows = self.left.min(self.spec.batch_rows);
                let found = from_delta(delta, &self.spec, rows, &mut self.revealed)?;
                return Ok(found.map(|b| self.cut(b)));
            }
            self.rest = self.next_group()?;
        }
        Ok(None)
    }

    /// The part of a batch that may go out now; the rest waits.
    fn cut(&mut self, batch: RecordBatch) -> RecordBatch {
        let rows = batch.num_rows().min(self.spec.batch_rows).min(self.left);
        if rows < batch.num_rows() {
            self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        self.left -= rows;
        batch.slice(0, rows)
    }

    /// The rows of the next row group; begins the delta after the last one.
    fn next_group(&mut self) -> Result<Option<RecordBatch>> {
        let (chunk, opened, group) = match self.opened.take() {
            Some(at) => at,
            None => {
                let chunks = self.view.base.chunks(self.spec.storage);
                let next = chunks.get(self.chunk).filter(|c| c.meta.min_key < self.spec.end);
                let Some(chunk) = next.cloned() else {
                    let (start, end) = (self.spec.start.clone(), self.spec.end.clone());
                    self.delta = Some(self.view.walk(start, end, self.spec.ts));
                    return Ok(None);
                };
                self.chunk += 1;
                let opened = chunk.open()?;
                let group = opened.first_group(&self.spec.start);
                (chunk, opened, group)
            }
        };
        if opened.groups.get(group).is_none_or(|g| g.first >= self.spec.end) {
            return Ok(None);
        }
        let found = self.group(&chunk, &opened, group)?;
        self.opened = Some((chunk, opened, group + 1));
        Ok(found)
    }

    fn group(
        &mut self,
        chunk: &Chunk,
        opened: &Opened,
        group: usize,
    ) -> Result<Option<RecordBatch>> {
        let g = &opened.groups[group];
        let (start, end) = (&self.spec.start, &self.spec.end);
        let whole = *start <= g.first && g.last < *end;
        // A range within a row group is a point read of several rows.
        let fill = if whole { Fill::IfRoom } else { Fill::Evict };
        let from = start.max(&g.first).clone();
        let to = if g.last < *end { key::after(&g.last) } else { end.clone() };
        let mixed = self.view.generations().any(|d| d.touches(&from, &to));
        let mut keep = None;
        let (mut low, mut high) = (0, g.rows);
        if !whole || mixed {
            let keys = chunk.keys(opened, group, fill)?;
            low = lower_bound(&keys, &from);
            high = lower_bound(&keys, &to);
            if mixed {
                let delta = self.view.walk(from, to, self.spec.ts);
                keep = mask(&keys, low, high, delta, &mut self.revealed);
            }
        }
        let (columns, with_key) = (&self.spec.columns, self.spec.with_key);
        let mut arrays = project(chunk, opened, group, columns, with_key, fill)?;
        for array in &mut arrays {
            *array = array.slice(low, high - low);
            if let Some(keep) = &keep {
                *array = filter(array, keep)
                    .map_err(|e| Error::internal(format!("masking a row group: {e}")))?;
            }
        }
        let rows = keep.map_or(high - low, |k| k.true_count());
        if rows == 0 {
            return Ok(None);
        }
        batch(&self.schema, arrays, rows).map(Some)
    }
}

impl Iterator for Scan {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        if self.done {
            return None;
        }
        let next = self.advance().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Which rows of `low..high` the delta says nothing about; `None` if that is all of them.
fn mask(
    keys: &BinaryArray,
    low: usize,
    high: usize,
    delta: Walk,
    revealed: &mut Lsn,
) -> Option<BooleanArray> {
    let mut keep = BooleanBufferBuilder::new(high - low);
    let mut at = low;
    let mut masked = false;
    for (key, version) in delta {
        *revealed = version.lsn.max(*revealed);
        let from = at;
        while at < high && keys.value(at) < &*key {
            at += 1;
        }
        keep.append_n(at - from, true);
        if at < high && keys.value(at) == &*key {
            keep.append(false);
            masked = true;
            at += 1;
        }
    }
    keep.append_n(high - at, true);
    masked.then(|| BooleanArray::new(keep.finish(), None))
}

fn from_delta(
    delta: &mut Walk,
    spec: &ScanSpec,
    rows: usize,
    revealed: &mut Lsn,
) -> Result<Option<RecordBatch>> {
    let mut builder = RowsBuilder::new(&spec.columns, spec.with_key, rows.min(1024));
    for (key, version) in delta {
        *revealed = version.lsn.max(*revealed);
        if let Some(row) = &version.row {
            builder.push(&key, version.ts, row)?;
            if builder.rows() == rows || builder.bytes() >= BATCH_BYTES {
                break;
            }
        }
    }
    if builder.rows() == 0 { Ok(None) } else { builder.finish().map(Some) }
}
