//! What a transaction has written so far: per partition, sorted by key, with undo for savepoints.
//!
//! New rows that come many at a time stay in the blocks they came in: a row costs little more than
//! its bytes then. All else, changes of such rows too, stands in a map, which goes before the blocks.

mod part;

pub use part::PartitionWrites;

use base::{Error, Result, SqlState, StorageId, Timestamp};
use bytes::Bytes;
use format::Block;
use std::collections::BTreeMap;

/// About what a pending row of the map costs beside its bytes: its share of a tree node that is not
/// full, two allocations with their counters, and the same for its lock.
const ROW_BYTES: usize = 400;

/// One pending row.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// The new row, `None` to delete.
    pub row: Option<Bytes>,
    /// Commit timestamp of the version it replaces, if known.
    pub prev: Option<Timestamp>,
}

/// What takes back one write.
#[derive(Clone, Debug)]
enum Undo {
    /// Puts back what the map had.
    Row(u16, Bytes, Option<Pending>),
    /// Takes out the block that begins with this key.
    Block(u16, Bytes),
}

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct WriteSet {
    partitions: BTreeMap<u16, PartitionWrites>,
    bytes: usize,
    /// Goes up with every change of a table descriptor.
    schema_changes: u32,
    undo: Vec<Undo>,
    savepoints: Vec<(String, usize)>,
}

impl WriteSet {
    /// Puts or deletes a row. A later write of the same row keeps the first one's `prev`.
    ///
    /// # Errors
    /// 54000 if the transaction grows beyond `limit` bytes.
    pub fn put(
        &mut self,
        partition: u16,
        key: Bytes,
        row: Option<Bytes>,
        prev: Option<Timestamp>,
        limit: usize,
    ) -> Result<()> {
        self.grow(key.len() + row.as_ref().map_or(0, Bytes::len) + ROW_BYTES, limit)?;
        if format::key::storage_of(&key) == StorageId::CATALOG {
            self.schema_changes += 1;
        }
        let writes = self.partitions.entry(partition).or_default();
        let undone = (!self.savepoints.is_empty()).then(|| key.clone());
        let before = writes.put(key, row, prev);
        self.undo.extend(undone.map(|key| Undo::Row(partition, key, before)));
        Ok(())
    }

    /// Puts new rows, of which nothing is pending and which replace nothing.
    ///
    /// # Errors
    /// As [`WriteSet::put`].
    pub fn put_block(&mut self, partition: u16, block: Block, limit: usize) -> Result<()> {
        let writes = self.partitions.entry(partition).or_default();
        let (first, bytes) = (block.shared_key(0), block.bytes());
        if let Err(block) = writes.put_block(block) {
            for op in block.to_ops() {
                self.put(partition, op.key, op.row, Some(op.prev), limit)?;
            }
            return Ok(());
        }
        if !self.savepoints.is_empty() {
            self.undo.push(Undo::Block(partition, first));
        }
        self.grow(bytes, limit)
    }

    fn grow(&mut self, bytes: usize, limit: usize) -> Result<()> {
        self.bytes += bytes;
        if self.bytes <= limit {
            return Ok(());
        }
        Err(Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("the transaction would take more than {} MiB of memory", limit >> 20),
        )
        .detail("What a transaction has written is kept in memory until it commits. Nothing of it was written.")
        .hint("split it into smaller ones, or raise memory-limit"))
    }

    /// The pending row of a key.
    pub fn get(&self, partition: u16, key: &[u8]) -> Option<Pending> {
        self.partitions.get(&partition)?.get(key)
    }

    /// Pending rows of a half-open range of keys, ascending.
    pub fn range(&self, partition: u16, start: &[u8], end: &[u8]) -> Vec<(Bytes, Pending)> {
        self.partitions.get(&partition).map_or_else(Vec::new, |writes| writes.range(start, end))
    }

    /// True if something is pending between two keys, or at one of them.
    pub fn touches(&self, partition: u16, first: &[u8], last: &[u8]) -> bool {
        self.partitions.get(&partition).is_some_and(|writes| writes.touches(first, last))
    }

    /// About how many bytes were written in all, also those that were undone or written over.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// True if nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.partitions.values().all(PartitionWrites::is_empty)
    }

    /// How many schema changes so far.
    pub fn schema_changes(&self) -> u32 {
        self.schema_changes
    }

    /// Hands out everything for the commit.
    pub fn take(&mut self) -> BTreeMap<u16, PartitionWrites> {
        let mut all = std::mem::take(&mut self.partitions);
        all.retain(|_, writes| !writes.is_empty());
        all
    }

    /// Sets a savepoint.
    pub fn savepoint(&mut self, name: &str) {
        self.savepoints.push((name.to_owned(), self.undo.len()));
    }

    /// Undoes everything since a savepoint, which stays.
    pub fn rollback_to(&mut self, name: &str) -> Result<()> {
        let at = self.find(name)?;
        self.savepoints.truncate(at + 1);
        let keep = self.savepoints.get(at).map_or(0, |s| s.1);
        while self.undo.len() > keep {
            match self.undo.pop() {
                Some(Undo::Row(partition, key, before)) => {
                    if format::key::storage_of(&key) == StorageId::CATALOG {
                        self.schema_changes += 1;
                    }
                    self.partitions.entry(partition).or_default().put_back(key, before);
                }
                Some(Undo::Block(partition, first)) => {
                    self.partitions.entry(partition).or_default().remove_block(&first);
                }
                None => break,
            }
        }
        Ok(())
    }

    /// Forgets a savepoint and those after it.
    pub fn release(&mut self, name: &str) -> Result<()> {
        let at = self.find(name)?;
        self.savepoints.truncate(at);
        if self.savepoints.is_empty() {
            self.undo.clear();
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Result<usize> {
        self.savepoints.iter().rposition(|s| s.0 == name).ok_or_else(|| {
            Error::new(SqlState::INVALID_SAVEPOINT, format!("savepoint \"{name}\" does not exist"))
        })
    }
}

#[cfg(test)]
mod tests;
