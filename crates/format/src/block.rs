//! Blocks: many new rows of one key space in one piece of memory, sorted by key, laid out as the
//! ops of a log record. What a bulk load writes goes from the statement to the log, to the delta and
//! back out of the log as blocks: a row costs its bytes and four more, and nothing is allocated,
//! copied or counted row by row.
//!
//! ```text
//!   ops      key │ 00 (nothing replaced) │ length + 1, row ┊ key │ 00 │ … ┊ …
//!   starts   ▲                                             ▲             ▲
//! ```
//!
//! A block has at least one row; deletions and rows that replace others are never in one. Cheap to
//! clone.

mod merge;

pub use merge::merged;

use crate::codec::{Reader, put_bytes, put_varint};
use crate::op::Op;
use base::{Result, Timestamp};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// What a block costs beside its ops and starts: its counters, its places in sets of blocks.
const BLOCK_BYTES: usize = 256;

/// See the module's head.
#[derive(Clone)]
pub struct Block {
    parts: Arc<Parts>,
}

struct Parts {
    ops: Bytes,
    /// Where each op begins.
    starts: Box<[u32]>,
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Block({} rows, {:02x?} to {:02x?})", self.rows(), self.first(), self.last())
    }
}

impl Block {
    /// How many rows; at least one.
    #[inline]
    pub fn rows(&self) -> usize {
        self.parts.starts.len()
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        self.parts.ops.len() + 4 * self.rows() + BLOCK_BYTES
    }

    /// Key and row in a place.
    ///
    /// # Panics
    /// If there is no such place.
    #[inline]
    pub fn get(&self, at: usize) -> (&[u8], &[u8]) {
        let op = &self.parts.ops[self.parts.starts[at] as usize..];
        // Whoever makes a block sees to it that its ops are whole.
        split(op).unwrap_or_default()
    }

    /// The key in a place, which must be one.
    #[inline]
    pub fn key(&self, at: usize) -> &[u8] {
        let op = &self.parts.ops[self.parts.starts[at] as usize..];
        Reader::new(op, "block").bytes().unwrap_or_default()
    }

    /// The key in a place, in the block's memory.
    pub fn shared_key(&self, at: usize) -> Bytes {
        self.parts.ops.slice_ref(self.key(at))
    }

    /// The row in a place, in the block's memory.
    pub fn shared_row(&self, at: usize) -> Bytes {
        self.parts.ops.slice_ref(self.get(at).1)
    }

    /// The smallest key.
    pub fn first(&self) -> &[u8] {
        self.key(0)
    }

    /// The greatest key.
    pub fn last(&self) -> &[u8] {
        self.key(self.rows() - 1)
    }

