//! What a SERIALIZABLE transaction has read in one partition: half-open key ranges, few enough to be
//! sent along with its commit.

use base::StorageId;
use bytes::Bytes;
use format::key;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Beyond this many ranges neighbours are joined, with what lies between them.
const RANGES_MAX: usize = 1024;

/// See the module's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSet {
    /// First key to the key after the last one. They neither overlap nor leave their key space.
    ranges: BTreeMap<Bytes, Bytes>,
}

impl ReadSet {
    /// Adds one key.
    pub fn add_key(&mut self, key: &Bytes) {
        if !self.contains(key) {
            self.add_range(key.clone(), key::after(key));
        }
    }

    /// Adds a half-open range within one key space.
    pub fn add_range(&mut self, mut start: Bytes, mut end: Bytes) {
        if start >= end {
            return;
        }
        let space = key::storage_of(&start);
        if let Some((before, until)) = self.ranges.range(..=start.clone()).next_back()
            && *until >= start
            && key::storage_of(before) == space
        {
            end = end.max(until.clone());
            start = before.clone();
        }
        while let Some((next, until)) = self.ranges.range(start.clone()..=end.clone()).next() {
            if key::storage_of(next) != space {
                break;
            }
            end = end.max(until.clone());
            let next = next.clone();
            self.ranges.remove(&next);
        }
        self.ranges.insert(start, end);
        if self.ranges.len() > RANGES_MAX {
            self.widen();
        }
    }

    /// Joins every second range with the one before it, where both are in one key space: a claim to
    /// have read more than was read costs a retry at worst.
    fn widen(&mut self) {
        let mut wider: BTreeMap<Bytes, Bytes> = BTreeMap::new();
        let mut last: Option<(Bytes, Bytes)> = None;
        for (start, end) in std::mem::take(&mut self.ranges) {
            match last.take() {
                Some((first, _)) if key::storage_of(&first) == key::storage_of(&start) => {
                    wider.insert(first, end);
                }
                Some((first, until)) => {
                    wider.insert(first, until);
                    last = Some((start, end));
                }
                None => last = Some((start, end)),
            }
        }
        wider.extend(last);
        self.ranges = wider;
    }

    /// True if the key is in what was read.
    pub fn contains(&self, key: &[u8]) -> bool {
        let upto = (Bound::Unbounded, Bound::Included(key));
        self.ranges.range::<[u8], _>(upto).next_back().is_some_and(|(_, end)| key < &end[..])
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.ranges.iter()
    }

    /// The key spaces read.
    pub fn storages(&self) -> BTreeSet<StorageId> {
        self.ranges.keys().map(|start| key::storage_of(start)).collect()
    }

    /// True if nothing was read.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

#[cfg(test)]
mod tests;
