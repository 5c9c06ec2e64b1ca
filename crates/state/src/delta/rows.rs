//! The rows of one generation: versions by key in a map, and blocks of new rows beside it.
//!
//! Blocks neither overlap nor change. What else is known of one of their keys stands in the map:
//! one key may have versions in both.

use super::Version;
use base::{Lsn, StorageId, Timestamp};
use bytes::Bytes;
use format::{Block, key};
use std::collections::BTreeMap;
use std::collections::btree_map::{self, Entry};
use std::iter::Peekable;
use std::ops::{Bound, Range};

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Rows {
    map: BTreeMap<Bytes, Versions>,
    /// How many keys of each key space the map has.
    keys: BTreeMap<StorageId, usize>,
    /// By their first key.
    blocks: BTreeMap<Bytes, Placed>,
}

/// A block of rows that one transaction has committed.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) ts: Timestamp,
    pub(super) lsn: Lsn,
    pub(super) block: Block,
}

impl Placed {
    fn version(&self, at: usize) -> Version {
        Version { ts: self.ts, lsn: self.lsn, row: Some(self.block.shared_row(at)) }
    }
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
    fn drop_above(&mut self, cut: Timestamp, mut gone: impl FnMut(Version)) -> bool {
        self.older.drain(self.older.partition_point(|v| v.ts <= cut)..).for_each(&mut gone);
        if self.newest.ts <= cut {
            return true;
        }
        match self.older.pop() {
            Some(kept) => {
                gone(std::mem::replace(&mut self.newest, kept));
                true
            }
            None => {
                gone(self.newest.clone());
                false
            }
        }
    }
}

/// One key of a walk, with what is known of it.
pub(super) struct Slot<'a> {
    map: Option<(&'a Bytes, &'a Versions)>,
    block: Option<(&'a Placed, usize)>,
}

impl Slot<'_> {
    /// The key.
    pub(super) fn key(&self) -> Bytes {
        match (self.map, self.block) {
            (Some((key, _)), _) => key.clone(),
            (None, Some((placed, at))) => placed.block.shared_key(at),
            (None, None) => Bytes::new(),
        }
    }

    /// When its newest version was committed.
    pub(super) fn newest(&self) -> Timestamp {
        let map = self.map.map_or(Timestamp::ZERO, |(_, v)| v.newest.ts);
        self.block.map_or(map, |(placed, _)| map.max(placed.ts))
    }

    /// The newest version at or below `ts`.
    pub(super) fn at(&self, ts: Timestamp) -> Option<Version> {
        let map = self.map.and_then(|(_, v)| v.at(ts));
        match self.block.filter(|(placed, _)| placed.ts <= ts) {
            Some((placed, at)) if map.is_none_or(|v| v.ts < placed.ts) => Some(placed.version(at)),
            _ => map.cloned(),
        }
    }

    /// All versions, newest first.
    pub(super) fn versions(&self, mut each: impl FnMut(Version)) {
        let mut block = self.block;
        for version in self.map.iter().flat_map(|(_, v)| v.iter().rev()) {
            if let Some((placed, at)) = block.take_if(|(placed, _)| placed.ts >= version.ts)
                && placed.ts > version.ts
            {
                each(placed.version(at));
            }
            each(version.clone());
        }
        if let Some((placed, at)) = block {
            each(placed.version(at));
        }
    }
}

impl Rows {
    /// Adds a version; one of the same key and timestamp is replaced, and what it took is told.
    pub(super) fn add(&mut self, key: Bytes, version: Version) -> usize {
        match self.map.entry(key) {
            Entry::Vacant(e) => {
                *self.keys.entry(key::storage_of(e.key())).or_default() += 1;
                e.insert(Versions { newest: version, older: Vec::new() });
                0
            }
            Entry::Occupied(mut e) => {
                let replaced = e.get_mut().add(version);
                replaced.map_or(0, |version| super::size(e.key(), &version))
            }
        }
    }

    /// Adds a block, or gives it back if it overlaps another one.
    pub(super) fn add_block(&mut self, ts: Timestamp, lsn: Lsn, block: Block) -> Result<(), Block> {
        if self.block_before(block.last()).is_some_and(|p| p.block.last() >= block.first()) {
            return Err(block);
        }
        self.blocks.insert(block.shared_key(0), Placed { ts, lsn, block });
        Ok(())
    }

    /// The last block that begins at or before a key.
    fn block_before(&self, key: &[u8]) -> Option<&Placed> {
        let upto = (Bound::Unbounded, Bound::Included(key));
        self.blocks.range::<[u8], _>(upto).next_back().map(|(_, placed)| placed)
    }

    pub(super) fn get(&self, key: &[u8], ts: Timestamp) -> Option<Version> {
        let map = self.map.get_key_value(key);
        let block = self.block_before(key).filter(|p| p.ts <= ts);
        let block = block.and_then(|p| p.block.find(key).map(|at| (p, at)));
        Slot { map, block }.at(ts)
    }

    /// How many keys; those in both count twice.
    pub(super) fn len(&self) -> usize {
        self.map.len() + self.blocks.values().map(|p| p.block.rows()).sum::<usize>()
    }

    /// How many keys of one key space; those in both count twice.
    pub(super) fn len_of(&self, storage: StorageId) -> usize {
        let (start, end) = key::range(storage);
        let blocks = self.blocks.range(start..end).map(|(_, placed)| placed.block.rows());
        self.keys.get(&storage).copied().unwrap_or(0) + blocks.sum::<usize>()
    }

