//! Merging layers: sorted rows of several in, sorted rows of one out. None is ever held whole.

use crate::cache::Fill;
use crate::chunk::{Chunk, lower_bound};
use crate::columns::file_schema;
use crate::footer::{Opened, Part};
use crate::project::project;
use crate::rows::batch;
use crate::write::ChunkWriter;
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{SchemaRef, UInt64Type};
use base::{Error, Result, Timestamp};
use bytes::Bytes;
use format::ColumnLayout;
use std::collections::VecDeque;
use std::sync::Arc;

/// Which versions stay.
#[derive(Clone, Debug)]
pub(crate) struct Retain {
    /// Nobody reads below: of the versions at or below it the newest of each key is enough.
    horizon: Timestamp,
    /// Nothing above it stays.
    upto: Timestamp,
    /// Nothing older lies below, so that a deletion that everybody sees need not be told.
    bottom: bool,
    key: Vec<u8>,
    settled: bool,
}

impl Retain {
    pub(crate) fn new(horizon: Timestamp, bottom: bool) -> Retain {
        let upto = Timestamp::MAX;
        Retain { horizon, upto, bottom, key: Vec::new(), settled: false }
    }

    /// All versions up to a time, and none after it.
    pub(crate) fn upto(upto: Timestamp) -> Retain {
        Retain { upto, ..Retain::new(Timestamp::ZERO, false) }
    }

    /// Asked for all versions, by key and then from the newest on.
    pub(crate) fn keeps(&mut self, key: &[u8], ts: Timestamp, deleted: bool) -> bool {
        if self.key != key {
            self.key.clear();
            self.key.extend_from_slice(key);
            self.settled = false;
        }
        if ts > self.upto {
            return false;
        }
        if self.settled || ts > self.horizon {
            return !self.settled;
        }
        self.settled = true;
        !(deleted && self.bottom)
    }
}

/// How the rows of a merge look.
#[derive(Clone, Debug)]
pub(crate) struct Shape<'a> {
    pub(crate) columns: &'a [ColumnLayout],
    pub(crate) with_deleted: bool,
}

impl Shape<'_> {
    pub(crate) fn schema(&self) -> SchemaRef {
        file_schema(self.columns, self.with_deleted)
    }
}

/// The rows of some chunks of one layer in a half-open range of keys.
pub(crate) struct Source<'a> {
    chunks: VecDeque<Arc<Chunk>>,
    range: (Bytes, Bytes),
    shape: &'a Shape<'a>,
    schema: SchemaRef,
    opened: Option<(Arc<Chunk>, Arc<Opened>, usize)>,
    rows: Option<Rows>,
    at: usize,
}

struct Rows {
    batch: RecordBatch,
    keys: BinaryArray,
    stamps: UInt64Array,
    deleted: Option<BooleanArray>,
    /// One version of each key, no deletions.
    plain: bool,
}

impl Rows {
    fn is_deleted(&self, i: usize) -> bool {
        self.deleted.as_ref().is_some_and(|d| d.value(i))
    }

    fn last(&self) -> &[u8] {
        self.keys.value(self.keys.len() - 1)
    }
}

