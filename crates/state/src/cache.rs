//! Decoded columns of row groups and of single pages, shared by all partitions of the node and bounded in bytes.
//!
//! Point reads make room for what they bring in (second chance: what was used since the hand last
//! passed stays once more). Scans only fill what is free, so that one pass over a large table does
//! not push out what point reads live on.

use arrow::array::{Array, ArrayRef};
use parking_lot::RwLock;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Which column of which page of which row group of which chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PageKey {
    pub(crate) chunk: u64,
    pub(crate) group: u32,
    /// [`PageKey::WHOLE`] for all pages of the row group as one.
    pub(crate) page: u32,
    pub(crate) column: u32,
}

impl PageKey {
    pub(crate) const WHOLE: u32 = u32::MAX;
}

/// What a reader may do to the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Bring in what was read, pushing out other things.
    Evict,
    /// Bring it in if there is room.
    IfRoom,
    /// Leave the cache as it is.
    Never,
}

/// The cache.
#[derive(Debug)]
pub struct PageCache {
    limit: usize,
    next_chunk: AtomicU64,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    pages: BTreeMap<PageKey, Page>,
    /// Every page once, in the order the hand visits them; may name pages that are gone.
    hand: VecDeque<PageKey>,
    bytes: usize,
}

#[derive(Debug)]
struct Page {
    array: ArrayRef,
    bytes: usize,
    used: AtomicBool,
}

impl PageCache {
    /// A cache that holds at most so many bytes.
    pub fn new(bytes: usize) -> Arc<PageCache> {
        Arc::new(PageCache {
            limit: bytes,
            next_chunk: AtomicU64::new(1),
            inner: RwLock::default(),
        })
    }

    /// Bytes held now.
    pub fn bytes(&self) -> usize {
        self.inner.read().bytes
    }

    /// A number for a newly opened chunk, never given twice.
    pub(crate) fn new_chunk(&self) -> u64 {
        self.next_chunk.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn get(&self, key: PageKey) -> Option<ArrayRef> {
        let inner = self.inner.read();
        let page = inner.pages.get(&key)?;
        page.used.store(true, Ordering::Relaxed);
        Some(page.array.clone())
    }

    pub(crate) fn put(&self, key: PageKey, array: &ArrayRef, fill: Fill) {
        let bytes = array.get_array_memory_size() + 64;
        if fill == Fill::Never || bytes > self.limit {
            return;
        }
        let mut inner = self.inner.write();
        if inner.pages.contains_key(&key) {
            return;
        }
        if fill == Fill::IfRoom && inner.bytes + bytes > self.limit {
            return;
        }
        inner.make_room(self.limit - bytes);
        inner.bytes += bytes;
        inner.pages.insert(key, Page { array: array.clone(), bytes, used: false.into() });
        inner.hand.push_back(key);
    }

    /// Drops all pages of a chunk that nobody can read any more.
    pub(crate) fn forget(&self, chunk: u64) {
        let mut inner = self.inner.write();
        let first = PageKey { chunk, group: 0, page: 0, column: 0 };
        let last = PageKey { chunk, group: u32::MAX, page: u32::MAX, column: u32::MAX };
        let keys: Vec<PageKey> = inner.pages.range(first..=last).map(|(k, _)| *k).collect();
        if keys.is_empty() {
            return;
        }
        for key in keys {
            inner.remove(key);
        }
        inner.hand.retain(|k| k.chunk != chunk);
    }
}

impl Inner {
    fn make_room(&mut self, limit: usize) {
        while self.bytes > limit {
            let Some(key) = self.hand.pop_front() else { return };
            let used = self.pages.get(&key).map(|p| p.used.swap(false, Ordering::Relaxed));
            match used {
                Some(true) => self.hand.push_back(key),
                Some(false) => self.remove(key),
                None => {}
            }
        }
    }

    fn remove(&mut self, key: PageKey) {
        if let Some(page) = self.pages.remove(&key) {
            self.bytes -= page.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;

    fn key(chunk: u64, group: u32) -> PageKey {
        PageKey { chunk, group, page: PageKey::WHOLE, column: 0 }
    }

    fn page() -> ArrayRef {
        Arc::new(Int64Array::from(vec![7; 1000]))
    }

    #[test]
    fn it_stays_within_its_bytes_and_keeps_what_is_used() {
        let cache = PageCache::new(100_000);
        for group in 0..100 {
            cache.put(key(1, group), &page(), Fill::Evict);
            assert!(cache.bytes() <= 100_000);
            assert!(cache.get(key(1, 0)).is_some(), "page 0 is used all the time");
        }
        assert!(cache.get(key(1, 50)).is_none());
    }

    #[test]
    fn scans_fill_only_free_room() {
        let cache = PageCache::new(20_000);
        for group in 0..10 {
            cache.put(key(1, group), &page(), Fill::IfRoom);
        }
        assert!(cache.get(key(1, 0)).is_some());
        assert!(cache.get(key(1, 9)).is_none());
    }

    #[test]
    fn a_forgotten_chunk_gives_its_bytes_back() {
        let cache = PageCache::new(100_000);
        cache.put(key(1, 0), &page(), Fill::Evict);
        cache.put(key(2, 0), &page(), Fill::Evict);
        cache.forget(1);
        assert!(cache.get(key(1, 0)).is_none());
        cache.forget(2);
        assert_eq!(cache.bytes(), 0);
    }
}
