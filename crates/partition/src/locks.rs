//! Row locks: a pure table of who holds and who waits, and a graph that finds deadlocks.
//!
//! Waiters are served in order; a holder that strengthens its lock goes first. Deadlocks are found
//! when a wait begins: an edge goes to every holder and every earlier waiter in the way, and a path
//! back to the one who asks makes it the victim (40P01). No new cycle can arise later, since a
//! transaction that waits asks for nothing else.

use crate::handle::LockMode;
use base::TxnId;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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

#[derive(Debug)]
struct Waiter {
    txn: TxnId,
    mode: LockMode,
    ticket: u64,
}

#[derive(Debug, Default)]
struct Entry {
    exclusive: Option<TxnId>,
    shared: BTreeSet<TxnId>,
    waiters: VecDeque<Waiter>,
}

impl Entry {
    fn free_for(&self, txn: TxnId, mode: LockMode) -> bool {
        let no_writer = self.exclusive.is_none_or(|t| t == txn);
        match mode {
            LockMode::Shared => no_writer,
            LockMode::Exclusive => no_writer && self.shared.iter().all(|t| *t == txn),
        }
    }

    fn holds(&self, txn: TxnId, mode: LockMode) -> bool {
        self.exclusive == Some(txn) || (mode == LockMode::Shared && self.shared.contains(&txn))
    }

    fn grant(&mut self, txn: TxnId, mode: LockMode) {
        match mode {
            LockMode::Shared => {
                self.shared.insert(txn);
            }
            LockMode::Exclusive => {
                self.shared.remove(&txn);
                self.exclusive = Some(txn);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.exclusive.is_none() && self.shared.is_empty() && self.waiters.is_empty()
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
    next_ticket: u64,
}

impl LockTable {
    /// Asks for a lock without queueing.
    pub fn try_acquire(&mut self, txn: TxnId, key: &Bytes, mode: LockMode) -> bool {
        let entry = self.entries.entry(key.clone()).or_default();
        if entry.holds(txn, mode) {
            return true;
        }
        let held_before = entry.holds(txn, LockMode::Shared);
        // A newcomer does not overtake those who wait; one who holds already must, or nobody moves.
        let free = entry.free_for(txn, mode) && (held_before || entry.waiters.is_empty());
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
        let mut blockers: BTreeSet<TxnId> = entry.shared.iter().copied().collect();
        blockers.extend(entry.exclusive);
        if !upgrade {
            blockers.extend(entry.waiters.iter().map(|w| w.txn));
        }
        blockers.remove(&txn);
        self.next_ticket += 1;
        let waiter = Waiter { txn, mode, ticket: self.next_ticket };
        if upgrade {
            entry.waiters.push_front(waiter);
        } else {
            entry.waiters.push_back(waiter);
        }
        Acquire::Queued { ticket: self.next_ticket, blockers }
    }

    /// Takes a request out of the queue. Returns tickets that are granted thereby.
    pub fn cancel(&mut self, key: &Bytes, ticket: u64) -> Vec<u64> {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.waiters.retain(|w| w.ticket != ticket);
        }
        self.serve(key)
    }

    /// Gives up everything a transaction holds. Returns the tickets that are granted thereby.
    pub fn release(&mut self, txn: TxnId) -> Vec<u64> {
        let mut granted = Vec::new();
        for key in self.held.remove(&txn).unwrap_or_default() {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.shared.remove(&txn);
                if entry.exclusive == Some(txn) {
                    entry.exclusive = None;
                }
            }
            granted.extend(self.serve(&key));
        }
        granted
    }

    /// True if nobody holds or waits for anything.
    pub fn is_idle(&self) -> bool {
        self.entries.is_empty()
    }

    fn serve(&mut self, key: &Bytes) -> Vec<u64> {
        let mut granted = Vec::new();
        let Some(entry) = self.entries.get_mut(key) else { return granted };
        while let Some(first) = entry.waiters.front() {
            if !entry.free_for(first.txn, first.mode) {
                break;
            }
            let Some(waiter) = entry.waiters.pop_front() else { break };
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
