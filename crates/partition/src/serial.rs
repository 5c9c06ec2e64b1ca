//! The leader's side of SERIALIZABLE: what a transaction has read is checked, and kept as it is
//! until the transaction has its place in the order.

use crate::changes::Changes;
use crate::guards::Way;
use crate::handle::GuardOne;
use crate::partition::{Inner, Partition};
use crate::reads::ReadSet;
use base::{Error, Result, SqlState, Timestamp, TxnId};

/// A comparison of what was read with the present, which has begun and will end under the mutex.
pub(crate) struct Look<'a> {
    partition: &'a Partition,
    who: u64,
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        self.partition.inner.lock().watch.end(self.who);
    }
}

impl Partition {
    /// Compares what was read at `snapshot` with what is there now; from here on the [`Watch`]
    /// notes what comes. `None` if nothing was read.
    ///
    /// # Errors
    /// 40001 if something is newer.
    ///
    /// [`Watch`]: crate::watch::Watch
    pub(crate) fn look(&self, snapshot: Timestamp, reads: &ReadSet) -> Result<Option<Look<'_>>> {
        if reads.is_empty() {
            return Ok(None);
        }
        let who = self.inner.lock().watch.begin();
        let look = Look { partition: self, who };
        let state = self.state();
        for (start, end) in reads.ranges() {
            if state.changed_since(snapshot, start, end)? {
                return Err(changed());
            }
        }
        Ok(Some(look))
    }

    /// See [`crate::PartitionHandle::guard`].
    pub(crate) fn guard_one(&self, guard: &GuardOne) -> Result<()> {
        let look = self.look(guard.snapshot, &guard.reads)?;
        let mut inner = self.inner.lock();
        inner.check_leader()?;
        inner.check_reads(look.as_ref(), guard.txn, &guard.reads)?;
        inner.guards.stand(guard.txn, &guard.reads);
        Ok(())
    }

    /// See [`crate::PartitionHandle::unguard`].
    pub(crate) fn unguard_one(&self, txn: TxnId, commit_ts: Option<Timestamp>) {
        let mut inner = self.inner.lock();
        inner.guards.fall(txn);
        if let Some(ts) = commit_ts {
            inner.order.passed(ts);
        }
        drop(inner);
        self.unguarded.notify_waiters();
    }

    /// Waits until no guard is in the way of these writes.
    ///
    /// # Errors
    /// 40001 if the owner of the guard may have to wait for this transaction.
    pub(crate) async fn await_guards(
        &self,
        txn: TxnId,
        guarding: bool,
        changes: &Changes,
    ) -> Result<()> {
        loop {
            let fallen = self.unguarded.notified();
            tokio::pin!(fallen);
            fallen.as_mut().enable();
            if self.inner.lock().is_free(txn, guarding, changes)? {
                return Ok(());
            }
            fallen.await;
        }
    }
}

impl Inner {
    /// True if no guard is in the way of these writes; fails as [`Partition::await_guards`].
    pub(crate) fn is_free(&self, txn: TxnId, guarding: bool, changes: &Changes) -> Result<bool> {
        if self.guards.is_empty() {
            return Ok(true);
        }
        match self.guards.way(txn, guarding, changes) {
            Way::Free => Ok(true),
            Way::Wait => Ok(false),
            Way::GiveWay => Err(conflict(
                "Rows that it writes were read by a transaction that is \
                                          being committed.",
            )),
        }
    }

    /// Ends a [`Partition::look`]: nothing of what was read has changed since it began, and nobody has
    /// it under way to change it.
    ///
    /// # Errors
    /// 40001.
    pub(crate) fn check_reads(
        &self,
        look: Option<&Look<'_>>,
        txn: TxnId,
        reads: &ReadSet,
    ) -> Result<()> {
        let Some(look) = look else { return Ok(()) };
        if self.watch.touched(look.who, reads) {
            return Err(changed());
        }
        if reads.ranges().any(|(start, end)| self.order.undecided_in(txn, start, end)) {
            return Err(conflict(
                "Rows that it read are being changed by a transaction that is being committed.",
            ));
        }
        Ok(())
    }
}

fn changed() -> Error {
    conflict("Rows that it read were changed after its snapshot.")
}

fn conflict(detail: &str) -> Error {
    Error::new(
        SqlState::SERIALIZATION_FAILURE,
        "could not serialize access due to read/write dependencies among transactions",
    )
    .detail(detail)
    .hint("The transaction might succeed if retried.")
}
