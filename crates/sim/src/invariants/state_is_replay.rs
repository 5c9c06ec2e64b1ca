//! # State is replay
//! Where a partition still has its whole log, a replay of it from zero into a plain map, written
//! here anew, gives exactly the rows that a reader of manifest, runs and delta sees: the same keys
//! with the same commit timestamps. A record is live iff its commit timestamp is at or below the
//! cut of every later epoch start.

use crate::picture::Picture;
use crate::records;
use crate::verdict::Violation;
use base::{Lsn, StorageId, Timestamp, TxnId};
use bytes::Bytes;
use format::{Op, Record};
use partition::Partition;
use std::collections::{BTreeMap, BTreeSet};

/// Checks one partition against what was read of it; false if its log does not begin at the
/// beginning any more.
pub fn check(partition: &Partition, picture: &Picture) -> Result<bool, Violation> {
    if partition.first() > Lsn(1) || partition.durable() < Lsn(1) {
        return Ok(false);
    }
    let mut replay = Replay::default();
    for (_, record) in records::read(partition)? {
        replay.apply(record);
    }
    let number = partition.number();
    let shown: BTreeMap<&[u8], Timestamp> = picture
        .rows
        .iter()
        .filter(|((_, partition, _), _)| *partition == number)
        .map(|((_, _, key), (ts, _))| (key.as_slice(), *ts))
        .collect();
    let seen = picture.rows.keys().map(|(_, _, key)| format::key::storage_of(key));
    let replayed = replay.rows(picture.at, &seen.collect());
    let replayed: BTreeMap<&[u8], Timestamp> =
        replayed.iter().map(|(key, ts)| (&key[..], *ts)).collect();
    let keys = shown.keys().chain(replayed.keys());
    match keys.into_iter().find(|key| shown.get(*key) != replayed.get(*key)) {
        None => Ok(true),
        Some(key) => {
            let (has, want) = (shown.get(key), replayed.get(key));
            let at = picture.at;
            let what = format!(
                "partition {number} at {at}: key {key:02x?} has the version of {has:?}, its log \
                 says {want:?}"
            );
            Err(Violation::new("state_is_replay", what))
        }
    }
}

/// The plain map.
#[derive(Default)]
struct Replay {
    /// Versions by key, and whether they are rows or deletions.
    versions: BTreeMap<Bytes, Vec<(Timestamp, bool)>>,
    staged: BTreeMap<TxnId, Vec<Op>>,
    /// What is prepared, and the lowest cut since.
    prepared: BTreeMap<TxnId, (Timestamp, Vec<Op>)>,
}

impl Replay {
    fn apply(&mut self, record: Record) {
        match record {
            Record::Stage { txn, ops } => self.staged.entry(txn).or_default().extend(ops),
            Record::Txn { txn, commit_ts, ops, .. } => {
                let all = self.whole(txn, ops);
                self.commit(commit_ts, all);
            }
            Record::Prepare { txn, ops, .. } => {
                let all = self.whole(txn, ops);
                self.prepared.insert(txn, (Timestamp::MAX, all));
            }
            Record::Decide { txn, commit_ts } => {
                let prepared = self.prepared.remove(&txn);
                if let (Some((limit, ops)), Some(ts)) = (prepared, commit_ts)
                    && ts <= limit
                {
                    self.commit(ts, ops);
                }
            }
            Record::EpochStart { cut, .. } => {
                self.staged.clear();
                self.prepared.values_mut().for_each(|(limit, _)| *limit = cut.min(*limit));
                self.versions.values_mut().for_each(|v| v.retain(|(ts, _)| *ts <= cut));
            }
            Record::Closed { .. } | Record::Gate { .. } => {}
        }
    }

    fn whole(&mut self, txn: TxnId, ops: Vec<Op>) -> Vec<Op> {
        let mut all = self.staged.remove(&txn).unwrap_or_default();
        all.extend(ops);
        all
    }

    fn commit(&mut self, ts: Timestamp, ops: Vec<Op>) {
        for op in ops {
            let versions = self.versions.entry(op.key).or_default();
            // The last change of a transaction counts.
            versions.retain(|(at, _)| *at != ts);
            versions.push((ts, op.row.is_some()));
        }
    }

    /// The rows of some key spaces as of a time.
    fn rows(&self, at: Timestamp, wanted: &BTreeSet<StorageId>) -> BTreeMap<Bytes, Timestamp> {
        let wanted = |key: &Bytes| wanted.contains(&format::key::storage_of(key));
        let newest =
            self.versions.iter().filter(|(key, _)| wanted(key)).filter_map(|(key, all)| {
                let newest = all.iter().filter(|(ts, _)| *ts <= at).max_by_key(|(ts, _)| *ts)?;
                newest.1.then(|| (key.clone(), newest.0))
            });
        newest.collect()
    }
}
