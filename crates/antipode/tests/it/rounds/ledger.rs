//! What the witnesses were told.

use parking_lot::Mutex;
use std::collections::BTreeMap;

/// How a transaction ended, as its client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It committed.
    Acknowledged {
        /// And a standby has it (`commit_wait = remote`).
        covered: bool,
    },
    /// It certainly did not happen.
    Refused,
    /// It may have happened.
    Unknown,
}

/// What a transaction was to do beside the row in `journal` that has its id as key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Bare,
    /// One more in its client's row of `tally`, which is in another partition mostly.
    Counted,
    /// [`BULK`] rows in `bulk`, written as blocks.
    Bulk,
}

/// Rows of a transaction that writes many.
pub const BULK: u64 = 300;

impl Kind {
    /// As it is in the column `kind`.
    pub fn number(self) -> i64 {
        self as i64
    }
}

/// A transaction.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What.
    pub kind: Kind,
    /// How it ended.
    pub told: Told,
}

/// Everything the witnesses know.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Mutex<BTreeMap<i64, Entry>>,
    mistakes: Mutex<Vec<String>>,
}

impl Ledger {
    /// An id that nobody has used. Until more is known it may have happened.
    pub fn begin(&self, kind: Kind) -> i64 {
        let mut entries = self.entries.lock();
        let id = entries.len() as i64 + 1;
        entries.insert(id, Entry { kind, told: Told::Unknown });
        id
    }

    /// How it ended.
    pub fn end(&self, id: i64, told: Told) {
        if let Some(entry) = self.entries.lock().get_mut(&id) {
            entry.told = told;
        }
    }

    /// Something that must not be.
    pub fn mistake(&self, what: String) {
        self.mistakes.lock().push(what);
    }

    /// All transactions, and what must not be.
    pub fn read(&self) -> (BTreeMap<i64, Entry>, Vec<String>) {
        (self.entries.lock().clone(), self.mistakes.lock().clone())
    }

    /// How many were acknowledged, and how many of them by a standby, too.
    pub fn acknowledged(&self) -> (usize, usize) {
        let entries = self.entries.lock();
        let all = entries.values().filter(|e| matches!(e.told, Told::Acknowledged { .. }));
        let covered = entries.values().filter(|e| e.told == Told::Acknowledged { covered: true });
        (all.count(), covered.count())
    }

    /// Without traffic of every kind a run proves nothing.
    pub fn check_busy(&self) {
        let entries = self.entries.lock();
        for kind in [Kind::Bare, Kind::Counted, Kind::Bulk] {
            let acknowledged = entries
                .values()
                .filter(|e| e.kind == kind && matches!(e.told, Told::Acknowledged { .. }));
            assert!(acknowledged.count() > 0, "no {kind:?} transaction was acknowledged");
        }
        drop(entries);
        assert!(self.acknowledged().1 > 0, "no commit was confirmed by a standby");
    }
}
