//! What one transaction writes in one partition.

use base::StorageId;
use bytes::Bytes;
use format::block::Block;
use format::key;
use format::record::Op;

/// See the module's head. No key is in it twice.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// New rows, many at a time.
    pub blocks: Vec<Block>,
    /// All other changes, sorted by key.
    pub ops: Vec<Op>,
}

impl From<Vec<Op>> for Changes {
    fn from(ops: Vec<Op>) -> Changes {
        Changes { blocks: Vec::new(), ops }
    }
}

impl Changes {
    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let blocks = self.blocks.iter().flat_map(|b| (0..b.rows()).map(|at| b.key(at)));
        blocks.chain(self.ops.iter().map(|op| &op.key[..]))
    }

    /// All keys, kept alive by themselves.
    pub fn shared_keys(&self) -> impl Iterator<Item = Bytes> {
        let blocks = self.blocks.iter().flat_map(|b| (0..b.rows()).map(|at| b.shared_key(at)));
        blocks.chain(self.ops.iter().map(|op| op.key.clone()))
    }

    /// True if it changes a key.
    pub fn touches_key(&self, key: &[u8]) -> bool {
        self.ops.binary_search_by(|op| op.key.as_ref().cmp(key)).is_ok()
            || self.blocks.iter().any(|b| b.find(key).is_some())
    }

    /// True if it changes a key of a half-open range.
    pub fn touches_range(&self, start: &[u8], end: &[u8]) -> bool {
        let at = self.ops.partition_point(|op| op.key.as_ref() < start);
        self.ops.get(at).is_some_and(|op| op.key.as_ref() < end)
            || self.blocks.iter().any(|b| !b.places(start, end).is_empty())
    }

    /// True if it changes the catalog.
    pub fn touches_catalog(&self) -> bool {
        // Keys sort by storage, and the catalog's is the lowest: the first ones tell.
        let catalog = |first: &[u8]| key::storage_of(first) == StorageId::CATALOG;
        self.ops.first().is_some_and(|op| catalog(&op.key))
            || self.blocks.iter().any(|b| catalog(b.first()))
    }

    /// At most so many bytes go to the log.
    pub fn bytes(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(Block::bytes).sum();
        blocks + self.ops.iter().map(op_bytes).sum::<usize>()
    }

    /// Adds what comes after it.
    pub fn append(&mut self, mut more: Changes) {
        self.blocks.append(&mut more.blocks);
        self.ops.append(&mut more.ops);
    }
}

pub(crate) fn op_bytes(op: &Op) -> usize {
    op.key.len() + op.row.as_ref().map_or(0, Bytes::len) + 24
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Timestamp, Value};
    use format::block::BlockBuilder;

    fn key(n: i64) -> Bytes {
        format::key::encode(StorageId::FIRST_USER, &[&Value::Int(n)])
    }

    #[test]
    fn blocks_and_ops_are_both_looked_at() {
        let mut block = BlockBuilder::default();
        [1, 5].iter().for_each(|n| block.push(&key(*n), b"row"));
        let mut all = Changes { blocks: block.finish().into_iter().collect(), ops: Vec::new() };
        all.append(Changes::from(vec![Op { key: key(3), prev: Timestamp::ZERO, row: None }]));
        let touched: Vec<i64> = (0..7).filter(|n| all.touches_key(&key(*n))).collect();
        assert_eq!(touched, [1, 3, 5]);
        let ranges: Vec<i64> =
            (0..7).filter(|n| all.touches_range(&key(*n), &key(*n + 1))).collect();
        assert_eq!(ranges, [1, 3, 5]);
        assert_eq!(all.keys().count(), 3);
        assert_eq!(all.shared_keys().collect::<Vec<_>>(), [key(1), key(5), key(3)]);
        assert!(!all.touches_catalog());
    }
}
