//! The order of one partition's commits: timestamps given and promised, prepares undecided,
//! and from where the log must be replayed. Pure: no log, no clock, no locks.

use crate::changes::Changes;
use base::{ClusterId, Lsn, Timestamp, TxnId};
use bytes::Bytes;
use std::collections::BTreeMap;

/// A prepare that waits for its decision.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Earliest timestamp it may commit at.
    pub ts: Timestamp,
    /// Its place in the log.
    pub lsn: Lsn,
    /// The first record that belongs to it (a `Stage`), or `lsn`.
    pub first: Lsn,
    /// Whose transaction.
    pub origin: ClusterId,
    /// All partitions that take part.
    pub participants: Vec<u16>,
    /// What it writes.
    pub changes: Changes,
}

/// What a reader wants to see.
#[derive(Clone, Copy, Debug)]
pub enum Reach<'a> {
    /// These keys.
    Keys(&'a [Bytes]),
    /// All keys from the first to before the second.
    Range(&'a [u8], &'a [u8]),
    /// Everything.
    All,
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct Order {
    max_read: Timestamp,
    last_commit: Timestamp,
    closed: Timestamp,
    prepared: BTreeMap<TxnId, Prepared>,
    /// Outcome of transactions over several partitions, until all participants have a durable one.
    decided: BTreeMap<TxnId, Option<Timestamp>>,
    /// Effective timestamp of each record that carries rows; `MAX` while undecided.
    live: BTreeMap<Lsn, Timestamp>,
}

impl Order {
    /// Starts above a manifest.
    pub fn starting_at(ts: Timestamp) -> Order {
        Order { last_commit: ts, closed: ts, ..Order::default() }
    }

    /// The timestamp of a new commit or prepare: above everything served, committed or closed.
    pub fn assign(&self, floor: Timestamp) -> Timestamp {
        floor.max(self.max_read.next()).max(self.last_commit.next()).max(self.closed.next())
    }

    /// Notes a commit in one partition; `first` is the first record that belongs to it.
    pub fn committed(&mut self, first: Lsn, ts: Timestamp) {
        self.last_commit = self.last_commit.max(ts);
        self.live.insert(first, ts);
    }

    /// Notes a prepare.
    pub fn prepare(&mut self, txn: TxnId, prepared: Prepared) {
        self.last_commit = self.last_commit.max(prepared.ts);
        self.live.insert(prepared.first, Timestamp::MAX);
        self.prepared.insert(txn, prepared);
    }

    /// Notes a decision; the prepare's rows are to be applied now. `None`: nothing was waiting.
    pub fn decide(&mut self, txn: TxnId, commit_ts: Option<Timestamp>) -> Option<Prepared> {
        self.decided.insert(txn, commit_ts);
        let prepared = self.prepared.remove(&txn)?;
        match commit_ts {
            Some(ts) => {
                self.last_commit = self.last_commit.max(ts);
                self.live.insert(prepared.first, ts);
            }
            None => {
                self.live.remove(&prepared.first);
            }
        }
        Some(prepared)
    }

    /// Serves a read at `ts`, or names a prepare it must wait for.
    pub fn read(&mut self, ts: Timestamp, reach: Reach<'_>) -> Result<(), TxnId> {
        self.max_read = self.max_read.max(ts);
        for (txn, prepared) in self.prepared.iter().filter(|(_, p)| p.ts <= ts) {
            let in_the_way = match reach {
                Reach::Keys(keys) => keys.iter().any(|k| prepared.changes.touches_key(k)),
                Reach::Range(start, end) => prepared.changes.touches_range(start, end),
                Reach::All => true,
            };
            if in_the_way {
                return Err(*txn);
            }
        }
        Ok(())
    }

    /// Notes that later commits must come after `ts`: something read here has its place there.
    pub fn passed(&mut self, ts: Timestamp) {
        self.max_read = self.max_read.max(ts);
    }

    /// True if an undecided prepare of another transaction than `txn` writes into a key range.
    pub fn undecided_in(&self, txn: TxnId, start: &[u8], end: &[u8]) -> bool {
        self.prepared.iter().any(|(other, p)| *other != txn && p.changes.touches_range(start, end))
    }

    /// The newest timestamp that can be closed now, if it is newer than the last one.
    pub fn closable(&self, now: Timestamp) -> Option<Timestamp> {
        let undecided = self.prepared.values().map(|p| p.ts.prev()).min();
        let ts = undecided.unwrap_or(now).min(now);
        (ts > self.closed).then_some(ts)
    }

    /// Notes a closed timestamp, written here or received.
    pub fn close(&mut self, ts: Timestamp) {
        self.closed = self.closed.max(ts);
    }

    /// Nothing is undecided any more.
    pub fn void_undecided(&mut self) {
        for (_, prepared) in std::mem::take(&mut self.prepared) {
            self.live.remove(&prepared.first);
        }
    }

    /// Nothing was committed above `cut`; what is undecided stays so.
    pub fn cut(&mut self, cut: Timestamp) {
        self.live.retain(|_, ts| *ts <= cut || *ts == Timestamp::MAX);
        self.closed = self.closed.min(cut);
        self.last_commit = self.last_commit.min(cut);
    }

    /// From where the log must be replayed over a manifest at `at`, in a log that ends at `end`.
    pub fn replay_from(&self, at: Timestamp, end: Lsn) -> Lsn {
        self.live.iter().find(|(_, ts)| **ts > at).map_or(end.next(), |(lsn, _)| *lsn)
    }

    /// From where the log must be read to find every transaction that has a record after `common`, or
    /// has or may have committed above `cut`.
    pub fn first_beyond(&self, common: Lsn, cut: Timestamp) -> Lsn {
        let above = self.live.iter().find(|(_, ts)| **ts > cut).map(|(lsn, _)| *lsn);
        // It may have begun before the common point, and go on after it.
        let last_before = self.live.range(..=common).next_back().map(|(lsn, _)| *lsn);
        let after = Some(Lsn(common.0.saturating_add(1)));
        [above, last_before, after].into_iter().flatten().min().unwrap_or_default()
    }

    /// True if something has, or may have, committed above `cut`.
    pub fn has_above(&self, cut: Timestamp) -> bool {
        self.live.values().any(|ts| *ts > cut)
    }

    /// Forgets what a manifest at `at` covers.
    pub fn forget(&mut self, at: Timestamp, replay_from: Lsn) {
        self.live = self.live.split_off(&replay_from);
        self.decided.retain(|_, ts| ts.is_none_or(|ts| ts > at));
    }

    /// Newest closed timestamp.
    pub fn closed(&self) -> Timestamp {
        self.closed
    }

    /// Newest commit or prepare timestamp.
    pub fn last_commit(&self) -> Timestamp {
        self.last_commit
    }

    /// Prepares that wait.
    pub fn prepared(&self) -> &BTreeMap<TxnId, Prepared> {
        &self.prepared
    }

    /// The outcome of a transaction, if it is known here.
    pub fn outcome(&self, txn: TxnId) -> Option<Option<Timestamp>> {
        self.decided.get(&txn).copied()
    }

    /// Refuses a transaction for ever.
    pub fn refuse(&mut self, txn: TxnId) {
        self.decided.insert(txn, None);
    }
}

#[cfg(test)]
mod tests;