    /// The place of the first key at or after this one; [`Block::rows`] if there is none.
    #[inline]
    pub fn lower_bound(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.rows());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.key(middle) < key { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The places of the keys of a half-open range.
    pub fn places(&self, start: &[u8], end: &[u8]) -> Range<usize> {
        let from = self.lower_bound(start);
        from..self.lower_bound(end).max(from)
    }

    /// The place of a key.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        if key < self.first() || key > self.last() {
            return None;
        }
        let at = self.lower_bound(key);
        (self.key(at) == key).then_some(at)
    }

    /// True if its keys and those of a closed range overlap as ranges.
    pub fn overlaps(&self, first: &[u8], last: &[u8]) -> bool {
        self.first() <= last && first <= self.last()
    }

    /// Its rows as ops.
    pub fn to_ops(&self) -> impl Iterator<Item = Op> + '_ {
        (0..self.rows()).map(|at| Op {
            key: self.shared_key(at),
            prev: Timestamp::ZERO,
            row: Some(self.shared_row(at)),
        })
    }

    /// The rows whose keys are not left out; `None` if that are none.
    pub fn without(&self, left_out: impl Fn(&[u8]) -> bool) -> Option<Block> {
        let mut rest = BlockBuilder::with_capacity(self.rows(), self.parts.ops.len());
        for (key, row) in (0..self.rows()).map(|at| self.get(at)).filter(|(k, _)| !left_out(k)) {
            rest.push(key, row);
        }
        rest.finish()
    }

    /// The first of the places of a range, at least one, that together are of about so many bytes.
    pub fn first_places(&self, of: Range<usize>, bytes: usize) -> Range<usize> {
        let upto = if of.is_empty() { of.end } else { self.piece(of.start, bytes).0 };
        of.start..upto.min(of.end)
    }

    /// The places from one on that make about so many bytes of ops, and these.
    pub(crate) fn piece(&self, from: usize, bytes: usize) -> (usize, &[u8]) {
        let start = self.parts.starts.get(from).map_or(self.parts.ops.len(), |s| *s as usize);
        let until = self.parts.starts.partition_point(|s| (*s as usize) < start + bytes);
        let until = until.max(from + 1).min(self.rows());
        let end = self.parts.starts.get(until).map_or(self.parts.ops.len(), |s| *s as usize);
        (until, &self.parts.ops[start..end])
    }

    /// A block that shares the memory of ops in a record; `None` if they are no new rows, or not
    /// sorted.
    pub(crate) fn of_ops(r: &mut Reader<'_>, payload: &Bytes) -> Result<Option<Block>> {
        let count = r.count(3)?;
        let base = payload.len() - r.remaining();
        let mut starts = Vec::with_capacity(count);
        let mut last: Option<&[u8]> = None;
        for _ in 0..count {
            let Ok(start) = u32::try_from(payload.len() - r.remaining() - base) else {
                return Ok(None);
            };
            starts.push(start);
            let key = r.bytes()?;
            let prev = r.varint()?;
            let row = r.varint()?;
            if prev != 0 || row == 0 || last.is_some_and(|last| last >= key) {
                return Ok(None);
            }
            r.take(usize::try_from(row - 1).unwrap_or(usize::MAX))?;
            last = Some(key);
        }
        if starts.is_empty() {
            return Ok(None);
        }
        let ops = payload.slice(base..payload.len() - r.remaining());
        Ok(Some(Block { parts: Arc::new(Parts { ops, starts: starts.into() }) }))
    }
}

#[inline]
fn split(op: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut r = Reader::new(op, "block");
    let key = r.bytes().ok()?;
    r.varint().ok()?;
    let row = r.varint().ok()?.checked_sub(1)?;
    Some((key, r.take(usize::try_from(row).ok()?).ok()?))
}

/// Makes a block row by row.
#[derive(Debug, Default)]
pub struct BlockBuilder {
    ops: Vec<u8>,
    starts: Vec<u32>,
}

impl BlockBuilder {
    /// Room for so many rows, of so many bytes with their keys in all.
    pub fn with_capacity(rows: usize, bytes: usize) -> BlockBuilder {
        BlockBuilder { ops: Vec::with_capacity(bytes + 6 * rows), starts: Vec::with_capacity(rows) }
    }

    /// Adds a row; keys must ascend.
    pub fn push(&mut self, key: &[u8], row: &[u8]) {
        // Nobody makes blocks of gigabytes: callers end one long before.
        self.starts.push(self.ops.len() as u32);
        put_bytes(&mut self.ops, key);
        put_varint(&mut self.ops, Timestamp::ZERO.0);
        put_varint(&mut self.ops, row.len() as u64 + 1);
        self.ops.extend_from_slice(row);
    }

    /// How many bytes the rows take so far.
    pub fn bytes(&self) -> usize {
        self.ops.len()
    }

    /// The block; `None` if it has no rows.
    pub fn finish(self) -> Option<Block> {
        if self.starts.is_empty() {
            return None;
        }
        let parts = Parts { ops: self.ops.into(), starts: self.starts.into() };
        debug_assert!(self::ascends(&parts));
        Some(Block { parts: Arc::new(parts) })
    }
}

fn ascends(parts: &Parts) -> bool {
    let key = |start: &u32| split(&parts.ops[*start as usize..]).unwrap_or_default().0;
    parts.starts.windows(2).all(|w| key(&w[0]) < key(&w[1]))
}

#[cfg(test)]
mod tests;
