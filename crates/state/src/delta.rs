//! The delta: row versions newer than the chunks, in memory.
//!
//! A partition has one *active* generation that takes all new versions. A spill freezes it and
//! begins a new one; the frozen one never changes again and lives until the last scan that began
//! with it ends. Readers look at both.
//!
//! Versions stand in a map by key. The new rows of a bulk load stay in the blocks they came in, if
//! these do not overlap: see `rows`.

mod rows;

use base::{Lsn, StorageId, Timestamp};
use bytes::Bytes;
use format::{Block, key};
use parking_lot::RwLock;
use rows::{Rows, Step};
use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// About what a version costs beside its bytes: its share of a tree node that is not full, two
/// allocations with their counters.
const VERSION_BYTES: usize = 224;
/// Keys handled per short lock.
pub(crate) const SLICE: usize = 1024;

/// One version of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// When it was committed.
    pub ts: Timestamp,
    /// The log record that wrote it; [`Lsn::ZERO`] if it comes from a chunk.
    pub lsn: Lsn,
    /// The stored row; `None` if the row was deleted.
    pub row: Option<Bytes>,
}

/// One generation.
#[derive(Debug, Default)]
pub(crate) struct Generation {
    rows: RwLock<Rows>,
    bytes: AtomicUsize,
    /// No version is newer.
    newest: AtomicU64,
}

impl Generation {
    /// Adds versions; one of the same key and timestamp replaces the earlier one.
    pub(crate) fn add(&self, versions: impl Iterator<Item = (Bytes, Version)>) {
        let mut rows = self.rows.write();
        let (mut more, mut less, mut newest) = (0, 0, 0);
        for (key, version) in versions {
            more += size(&key, &version);
            newest = newest.max(version.ts.0);
            less += rows.add(key, version);
        }
        self.newest.fetch_max(newest, Ordering::Relaxed);
        self.bytes.fetch_add(more, Ordering::Relaxed);
        self.bytes.fetch_sub(less, Ordering::Relaxed);
    }

    /// Adds new rows, all committed at one time.
    pub(crate) fn add_block(&self, ts: Timestamp, lsn: Lsn, block: Block) {
        let mut rows = self.rows.write();
        self.newest.fetch_max(ts.0, Ordering::Relaxed);
        let bytes = block.bytes();
        let Err(block) = rows.add_block(ts, lsn, block) else {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            return;
        };
        drop(rows);
        let mut versions =
            block.to_ops().map(|op| (op.key, Version { ts, lsn, row: op.row })).peekable();
        while versions.peek().is_some() {
            self.add(versions.by_ref().take(SLICE));
        }
    }

