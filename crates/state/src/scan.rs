//! Scans: first the layers of chunks, the base and then run after run, without the rows that
//! something newer knows better; then the delta's own rows.

use crate::columns::schema;
use crate::delta::{Piece, Stretch};
use crate::rows::RowsBuilder;
use crate::sweep::Sweep;
use crate::view::View;
use crate::walk::Walk;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use base::{Lsn, Result, StorageId, Timestamp};
use bytes::Bytes;
use format::ColumnLayout;

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
    /// Which layer comes next, and the one being read.
    layer: usize,
    sweep: Option<Sweep>,
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
        Scan {
            schema: schema(&spec.columns, spec.with_key),
            layer: 0,
            sweep: None,
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
            self.rest = self.next_rows()?;
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

    /// The next rows of the layers; begins the delta after the last one.
    fn next_rows(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(sweep) = &mut self.sweep {
            let rows = sweep.next(&self.view, &self.spec, &self.schema, &mut self.revealed)?;
            if rows.is_none() {
                self.sweep = None;
            }
            return Ok(rows);
        }
        let layers = self.view.base.layers(self.spec.storage);
        self.sweep = Sweep::new(layers, self.layer, &self.spec);
        self.layer += 1;
        if self.layer > layers.len() {
            let (start, end) = (self.spec.start.clone(), self.spec.end.clone());
            self.delta = Some(self.view.walk(start, end, self.spec.ts));
        }
        Ok(None)
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

fn from_delta(
    delta: &mut Walk,
    spec: &ScanSpec,
    rows: usize,
    revealed: &mut Lsn,
) -> Result<Option<RecordBatch>> {
    let mut builder = RowsBuilder::new(&spec.columns, spec.with_key, rows.min(1024));
    while builder.rows() < rows && builder.bytes() < BATCH_BYTES {
        match delta.next_piece(rows - builder.rows(), BATCH_BYTES - builder.bytes()) {
            Some(Piece::Row(key, version)) => {
                *revealed = version.lsn.max(*revealed);
                if let Some(row) = &version.row {
                    builder.push(&key, version.ts, row)?;
                }
            }
            Some(Piece::Rows(Stretch { ts, lsn, block, places })) => {
                *revealed = lsn.max(*revealed);
                for (key, row) in places.map(|at| block.get(at)) {
                    builder.push(key, ts, row)?;
                }
            }
            None => break,
        }
    }
    if builder.rows() == 0 { Ok(None) } else { builder.finish().map(Some) }
}
