//! What is kept in memory of chunks, shared by all partitions of the node and bounded in bytes:
//! decoded columns of row groups and of single pages, and the indexes by which these are found.
//!
//! Point reads make room for what they bring in (second chance: what was used since the hand last
//! passed stays once more). Scans only fill what is free, so that one pass over a large table does
//! not push out what point reads live on.

use crate::footer::Opened;
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

    /// Not of a page, but of what [`Opened`] knows of the chunk.
    fn index(chunk: u64) -> PageKey {
        PageKey { chunk, group: u32::MAX, page: PageKey::WHOLE, column: u32::MAX }
    }
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
    hits: AtomicU64,
    misses: AtomicU64,
    inner: RwLock<Inner>,
}

/// Figures of a [`PageCache`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// The most bytes it holds.
    pub limit: usize,
    /// Bytes held now.
    pub bytes: usize,
    /// Those of them that are indexes of chunks.
    pub index_bytes: usize,
    /// Columns of pages or row groups that were found since it was made.
    pub hits: u64,
    /// Those that had to be read and decoded.
    pub misses: u64,
}

#[derive(Debug, Default)]
struct Inner {
    pages: BTreeMap<PageKey, Page>,
    /// Every page once, in the order the hand visits them; may name pages that are gone.
    hand: VecDeque<PageKey>,
    bytes: usize,
    index_bytes: usize,
}

#[derive(Debug)]
struct Page {
    held: Held,
    bytes: usize,
    used: AtomicBool,
}

#[derive(Debug)]
enum Held {
    Column(ArrayRef),
    Index(Arc<Opened>),
}

impl Page {
    /// True if it was used since the last time it was asked.
    fn take_used(&self) -> bool {
        let used = match &self.held {
            Held::Column(_) => &self.used,
            // Those who use it need not come by here.
            Held::Index(opened) => &opened.used,
        };
        used.swap(false, Ordering::Relaxed)
    }
}

impl PageCache {
    /// A cache that holds at most so many bytes.
    pub fn new(bytes: usize) -> Arc<PageCache> {
        Arc::new(PageCache {
            limit: bytes,
            next_chunk: AtomicU64::new(1),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            inner: RwLock::default(),
        })
    }

    /// Bytes held now.
    pub fn bytes(&self) -> usize {
        self.inner.read().bytes
    }

    /// Its figures.
    pub fn stats(&self) -> CacheStats {
        let inner = self.inner.read();
        CacheStats {
            limit: self.limit,
            bytes: inner.bytes,
            index_bytes: inner.index_bytes,
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }

    /// Notes how many of the columns that somebody wanted were there.
    pub(crate) fn note(&self, found: usize, absent: usize) {
        self.hits.fetch_add(found as u64, Ordering::Relaxed);
        self.misses.fetch_add(absent as u64, Ordering::Relaxed);
    }

    /// A number for a newly opened chunk, never given twice.
    pub(crate) fn new_chunk(&self) -> u64 {
        self.next_chunk.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn get(&self, key: PageKey) -> Option<ArrayRef> {
        let inner = self.inner.read();
        let page = inner.pages.get(&key)?;
        page.used.store(true, Ordering::Relaxed);
        match &page.held {
            Held::Column(array) => Some(array.clone()),
            Held::Index(_) => None,
        }
    }

    /// Keeps what is known of a chunk, as long as it is used now and then. Without it no page is
    /// found, so it pushes out others.
    pub(crate) fn put_index(&self, chunk: u64, opened: &Arc<Opened>) {
        let bytes = opened.memory_size() + 64;
        self.insert(PageKey::index(chunk), Held::Index(opened.clone()), bytes, Fill::Evict);
    }

    pub(crate) fn put(&self, key: PageKey, array: &ArrayRef, fill: Fill) {
        let bytes = array.get_array_memory_size() + 64;
        self.insert(key, Held::Column(array.clone()), bytes, fill);
    }

    fn insert(&self, key: PageKey, held: Held, bytes: usize, fill: Fill) {
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
        if let Held::Index(_) = held {
            inner.index_bytes += bytes;
        }
        inner.pages.insert(key, Page { held, bytes, used: false.into() });
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
            match self.pages.get(&key).map(Page::take_used) {
                Some(true) => self.hand.push_back(key),
                Some(false) => self.remove(key),
                None => {}
            }
        }
    }

    fn remove(&mut self, key: PageKey) {
        if let Some(page) = self.pages.remove(&key) {
            self.bytes -= page.bytes;
            if let Held::Index(_) = page.held {
                self.index_bytes -= page.bytes;
            }
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
