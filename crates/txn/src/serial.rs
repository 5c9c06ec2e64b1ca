//! SERIALIZABLE: what a transaction has read, and how it is kept unchanged until the commit has its
//! place in the order.
//!
//! A transaction that wrote nothing needs none of this: it stands in the order at its snapshot. Of
//! the others everything read through a [`ReadView`](crate::ReadView) is recorded. Rows read under
//! lock are not: nobody else can change them before the transaction has ended, and who locks them
//! then draws a later timestamp. Table descriptors are read too: a table that was read without being
//! locked must not be altered or truncated in between.

use crate::commit::Job;
use crate::transaction::Transaction;
use base::{Outcome, Result, TableDescriptor, Timestamp};
use bytes::Bytes;
use futures::future::{join_all, try_join_all};
use parking_lot::Mutex;
use partition::{GuardOne, ReadSet};
use std::collections::BTreeMap;

/// What was read where.
pub(crate) type Reads = BTreeMap<u16, ReadSet>;

/// What a transaction has read so far; shared with its views.
#[derive(Debug, Default)]
pub(crate) struct ReadLog(Mutex<Reads>);

impl ReadLog {
    pub(crate) fn keys(&self, partition: u16, keys: &[Bytes]) {
        let mut all = self.0.lock();
        let reads = all.entry(partition).or_default();
        keys.iter().for_each(|key| reads.add_key(key));
    }

    pub(crate) fn range(&self, partition: u16, start: &Bytes, end: &Bytes) {
        self.0.lock().entry(partition).or_default().add_range(start.clone(), end.clone());
    }

    fn take(&self) -> Reads {
        std::mem::take(&mut *self.0.lock())
    }
}

impl Transaction {
    /// Everything that must not have changed when it commits.
    pub(crate) fn take_reads(&self) -> Reads {
        let mut reads = self.reads.as_ref().map(|log| log.take()).unwrap_or_default();
        if let Some((_, _, catalog)) = &self.catalog {
            let spaces: Vec<_> = reads.values().flat_map(ReadSet::storages).collect();
            let is_read = |t: &TableDescriptor| {
                spaces.contains(&t.storage) || t.indexes.iter().any(|i| spaces.contains(&i.storage))
            };
            let tables = catalog.tables.values().filter(|t| is_read(t));
            for table in tables.filter(|t| !self.tables.contains(&t.id)) {
                reads.entry(0).or_default().add_key(&format::catalog::key(table.id));
            }
        }
        reads.retain(|_, reads| !reads.is_empty());
        reads
    }
}

impl Job {
    /// Puts up guards where the transaction has read, runs the commit, takes the guards down.
    pub(crate) async fn under_guards(
        &self,
        reads: Reads,
        commit: impl Future<Output = Result<Timestamp>>,
    ) -> Result<Timestamp> {
        let partitions: Vec<u16> = reads.keys().copied().collect();
        let result = match self.put_up(reads).await {
            Ok(()) => commit.await,
            Err(error) => Err(error),
        };
        let commit_ts = match &result {
            Ok(ts) => Some(*ts),
            // The log has failed and the process ends. Until then nobody may slip in.
            Err(error) if error.outcome == Outcome::Unknown => return result,
            Err(_) => None,
        };
        let mut down = Vec::with_capacity(partitions.len());
        for partition in partitions {
            down.push(self.database.partition(partition)?.unguard(self.id, commit_ts));
        }
        join_all(down).await;
        result
    }

    async fn put_up(&self, reads: Reads) -> Result<()> {
        let mut guards = Vec::with_capacity(reads.len());
        for (partition, reads) in reads {
            let guard = GuardOne { txn: self.id, snapshot: self.snapshot_ts(), reads };
            guards.push(self.database.partition(partition)?.guard(guard));
        }
        try_join_all(guards).await.map(|_| ())
    }
}
