//! What the clients know: every transaction they asked for and how it ended, and when which region
//! must not acknowledge anything.

use base::{Epoch, Timestamp};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;

/// How a transaction ended, as its client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Not yet.
    Nothing,
    /// It committed, at this time.
    Acknowledged(Timestamp),
    /// It certainly did not happen.
    Failed,
    /// It may have happened.
    Unknown,
}

/// One transaction: a transfer with a unique id.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key of its row in `transfers`.
    pub id: i64,
    /// The region that was asked.
    pub region: usize,
    /// The promotion epoch of the database that was asked.
    pub epoch: Epoch,
    /// When it was asked for.
    pub began: Duration,
    /// When its client was told.
    pub ended: Duration,
    /// What its client was told.
    pub told: Told,
    /// Its client waited until a standby had it.
    pub covered: bool,
}

/// Everything the clients know.
#[derive(Debug, Default)]
pub struct Ledger {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: BTreeMap<i64, Entry>,
    /// Since when, and why, a region must not acknowledge what was begun after.
    closed: BTreeMap<usize, (Duration, &'static str)>,
}

impl Ledger {
    /// A new transaction; returns its id.
    pub fn begin(&self, region: usize, epoch: Epoch, now: Duration) -> i64 {
        let mut inner = self.inner.lock();
        let id = inner.entries.len() as i64 + 1;
        let told = Told::Nothing;
        inner
            .entries
            .insert(id, Entry { id, region, epoch, began: now, ended: now, told, covered: false });
        id
    }

    /// How it ended.
    pub fn end(&self, id: i64, told: Told, now: Duration) {
        if let Some(entry) = self.inner.lock().entries.get_mut(&id) {
            entry.told = told;
            entry.ended = now;
        }
    }

    /// A standby has confirmed it.
    pub fn cover(&self, id: i64) {
        if let Some(entry) = self.inner.lock().entries.get_mut(&id) {
            entry.covered = true;
        }
    }

    /// One transaction.
    pub fn entry(&self, id: i64) -> Option<Entry> {
        self.inner.lock().entries.get(&id).cloned()
    }

    /// All transactions, by id.
    pub fn entries(&self) -> Vec<Entry> {
        self.inner.lock().entries.values().cloned().collect()
    }

    /// How many were acknowledged, failed, and are unknown.
    pub fn counts(&self) -> (usize, usize, usize) {
        let inner = self.inner.lock();
        let count = |f: fn(&Told) -> bool| inner.entries.values().filter(|e| f(&e.told)).count();
        (
            count(|t| matches!(t, Told::Acknowledged(_))),
            count(|t| *t == Told::Failed),
            count(|t| matches!(t, Told::Unknown | Told::Nothing)),
        )
    }

    /// From now on the region must not acknowledge what is begun later.
    pub fn close(&self, region: usize, why: &'static str, now: Duration) {
        self.inner.lock().closed.entry(region).or_insert((now, why));
    }

    /// It may again.
    pub fn open(&self, region: usize) {
        self.inner.lock().closed.remove(&region);
    }

    /// Since when and why a region must not acknowledge.
    pub fn closed(&self, region: usize) -> Option<(Duration, &'static str)> {
        self.inner.lock().closed.get(&region).copied()
    }
}
