//! Row locks: a pure table of who holds and who waits, and a graph that finds deadlocks.
//!
//! Waiters are served in order; a holder that strengthens its lock goes first. Deadlocks are found
//! when a wait begins: an edge goes to every holder and every earlier waiter in the way, and a path
//! back to the one who asks makes it the victim (40P01). No new cycle can arise later, since a
//! transaction that waits asks for nothing else.
//!
//! What a bulk load locks is held as whole blocks of keys, which cost no entry for each. A key of
//! one gets its own entry as soon as somebody else asks for it.

mod claims;
mod entry;

use crate::handle::LockMode;
use base::TxnId;
use bytes::Bytes;
use claims::Claims;
use entry::{Entry, Waiter};
use format::block::Block;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Who waits for whom, over all partitions of a node.
#[derive(Debug, Default)]
pub struct WaitGraph {
    edges: Mutex<BTreeMap<TxnId, BTreeSet<TxnId>>>,
}

impl WaitGraph {
    /// Notes that `who` waits for `whom`. `false`, and nothing noted, if that closes a circle.
    pub fn wait(&self, who: TxnId, whom: &BTreeSet<TxnId>) -> bool {
        let mut edges = self.edges.lock();
        let mut seen = BTreeSet::new();
        let mut todo: Vec<TxnId> = whom.iter().copied().collect();
        while let Some(next) = todo.pop() {
            if next == who {
                return false;
            }
            if seen.insert(next)
                && let Some(more) = edges.get(&next)
            {
                todo.extend(more.iter().copied());
            }
        }
        edges.insert(who, whom.clone());
        true
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.edges.lock().len()
    }

    /// Notes that `who` waits no more.
    pub fn done(&self, who: TxnId) {
        self.edges.lock().remove(&who);
    }
}

/// The answer to a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Acquire {
    /// The lock is held now.
    Granted,
    /// Somebody is in the way; the request stands in the queue under this ticket.
    Queued {
        /// Names the place in the queue.
        ticket: u64,
        /// Who is in the way.
        blockers: BTreeSet<TxnId>,
    },
}

/// The locks of one partition. Pure: the shell around it sleeps and wakes.
#[derive(Debug, Default)]
pub struct LockTable {
    entries: BTreeMap<Bytes, Entry>,
    held: BTreeMap<TxnId, Vec<Bytes>>,
    claims: Claims,
    next_ticket: u64,
}

/// Among so many locks in the way of a block it is looked whether they are its owner's.
const IN_THE_WAY_MAX: usize = 16;

impl LockTable {
    /// Locks all keys of a block exclusively if nobody else holds or wants anything in its range.
    pub fn claim(&mut self, txn: TxnId, block: &Block) -> bool {
        let (first, last) = (block.first(), block.last());
        let range = (Bound::Included(first), Bound::Included(last));
        let mut entries = self.entries.range::<[u8], _>(range).map(|(_, entry)| entry);
        let own = |e: &Entry| e.exclusive == Some(txn) && e.waiters().next().is_none();
        let free = entries.by_ref().take(IN_THE_WAY_MAX).all(own) && entries.next().is_none();
        free && self.claims.add(txn, block)
    }

    /// Asks for a lock without queueing.
    pub fn try_acquire(&mut self, txn: TxnId, key: &Bytes, mode: LockMode) -> bool {
        match self.claims.owner(key) {
            Some(owner) if owner == txn => return true,
            Some(owner) if !self.entries.contains_key(key) => {
                let entry = Entry::held_by(owner);
                self.entries.insert(key.clone(), entry);
                self.held.entry(owner).or_default().push(key.clone());
            }
            _ => {}
        }
        let entry = self.entries.entry(key.clone()).or_default();
        if entry.holds(txn, mode) {
            return true;
        }
        let held_before = entry.holds(txn, LockMode::Shared);
        // A newcomer does not overtake those who wait; one who holds already must, or nobody moves.
        let free = entry.free_for(txn, mode) && (held_before || entry.waiters().next().is_none());
        if free {
            entry.grant(txn, mode);
            if !held_before {
                self.held.entry(txn).or_default().push(key.clone());
            }
        } else if entry.is_empty() {
            self.entries.remove(key);
        }
        free
    }

    /// Asks for a lock; queues if it is taken.
    pub fn acquire(&mut self, txn: TxnId, key: &Bytes, mode: LockMode) -> Acquire {
        if self.try_acquire(txn, key, mode) {
            return Acquire::Granted;
        }
        let entry = self.entries.entry(key.clone()).or_default();
        let upgrade = entry.holds(txn, LockMode::Shared);
        let mut blockers: BTreeSet<TxnId> = entry.shared().collect();
        blockers.extend(entry.exclusive);
        if !upgrade {
            blockers.extend(entry.waiters().map(|w| w.txn));
        }
        blockers.remove(&txn);
        self.next_ticket += 1;
        let waiter = Waiter { txn, mode, ticket: self.next_ticket };
        entry.queue(waiter, upgrade);
        Acquire::Queued { ticket: self.next_ticket, blockers }
    }

    /// Takes a request out of the queue. Returns tickets that are granted thereby.
    pub fn cancel(&mut self, key: &Bytes, ticket: u64) -> Vec<u64> {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.cancel(ticket);
        }
        self.serve(key)
    }

    /// Gives up everything a transaction holds. Returns the tickets that are granted thereby.
    pub fn release(&mut self, txn: TxnId) -> Vec<u64> {
        let mut granted = Vec::new();
        self.claims.remove(txn);
        for key in self.held.remove(&txn).unwrap_or_default() {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.release(txn);
            }
            granted.extend(self.serve(&key));
        }
        granted
    }

    /// True if nobody holds or waits for anything.
    pub fn is_idle(&self) -> bool {
        self.entries.is_empty() && self.claims.is_empty()
    }

    fn serve(&mut self, key: &Bytes) -> Vec<u64> {
        let mut granted = Vec::new();
        let Some(entry) = self.entries.get_mut(key) else { return granted };
        while let Some(waiter) = entry.pop_free() {
            let held_before = entry.holds(waiter.txn, LockMode::Shared);
            entry.grant(waiter.txn, waiter.mode);
            if !held_before {
                self.held.entry(waiter.txn).or_default().push(key.clone());
            }
            granted.push(waiter.ticket);
        }
        if entry.is_empty() {
            self.entries.remove(key);
        }
        granted
    }
}

#[cfg(test)]
mod tests;
