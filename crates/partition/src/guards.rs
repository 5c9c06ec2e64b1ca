//! Guards: what SERIALIZABLE transactions have read and are about to commit elsewhere. While one
//! stands nobody else commits or prepares a write into it. In memory only, and pure.
//!
//! Who meets a guard waits until it falls. A transaction that holds guards itself waits for younger
//! ones only and gives way to older ones, so that of two in each other's way one goes on and nobody
//! waits in a circle: taking a guard never waits, and who holds none is waited for by nobody.

use crate::changes::Changes;
use crate::reads::ReadSet;
use base::TxnId;
use std::collections::BTreeMap;

/// See the module's head.
#[derive(Debug, Default)]
pub struct Guards {
    standing: BTreeMap<TxnId, ReadSet>,
}

/// What a write meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nothing.
    Free,
    /// A guard that will fall without its doing.
    Wait,
    /// A guard of one who may wait for it.
    GiveWay,
}

impl Guards {
    /// Puts up a transaction's guard, or adds to it.
    pub fn stand(&mut self, txn: TxnId, reads: &ReadSet) {
        let guarded = self.standing.entry(txn).or_default();
        for (start, end) in reads.ranges() {
            guarded.add_range(start.clone(), end.clone());
        }
    }

    /// Takes a transaction's guard down.
    pub fn fall(&mut self, txn: TxnId) {
        self.standing.remove(&txn);
    }

    /// What `txn` meets when it writes `changes`; `guarding` if it holds guards itself, wherever.
    pub fn way(&self, txn: TxnId, guarding: bool, changes: &Changes) -> Way {
        let in_the_way = |(other, reads): &(&TxnId, &ReadSet)| {
            **other != txn && changes.keys().any(|key| reads.contains(key))
        };
        match self.standing.iter().find(in_the_way) {
            None => Way::Free,
            // The first one found is the oldest.
            Some((other, _)) if guarding && *other < txn => Way::GiveWay,
            Some(_) => Way::Wait,
        }
    }

    /// True if no guard stands.
    pub fn is_empty(&self) -> bool {
        self.standing.is_empty()
    }
}

#[cfg(test)]
mod tests;