    /// The first key at or after one.
    pub(super) fn first_from(&self, key: &[u8]) -> Option<&[u8]> {
        let from = (Bound::Included(key), Bound::Unbounded);
        let map = self.map.range::<[u8], _>(from).next().map(|(key, _)| &key[..]);
        let within = self.block_before(key).map(|p| (&p.block, p.block.lower_bound(key)));
        let within = within.filter(|(b, at)| *at < b.rows()).map(|(b, at)| b.key(at));
        let after = || self.blocks.range::<[u8], _>(from).next().map(|(key, _)| &key[..]);
        map.into_iter().chain(within.or_else(after)).min()
    }

    /// The keys of a half-open range, ascending; it must begin before it ends.
    pub(super) fn walk<'a>(&'a self, start: &'a [u8], end: &'a [u8]) -> Walk<'a> {
        let range = (Bound::Included(start), Bound::Excluded(end));
        let first = self.block_before(start).filter(|p| p.block.last() >= start);
        let first = first.filter(|p| p.block.first() < start);
        let places = first.map(|p| (p, p.block.places(start, end)));
        Walk {
            map: self.map.range::<[u8], _>(range).peekable(),
            blocks: self.blocks.range::<[u8], _>(range),
            places,
            end,
        }
    }

    /// True if a key of a half-open range was deleted at any time. Blocks delete nothing.
    pub(super) fn deletes(&self, start: &[u8], end: &[u8]) -> bool {
        let range = (Bound::Included(start), Bound::Excluded(end));
        self.map.range::<[u8], _>(range).any(|(_, v)| v.iter().any(|v| v.row.is_none()))
    }

    /// All versions of the map above a timestamp.
    pub(super) fn versions_above(&self, ts: Timestamp) -> impl Iterator<Item = (&Bytes, &Version)> {
        let above = move |v: &&Version| v.ts > ts;
        self.map.iter().flat_map(move |(key, v)| v.iter().filter(above).map(move |v| (key, v)))
    }

    pub(super) fn blocks(&self) -> impl Iterator<Item = (Timestamp, Lsn, &Block)> {
        self.blocks.values().map(|p| (p.ts, p.lsn, &p.block))
    }

    /// Takes what is above `cut` out of the map.
    pub(super) fn drop_above(&mut self, cut: Timestamp, mut gone: impl FnMut(&Bytes, Version)) {
        let keys = &mut self.keys;
        self.map.retain(|key, versions| {
            let stays = versions.drop_above(cut, |version| gone(key, version));
            if !stays && let Some(keys) = keys.get_mut(&key::storage_of(key)) {
                *keys -= 1;
            }
            stays
        });
    }

    /// Takes out the blocks above `cut`; how many bytes they took.
    pub(super) fn drop_blocks_above(&mut self, cut: Timestamp) -> usize {
        let mut bytes = 0;
        self.blocks.retain(|_, placed| {
            let kept = placed.ts <= cut;
            bytes += if kept { 0 } else { placed.block.bytes() };
            kept
        });
        bytes
    }
}

/// See [`Rows::walk`].
pub(super) struct Walk<'a> {
    map: Peekable<btree_map::Range<'a, Bytes, Versions>>,
    blocks: btree_map::Range<'a, Bytes, Placed>,
    /// The block that is being gone through, and what is left of it.
    places: Option<(&'a Placed, Range<usize>)>,
    end: &'a [u8],
}

/// What a walk comes to.
pub(super) enum Step<'a> {
    /// A key.
    Key(Slot<'a>),
    /// Rows of a block, and nothing else is known of their keys.
    Rows(&'a Placed, Range<usize>),
}

impl<'a> Walk<'a> {
    /// As [`Iterator::next`], but takes as many rows of a block as it can at a time.
    pub(super) fn step(&mut self) -> Option<Step<'a>> {
        if let Some((placed, at)) = self.block() {
            let known = self.map.peek().map(|(key, _)| &key[..]);
            let alone = known.map_or(usize::MAX, |key| placed.block.lower_bound(key));
            if let Some((_, left)) = &mut self.places
                && alone > at
            {
                let places = at..alone.min(left.end);
                left.start = places.end;
                return Some(Step::Rows(placed, places));
            }
        }
        self.next().map(Step::Key)
    }

    fn block(&mut self) -> Option<(&'a Placed, usize)> {
        loop {
            match &self.places {
                Some((placed, left)) if !left.is_empty() => return Some((placed, left.start)),
                _ => {}
            }
            let (_, placed) = self.blocks.next()?;
            self.places = Some((placed, 0..placed.block.lower_bound(self.end)));
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Slot<'a>;

    fn next(&mut self) -> Option<Slot<'a>> {
        let block = self.block();
        let Some((placed, at)) = block else {
            return self.map.next().map(|found| Slot { map: Some(found), block: None });
        };
        let key = placed.block.key(at);
        let map = self.map.next_if(|(k, _)| &k[..] <= key);
        let block = block.filter(|_| map.is_none_or(|(k, _)| &k[..] == key));
        if block.is_some()
            && let Some((_, left)) = &mut self.places
        {
            left.start += 1;
        }
        Some(Slot { map, block })
    }
}

#[cfg(test)]
mod tests;