impl<'a> Source<'a> {
    pub(crate) fn new(
        chunks: impl Iterator<Item = Arc<Chunk>>,
        range: (Bytes, Bytes),
        shape: &'a Shape<'a>,
    ) -> Source<'a> {
        let inside = |c: &Arc<Chunk>| c.meta.max_key >= range.0 && c.meta.min_key < range.1;
        let chunks = chunks.filter(inside).collect();
        let schema = shape.schema();
        Source { chunks, range, shape, schema, opened: None, rows: None, at: 0 }
    }

    /// Loads the next rows when the last ones are used up; false at the end.
    fn fill(&mut self) -> Result<bool> {
        while self.rows.as_ref().is_none_or(|r| self.at == r.keys.len()) {
            self.rows = None;
            self.at = 0;
            let Some((chunk, opened, group)) = self.opened.take() else {
                let Some(chunk) = self.chunks.pop_front() else { return Ok(false) };
                let opened = chunk.open()?;
                let group = opened.first_group(&self.range.0);
                self.opened = Some((chunk, opened, group));
                continue;
            };
            if opened.groups.get(group).is_some_and(|g| g.first < self.range.1) {
                self.rows = self.load(&chunk, &opened, group)?;
                self.opened = Some((chunk, opened, group + 1));
            }
        }
        Ok(true)
    }

    fn load(&self, chunk: &Chunk, opened: &Opened, group: usize) -> Result<Option<Rows>> {
        let g = &opened.groups[group];
        let part = Part::group(group);
        let deleted = chunk.deleted(opened, part, Fill::Never)?;
        let mut arrays = project(chunk, opened, part, self.shape.columns, true, Fill::Never)?;
        if self.shape.with_deleted {
            let none = || BooleanArray::from(vec![false; g.rows]);
            let deleted: ArrayRef = Arc::new(deleted.clone().unwrap_or_else(none));
            arrays.insert(2, deleted);
        }
        let batch = batch(&self.schema, arrays, g.rows)?;
        let keys = batch.column(0).as_binary::<i32>();
        let low = if g.first < self.range.0 { lower_bound(keys, &self.range.0) } else { 0 };
        let high = if g.last < self.range.1 { g.rows } else { lower_bound(keys, &self.range.1) };
        if low >= high {
            return Ok(None);
        }
        let batch = batch.slice(low, high - low);
        Ok(Some(Rows {
            keys: batch.column(0).as_binary::<i32>().clone(),
            stamps: batch.column(1).as_primitive::<UInt64Type>().clone(),
            deleted: deleted.map(|d| d.slice(low, high - low)),
            plain: !chunk.meta.mixed,
            batch,
        }))
    }

    fn key(&self) -> Option<&[u8]> {
        self.rows.as_ref().map(|r| r.keys.value(self.at))
    }
}

/// Writes what stays of the rows of all sources, the newest source first. `go_on` is asked now and
/// then; an error from it ends the merge.
pub(crate) fn merge(
    mut sources: Vec<Source<'_>>,
    mut retain: Retain,
    out: &mut ChunkWriter,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let mut picks: Vec<(usize, usize)> = Vec::new();
    for source in &mut sources {
        source.fill()?;
    }
    loop {
        let mut first: Option<(usize, &[u8])> = None;
        let mut second: Option<&[u8]> = None;
        for (i, source) in sources.iter().enumerate() {
            let Some(key) = source.key() else { continue };
            match first {
                Some((_, least)) if key >= least => {
                    second = Some(second.map_or(key, |s| s.min(key)));
                }
                _ => {
                    second = first.map(|f| f.1).or(second);
                    first = Some((i, key));
                }
            }
        }
        let Some((i, _)) = first else { break };
        let Some(rows) = &sources[i].rows else { break };
        // From here on nothing else has a key of these rows: they go as they are.
        let alone =
            rows.plain && retain.upto == Timestamp::MAX && second.is_none_or(|s| rows.last() < s);
        let (from, n) = (sources[i].at, rows.keys.len());
        let end = if second.is_none() || alone { n } else { (from + 1).min(n) };
        let mut at = from;
        while at < end {
            let (key, ts) = (rows.keys.value(at), Timestamp(rows.stamps.value(at)));
            if retain.keeps(key, ts, rows.is_deleted(at)) {
                picks.push((i, at));
            }
            at += 1;
            if alone && at == from + 1 && end - at > 0 {
                flush(&sources, &mut picks, out)?;
                out.write(&rows.batch.slice(at, end - at))?;
                at = end;
            }
        }
        sources[i].at = at;
        if at == n {
            flush(&sources, &mut picks, out)?;
            go_on()?;
            sources[i].fill()?;
        }
    }
    Ok(())
}

fn flush(
    sources: &[Source<'_>],
    picks: &mut Vec<(usize, usize)>,
    out: &mut ChunkWriter,
) -> Result<()> {
    if picks.is_empty() {
        return Ok(());
    }
    let mut places = vec![0; sources.len()];
    let mut batches = Vec::with_capacity(sources.len());
    for (i, source) in sources.iter().enumerate() {
        if let Some(rows) = &source.rows {
            places[i] = batches.len();
            batches.push(&rows.batch);
        }
    }
    for pick in picks.iter_mut() {
        pick.0 = places[pick.0];
    }
    let merged = interleave_record_batch(&batches, picks)
        .map_err(|e| Error::internal(format!("merging rows: {e}")))?;
    picks.clear();
    out.write(&merged)
}

/// True if a file of these rows needs the column that tells deletions apart.
pub(crate) fn any_deleted(chunks: &[Arc<Chunk>]) -> Result<bool> {
    for chunk in chunks.iter().filter(|c| c.meta.mixed) {
        if chunk.open()?.deleted.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
