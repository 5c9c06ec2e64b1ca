//! One lock of the table.

use crate::handle::LockMode;
use base::TxnId;
use std::collections::{BTreeSet, VecDeque};

/// Who waits for a lock.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) txn: TxnId,
    pub(super) mode: LockMode,
    pub(super) ticket: u64,
}

/// One lock: nearly always one writer holds it and nobody waits.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) exclusive: Option<TxnId>,
    rest: Option<Box<Rest>>,
}

/// Those who share a lock or wait for it.
#[derive(Debug, Default)]
struct Rest {
    shared: BTreeSet<TxnId>,
    waiters: VecDeque<Waiter>,
}

impl Entry {
    /// Held exclusively.
    pub(super) fn held_by(txn: TxnId) -> Entry {
        Entry { exclusive: Some(txn), rest: None }
    }

    pub(super) fn free_for(&self, txn: TxnId, mode: LockMode) -> bool {
        let no_writer = self.exclusive.is_none_or(|t| t == txn);
        match mode {
            LockMode::Shared => no_writer,
            LockMode::Exclusive => no_writer && self.shared().all(|t| t == txn),
        }
    }

    pub(super) fn holds(&self, txn: TxnId, mode: LockMode) -> bool {
        self.exclusive == Some(txn) || (mode == LockMode::Shared && self.shares(txn))
    }

    pub(super) fn shared(&self) -> impl Iterator<Item = TxnId> {
        self.rest.iter().flat_map(|rest| rest.shared.iter().copied())
    }

    fn shares(&self, txn: TxnId) -> bool {
        self.rest.as_ref().is_some_and(|rest| rest.shared.contains(&txn))
    }

    pub(super) fn waiters(&self) -> impl Iterator<Item = &Waiter> {
        self.rest.iter().flat_map(|rest| &rest.waiters)
    }

    pub(super) fn grant(&mut self, txn: TxnId, mode: LockMode) {
        match mode {
            LockMode::Shared => {
                self.rest.get_or_insert_default().shared.insert(txn);
            }
            LockMode::Exclusive => {
                self.change(|rest| rest.shared.remove(&txn));
                self.exclusive = Some(txn);
            }
        }
    }

    /// Queues a waiter: first, or last.
    pub(super) fn queue(&mut self, waiter: Waiter, first: bool) {
        let waiters = &mut self.rest.get_or_insert_default().waiters;
        match first {
            true => waiters.push_front(waiter),
            false => waiters.push_back(waiter),
        }
    }

    /// Takes the first waiter out of the queue, if nothing is in its way.
    pub(super) fn pop_free(&mut self) -> Option<Waiter> {
        self.waiters().next().filter(|first| self.free_for(first.txn, first.mode))?;
        self.change(|rest| rest.waiters.pop_front()).flatten()
    }

    /// Takes a waiter out of the queue.
    pub(super) fn cancel(&mut self, ticket: u64) {
        self.change(|rest| rest.waiters.retain(|w| w.ticket != ticket));
    }

    /// A transaction gives up what it holds.
    pub(super) fn release(&mut self, txn: TxnId) {
        self.change(|rest| rest.shared.remove(&txn));
        if self.exclusive == Some(txn) {
            self.exclusive = None;
        }
    }

    /// Changes who shares and waits, if there is anybody.
    fn change<T>(&mut self, change: impl FnOnce(&mut Rest) -> T) -> Option<T> {
        let rest = self.rest.as_mut()?;
        let done = change(rest);
        if rest.shared.is_empty() && rest.waiters.is_empty() {
            self.rest = None;
        }
        Some(done)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exclusive.is_none() && self.rest.is_none()
    }
}
