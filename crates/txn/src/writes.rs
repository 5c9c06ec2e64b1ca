//! What a transaction has written so far: per partition, sorted by key, with undo for savepoints.

use base::{Error, Result, SqlState, StorageId, Timestamp};
use bytes::Bytes;
use std::collections::BTreeMap;

/// About what a pending row costs beside its bytes: tree node, allocations.
const ROW_BYTES: usize = 192;

/// One pending row.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// The new row, `None` to delete.
    pub row: Option<Bytes>,
    /// Commit timestamp of the version it replaces, if known.
    pub prev: Option<Timestamp>,
}

/// Pending rows of one partition.
pub type PartitionWrites = BTreeMap<Bytes, Pending>;

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct WriteSet {
    partitions: BTreeMap<u16, PartitionWrites>,
    bytes: usize,
    /// Goes up with every change of a table descriptor.
    schema_changes: u32,
    undo: Vec<(u16, Bytes, Option<Pending>)>,
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
        self.bytes += key.len() + row.as_ref().map_or(0, Bytes::len) + ROW_BYTES;
        if self.bytes > limit {
            return Err(Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("the transaction writes more than {limit} bytes"),
            )
            .hint("split it, or raise transaction_limit"));
        }
        if format::key::storage_of(&key) == StorageId::CATALOG {
            self.schema_changes += 1;
        }
        let rows = self.partitions.entry(partition).or_default();
        let before = rows.get(&key).cloned();
        let prev = before.as_ref().map_or(prev, |b| b.prev);
        rows.insert(key.clone(), Pending { row, prev });
        if !self.savepoints.is_empty() {
            self.undo.push((partition, key, before));
        }
        Ok(())
    }

    /// The pending row of a key.
    pub fn get(&self, partition: u16, key: &[u8]) -> Option<&Pending> {
        self.partitions.get(&partition)?.get(key)
    }

    /// Pending rows of a key range.
    pub fn range(
        &self,
        partition: u16,
        start: &Bytes,
        end: &Bytes,
    ) -> impl Iterator<Item = (&Bytes, &Pending)> {
        self.partitions
            .get(&partition)
            .into_iter()
            .flat_map(move |rows| rows.range(start.clone()..end.clone()))
    }

    /// About how many bytes were written in all, also those that were undone or written over.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// True if nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.partitions.values().all(BTreeMap::is_empty)
    }

    /// How many schema changes so far.
    pub fn schema_changes(&self) -> u32 {
        self.schema_changes
    }

    /// Hands out everything for the commit.
    pub fn take(&mut self) -> BTreeMap<u16, PartitionWrites> {
        let mut all = std::mem::take(&mut self.partitions);
        all.retain(|_, rows| !rows.is_empty());
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
            let Some((partition, key, before)) = self.undo.pop() else { break };
            if format::key::storage_of(&key) == StorageId::CATALOG {
                self.schema_changes += 1;
            }
            let rows = self.partitions.entry(partition).or_default();
            match before {
                Some(pending) => rows.insert(key, pending),
                None => rows.remove(&key),
            };
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
mod tests {
    use super::*;

    fn key(n: i64) -> Bytes {
        format::key::encode(StorageId::FIRST_USER, &[&base::Value::Int(n)])
    }

    #[test]
    fn rolling_back_to_a_savepoint_restores_what_was_pending() {
        let mut set = WriteSet::default();
        let row = |s: &'static str| Some(Bytes::from_static(s.as_bytes()));
        set.put(0, key(1), row("a"), Some(Timestamp(5)), 1 << 20).expect("fits");
        set.savepoint("s");
        set.put(0, key(1), row("b"), None, 1 << 20).expect("fits");
        set.put(0, key(2), row("c"), None, 1 << 20).expect("fits");
        assert_eq!(set.get(0, &key(1)).expect("there").prev, Some(Timestamp(5)));
        set.rollback_to("s").expect("known");
        assert_eq!(set.get(0, &key(1)).expect("there").row, row("a"));
        assert_eq!(set.get(0, &key(2)), None);
        set.release("s").expect("known");
        assert!(set.rollback_to("s").is_err());
    }

    #[test]
    fn a_transaction_that_grows_too_large_is_refused() {
        let mut set = WriteSet::default();
        let error = set.put(0, key(1), Some(Bytes::from(vec![0; 2000])), None, 1000);
        assert_eq!(error.expect_err("too large").state, SqlState::PROGRAM_LIMIT_EXCEEDED);
    }
}
