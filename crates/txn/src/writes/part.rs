//! What a transaction has written in one partition.

use super::Pending;
use base::Timestamp;
use bytes::Bytes;
use format::Block;
use format::block::merged;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

/// How many blocks may overlap in one place: each is looked into for a key.
const LAYERS_MAX: usize = 64;

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct PartitionWrites {
    rows: BTreeMap<Bytes, Pending>,
    /// Blocks by their first key. Those of one layer do not overlap.
    layers: Vec<BTreeMap<Bytes, Block>>,
}

/// The last block of a layer that begins at or before a key.
fn before<'l>(layer: &'l BTreeMap<Bytes, Block>, key: &[u8]) -> Option<&'l Block> {
    let upto = (Bound::Unbounded, Bound::Included(key));
    layer.range::<[u8], _>(upto).next_back().map(|(_, block)| block)
}

fn overlaps(layer: &BTreeMap<Bytes, Block>, first: &[u8], last: &[u8]) -> bool {
    before(layer, last).is_some_and(|block| block.overlaps(first, last))
}

/// A new row.
fn fresh(row: Bytes) -> Pending {
    Pending { row: Some(row), prev: Some(Timestamp::ZERO) }
}

impl PartitionWrites {
    /// Puts or deletes a row. Answers with what the map had before.
    pub(super) fn put(
        &mut self,
        key: Bytes,
        row: Option<Bytes>,
        prev: Option<Timestamp>,
    ) -> Option<Pending> {
        let prev = if self.in_blocks(&key).is_some() { Some(Timestamp::ZERO) } else { prev };
        match self.rows.entry(key) {
            Entry::Vacant(e) => {
                e.insert(Pending { row, prev });
                None
            }
            Entry::Occupied(mut e) => {
                let prev = e.get().prev;
                Some(e.insert(Pending { row, prev }))
            }
        }
    }

    /// Puts new rows, or gives them back where too many blocks overlap or the map has something.
    pub(super) fn put_block(&mut self, block: Block) -> Result<(), Block> {
        if self.has_rows(block.first(), block.last()) {
            return Err(block);
        }
        let at = self.layers.iter().position(|l| !overlaps(l, block.first(), block.last()));
        let at = at.unwrap_or(self.layers.len());
        if at == LAYERS_MAX {
            return Err(block);
        }
        if at == self.layers.len() {
            self.layers.push(BTreeMap::new());
        }
        self.layers[at].insert(block.shared_key(0), block);
        Ok(())
    }

    /// Undoes a put.
    pub(super) fn put_back(&mut self, key: Bytes, before: Option<Pending>) {
        match before {
            Some(pending) => self.rows.insert(key, pending),
            None => self.rows.remove(&key),
        };
    }

    /// Undoes a put of a block.
    pub(super) fn remove_block(&mut self, first: &[u8]) {
        self.layers.iter_mut().any(|layer| layer.remove(first).is_some());
    }

    fn in_blocks(&self, key: &[u8]) -> Option<(&Block, usize)> {
        let mut blocks = self.layers.iter().filter_map(|layer| before(layer, key));
        blocks.find_map(|block| block.find(key).map(|at| (block, at)))
    }

    /// The pending row of a key.
    pub(super) fn get(&self, key: &[u8]) -> Option<Pending> {
        let row = self.rows.get(key).cloned();
        row.or_else(|| self.in_blocks(key).map(|(block, at)| fresh(block.shared_row(at))))
    }

    /// The pending rows of a half-open range, ascending.
    pub(super) fn range(&self, start: &[u8], end: &[u8]) -> Vec<(Bytes, Pending)> {
        if start >= end {
            return Vec::new();
        }
        let range = (Bound::Included(start), Bound::Excluded(end));
        let rows = self.rows.range::<[u8], _>(range).map(|(k, p)| (k.clone(), p.clone()));
        let mut found: Vec<(Bytes, Pending)> = rows.collect();
        let only_rows = found.len();
        for layer in &self.layers {
            let head = before(layer, start).filter(|b| b.first() < start);
            let rest = layer.range::<[u8], _>(range).map(|(_, block)| block);
            for block in head.into_iter().chain(rest) {
                let places = block.places(start, end);
                let places = places.filter(|at| !self.rows.contains_key(block.key(*at)));
                found.extend(places.map(|at| (block.shared_key(at), fresh(block.shared_row(at)))));
            }
        }
        if found.len() > only_rows {
            found.sort_by(|a, b| a.0.cmp(&b.0));
        }
        found
    }

    /// True if something is pending between two keys, or at one of them.
    pub(super) fn touches(&self, first: &[u8], last: &[u8]) -> bool {
        self.has_rows(first, last) || self.layers.iter().any(|l| overlaps(l, first, last))
    }

    fn has_rows(&self, first: &[u8], last: &[u8]) -> bool {
        let range = (Bound::Included(first), Bound::Included(last));
        self.rows.range::<[u8], _>(range).next().is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.layers.iter().all(BTreeMap::is_empty)
    }

    /// All of it for the commit, each key once: blocks that do not overlap, ascending, and the rest
    /// by key.
    pub fn into_parts(mut self) -> (Vec<Block>, BTreeMap<Bytes, Pending>) {
        let layers = std::mem::take(&mut self.layers);
        let left = |block: Block| match self.has_rows(block.first(), block.last()) {
            true => block.without(|key| self.rows.contains_key(key)),
            false => Some(block),
        };
        let layers = layers.into_iter().map(|l| l.into_values().filter_map(left).collect());
        let mut layers: Vec<Vec<Block>> = layers.filter(|l: &Vec<Block>| !l.is_empty()).collect();
        let blocks = match layers.len() {
            0 | 1 => layers.pop().unwrap_or_default(),
            _ => merged(layers),
        };
        (blocks, self.rows)
    }
}
