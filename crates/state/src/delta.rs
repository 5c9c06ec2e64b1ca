//! The delta: row versions newer than the chunks, in memory.
//!
//! A partition has one *active* generation that takes all new versions. A spill freezes it and
//! begins a new one; the frozen one never changes again and lives until the last scan that began
//! with it ends. Readers look at both.

use base::{Lsn, StorageId, Timestamp};
use bytes::Bytes;
use format::key;
use parking_lot::RwLock;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::ops::{Bound, ControlFlow};
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

/// The versions of one key. Nearly always there is one; a hot row may have very many.
#[derive(Debug)]
struct Versions {
    newest: Version,
    /// Ascending, so that a new version costs the same however many there are.
    older: Vec<Version>,
}

impl Versions {
    fn at(&self, ts: Timestamp) -> Option<&Version> {
        if self.newest.ts <= ts {
            return Some(&self.newest);
        }
        self.older[..self.older.partition_point(|v| v.ts <= ts)].last()
    }

    /// Adds a version in its place; one of the same timestamp is replaced and given back.
    fn add(&mut self, version: Version) -> Option<Version> {
        if version.ts > self.newest.ts {
            self.older.push(std::mem::replace(&mut self.newest, version));
            return None;
        }
        if version.ts == self.newest.ts {
            return Some(std::mem::replace(&mut self.newest, version));
        }
        let i = self.older.partition_point(|v| v.ts < version.ts);
        match self.older.get_mut(i) {
            Some(v) if v.ts == version.ts => Some(std::mem::replace(v, version)),
            _ => {
                self.older.insert(i, version);
                None
            }
        }
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = &Version> {
        self.older.iter().chain(std::iter::once(&self.newest))
    }

    /// Takes out what is above `cut`; true if something is left.
    fn drop_above(&mut self, cut: Timestamp, gone: &mut Vec<Version>) -> bool {
        gone.extend(self.older.drain(self.older.partition_point(|v| v.ts <= cut)..));
        if self.newest.ts <= cut {
            return true;
        }
        match self.older.pop() {
            Some(kept) => {
                gone.push(std::mem::replace(&mut self.newest, kept));
                true
            }
            None => {
                gone.push(self.newest.clone());
                false
            }
        }
    }
}

/// One generation.
#[derive(Debug, Default)]
pub(crate) struct Generation {
    map: RwLock<BTreeMap<Bytes, Versions>>,
    bytes: AtomicUsize,
    /// No version is newer.
    newest: AtomicU64,
}

impl Generation {
    /// Adds versions; one of the same key and timestamp replaces the earlier one.
    pub(crate) fn add(&self, versions: impl Iterator<Item = (Bytes, Version)>) {
        let mut map = self.map.write();
        let (mut more, mut less, mut newest) = (0, 0, 0);
        for (key, version) in versions {
            more += size(&key, &version);
            newest = newest.max(version.ts.0);
            match map.entry(key) {
                Entry::Vacant(e) => {
                    e.insert(Versions { newest: version, older: Vec::new() });
                }
                Entry::Occupied(mut e) => {
                    if let Some(replaced) = e.get_mut().add(version) {
                        less += size(e.key(), &replaced);
                    }
                }
            }
        }
        self.newest.fetch_max(newest, Ordering::Relaxed);
        self.bytes.fetch_add(more, Ordering::Relaxed);
        self.bytes.fetch_sub(less, Ordering::Relaxed);
    }

    pub(crate) fn get(&self, key: &[u8], ts: Timestamp) -> Option<Version> {
        self.map.read().get(key)?.at(ts).cloned()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn keys(&self) -> usize {
        self.map.read().len()
    }

    /// True if a key in this half-open range has any version.
    pub(crate) fn touches(&self, start: &[u8], end: &[u8]) -> bool {
        start < end && self.map.read().range::<[u8], _>(range(start, end)).next().is_some()
    }

    /// Looks at the next keys of a half-open range for a version above `since`: whether there is one,
    /// or where to go on.
    pub(crate) fn newer(
        &self,
        since: Timestamp,
        start: &[u8],
        end: &[u8],
    ) -> ControlFlow<bool, Bytes> {
        let map = self.map.read();
        // Under the lock: whoever adds notes the newest one before it lets go.
        if start >= end || self.newest.load(Ordering::Relaxed) <= since.0 {
            return ControlFlow::Break(false);
        }
        for (seen, (key, versions)) in map.range::<[u8], _>(range(start, end)).enumerate() {
            if versions.newest.ts > since {
                return ControlFlow::Break(true);
            }
            if seen == SLICE {
                return ControlFlow::Continue(key.clone());
            }
        }
        ControlFlow::Break(false)
    }

    /// The key spaces that have versions.
    pub(crate) fn storages(&self) -> Vec<StorageId> {
        let map = self.map.read();
        let mut found = Vec::new();
        let mut from = Bytes::new();
        while let Some((first, _)) = map.range(from..).next() {
            let storage = key::storage_of(first);
            found.push(storage);
            from = key::range(storage).1;
        }
        found
    }

    /// Takes out all versions above `cut`.
    pub(crate) fn drop_above(&self, cut: Timestamp) {
        let mut less = 0;
        let mut gone = Vec::new();
        self.map.write().retain(|key, versions| {
            let kept = versions.drop_above(cut, &mut gone);
            less += gone.drain(..).map(|v| size(key, &v)).sum::<usize>();
            kept
        });
        self.bytes.fetch_sub(less, Ordering::Relaxed);
    }

    /// Adds all versions of `from` with a timestamp above `above`, a slice at a time.
    pub(crate) fn add_newer_of(&self, from: &Generation, above: Timestamp) {
        let map = from.map.read();
        let mut slice = Vec::with_capacity(SLICE);
        for (key, versions) in map.iter() {
            let newer = versions.iter().filter(|v| v.ts > above);
            slice.extend(newer.map(|v| (key.clone(), v.clone())));
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
        let map = self.map.read();
        for (seen, (key, versions)) in map.range::<[u8], _>(range(start, end)).enumerate() {
            if seen == SLICE || out.len() >= 2 * SLICE {
                return Some(key.clone());
            }
            let wanted = versions.iter().rev().filter(|v| v.ts > above && v.ts <= upto);
            out.extend(wanted.map(|v| (key.clone(), v.clone())));
        }
        None
    }

    /// True if a key in this half-open range was deleted at any time.
    pub(crate) fn deletes(&self, start: &[u8], end: &[u8]) -> bool {
        let map = self.map.read();
        map.range::<[u8], _>(range(start, end)).any(|(_, v)| v.iter().any(|v| v.row.is_none()))
    }

    /// Copies what is visible at `ts` of the next keys in a half-open range; the second result says
    /// where to go on.
    pub(crate) fn slice(
        &self,
        start: &[u8],
        end: &[u8],
        ts: Timestamp,
        out: &mut VecDeque<(Bytes, Version)>,
    ) -> Option<Bytes> {
        if start >= end {
            return None;
        }
        let map = self.map.read();
        for (seen, (key, versions)) in map.range::<[u8], _>(range(start, end)).enumerate() {
            if seen == SLICE {
                return Some(key.clone());
            }
            if let Some(version) = versions.at(ts) {
                out.push_back((key.clone(), version.clone()));
            }
        }
        None
    }
}

fn size(key: &[u8], version: &Version) -> usize {
    VERSION_BYTES + key.len() + version.row.as_ref().map_or(0, Bytes::len)
}

fn range<'a>(start: &'a [u8], end: &'a [u8]) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
    (Bound::Included(start), Bound::Excluded(end))
}