    pub(crate) fn get(&self, key: &[u8], ts: Timestamp) -> Option<Version> {
        self.rows.read().get(key, ts)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// About how many keys.
    pub(crate) fn keys(&self) -> usize {
        self.rows.read().len()
    }

    /// About how many keys of a key space.
    pub(crate) fn keys_of(&self, storage: StorageId) -> usize {
        self.rows.read().len_of(storage)
    }

    /// True if a key in this half-open range has any version.
    pub(crate) fn touches(&self, start: &[u8], end: &[u8]) -> bool {
        start < end && self.rows.read().walk(start, end).next().is_some()
    }

    /// Looks at the next keys of a half-open range for a version above `since`: whether there is one,
    /// or where to go on.
    pub(crate) fn newer(
        &self,
        since: Timestamp,
        start: &[u8],
        end: &[u8],
    ) -> ControlFlow<bool, Bytes> {
        let rows = self.rows.read();
        // Under the lock: whoever adds notes the newest one before it lets go.
        if start >= end || self.newest.load(Ordering::Relaxed) <= since.0 {
            return ControlFlow::Break(false);
        }
        for (seen, slot) in rows.walk(start, end).enumerate() {
            if slot.newest() > since {
                return ControlFlow::Break(true);
            }
            if seen == SLICE {
                return ControlFlow::Continue(slot.key());
            }
        }
        ControlFlow::Break(false)
    }

    /// The key spaces that have versions.
    pub(crate) fn storages(&self) -> Vec<StorageId> {
        let rows = self.rows.read();
        let mut found = Vec::new();
        let mut from = Bytes::new();
        while let Some(first) = rows.first_from(&from) {
            let storage = key::storage_of(first);
            found.push(storage);
            from = key::range(storage).1;
        }
        found
    }

    /// Takes out all versions above `cut`.
    pub(crate) fn drop_above(&self, cut: Timestamp) {
        let mut less = 0;
        let mut rows = self.rows.write();
        rows.drop_above(cut, |key, gone| less += size(key, &gone));
        less += rows.drop_blocks_above(cut);
        self.bytes.fetch_sub(less, Ordering::Relaxed);
    }

    /// Adds all versions of `from` with a timestamp above `above`, a slice at a time.
    pub(crate) fn add_newer_of(&self, from: &Generation, above: Timestamp) {
        let rows = from.rows.read();
        for (ts, lsn, block) in rows.blocks().filter(|(ts, ..)| *ts > above) {
            self.add_block(ts, lsn, block.clone());
        }
        let mut slice = Vec::with_capacity(SLICE);
        for (key, version) in rows.versions_above(above) {
            slice.push((key.clone(), version.clone()));
            if slice.len() >= SLICE {
                self.add(slice.drain(..));
            }
        }
        self.add(slice.drain(..));
    }

    /// Copies all versions in `(above, upto]` of the next keys in a half-open range, newest first;
    /// the result says where to go on.
    pub(crate) fn versions(
        &self,
        start: &[u8],
        end: &[u8],
        (above, upto): (Timestamp, Timestamp),
        out: &mut Vec<(Bytes, Version)>,
    ) -> Option<Bytes> {
        if start >= end {
            return None;
        }
        let rows = self.rows.read();
        for (seen, slot) in rows.walk(start, end).enumerate() {
            if seen == SLICE || out.len() >= 2 * SLICE {
                return Some(slot.key());
            }
            slot.versions(|version| {
                if version.ts > above && version.ts <= upto {
                    out.push((slot.key(), version));
                }
            });
        }
        None
    }

    /// True if a key in this half-open range was deleted at any time.
    pub(crate) fn deletes(&self, start: &[u8], end: &[u8]) -> bool {
        start < end && self.rows.read().deletes(start, end)
    }

    /// Copies what is visible at `ts` of the next keys in a half-open range; the second result says
    /// where to go on.
    pub(crate) fn slice(
        &self,
        start: &[u8],
        end: &[u8],
        ts: Timestamp,
        out: &mut VecDeque<Piece>,
    ) -> Option<Bytes> {
        if start >= end {
            return None;
        }
        let rows = self.rows.read();
        let mut walk = rows.walk(start, end);
        let mut seen = 0;
        while let Some(step) = walk.step() {
            match step {
                Step::Key(slot) if seen == SLICE => return Some(slot.key()),
                Step::Key(slot) => {
                    if let Some(version) = slot.at(ts) {
                        out.push_back(Piece::Row(slot.key(), version));
                    }
                }
                Step::Rows(placed, places) if seen == SLICE => {
                    return Some(placed.block.shared_key(places.start));
                }
                Step::Rows(placed, places) if placed.ts <= ts => {
                    let (ts, lsn, block) = (placed.ts, placed.lsn, placed.block.clone());
                    out.push_back(Piece::Rows(Stretch { ts, lsn, block, places }));
                }
                Step::Rows(..) => {}
            }
            seen += 1;
        }
        None
    }
}

/// What a reader gets of the delta at one timestamp.
#[derive(Debug)]
pub(crate) enum Piece {
    /// One key and its version.
    Row(Bytes, Version),
    /// Many new rows.
    Rows(Stretch),
}

/// Rows that came in a block, in one commit. There is at least one.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    pub(crate) ts: Timestamp,
    pub(crate) lsn: Lsn,
    pub(crate) block: Block,
    pub(crate) places: Range<usize>,
}

impl Piece {
    /// Its first key.
    pub(crate) fn key(&self) -> &[u8] {
        match self {
            Piece::Row(key, _) => key,
            Piece::Rows(rows) => rows.block.key(rows.places.start),
        }
    }
}

impl Stretch {
    /// Takes the first rows away; `None` for the rest if that was all.
    pub(crate) fn split(mut self, upto: usize) -> (Stretch, Option<Stretch>) {
        let upto = upto.clamp(self.places.start + 1, self.places.end);
        let rest = (upto < self.places.end)
            .then(|| Stretch { places: upto..self.places.end, ..self.clone() });
        self.places.end = upto;
        (self, rest)
    }

    /// Its first row.
    pub(crate) fn first(&self) -> (Bytes, Version) {
        let at = self.places.start;
        let version = Version { ts: self.ts, lsn: self.lsn, row: Some(self.block.shared_row(at)) };
        (self.block.shared_key(at), version)
    }
}

fn size(key: &[u8], version: &Version) -> usize {
    VERSION_BYTES + key.len() + version.row.as_ref().map_or(0, Bytes::len)
}
