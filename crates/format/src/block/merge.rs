//! Making one sorted row of blocks out of several.

use super::{Block, BlockBuilder};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// About how large merged blocks are.
const MERGED_BYTES: usize = 256 << 10;

/// Merges series of blocks, each of which ascends; all keys must be different. Gives the old ones
/// up as it goes.
pub fn merged(series: Vec<Vec<Block>>) -> Vec<Block> {
    let mut series: Vec<_> = series.into_iter().map(|s| Cursor::new(s.into_iter())).collect();
    let mut heads: BinaryHeap<Reverse<(Vec<u8>, usize)>> = BinaryHeap::new();
    for (i, cursor) in series.iter_mut().enumerate() {
        heads.extend(cursor.key().map(|key| Reverse((key.to_vec(), i))));
    }
    let mut out = Vec::new();
    let empty = || BlockBuilder::with_capacity(MERGED_BYTES / 64, MERGED_BYTES);
    let mut builder = empty();
    while let Some(Reverse((mut key, i))) = heads.pop() {
        let cursor = &mut series[i];
        let limit = heads.peek().map(|Reverse((key, _))| key.as_slice());
        // As long as this series has the smallest key: rows of one often stand together.
        while let Some((this, row)) = cursor.row().filter(|(k, _)| limit.is_none_or(|l| *k <= l)) {
            builder.push(this, row);
            cursor.next();
            if builder.bytes() >= MERGED_BYTES {
                out.extend(std::mem::replace(&mut builder, empty()).finish());
            }
        }
        if let Some(next) = cursor.key() {
            key.clear();
            key.extend_from_slice(next);
            heads.push(Reverse((key, i)));
        }
    }
    out.extend(builder.finish());
    out
}

struct Cursor {
    rest: std::vec::IntoIter<Block>,
    block: Option<Block>,
    at: usize,
}

impl Cursor {
    fn new(mut rest: std::vec::IntoIter<Block>) -> Cursor {
        Cursor { block: rest.next(), rest, at: 0 }
    }

    fn row(&self) -> Option<(&[u8], &[u8])> {
        self.block.as_ref().map(|block| block.get(self.at))
    }

    fn key(&self) -> Option<&[u8]> {
        self.row().map(|(key, _)| key)
    }

    fn next(&mut self) {
        self.at += 1;
        if self.block.as_ref().is_some_and(|block| self.at == block.rows()) {
            self.block = self.rest.next();
            self.at = 0;
        }
    }
}
