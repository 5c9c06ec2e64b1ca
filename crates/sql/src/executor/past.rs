//! Statements that read the past. They run in a transaction of their own, which reads only: what the
//! session's transaction has written, and its snapshot, have no part in them.

use super::{Current, Executor};
use crate::statement::SystemTime;
use base::{Error, Result, SqlState, Timestamp};
use txn::{Isolation, Transaction, TxnOptions};

impl Executor {
    /// The timestamp that a time means now.
    pub fn resolve(&self, time: SystemTime) -> Timestamp {
        time.at(self.engine.oracle.now())
    }

    /// A transaction that reads as of a time, beside the session's.
    pub(super) fn past(&self, beside: &Transaction, time: SystemTime) -> Result<Transaction> {
        let ts = self.resolve(time);
        if beside.is_past() && beside.read_ts() != ts {
            return Err(Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "this transaction reads as of another time",
            )
            .detail(format!("it reads as of {}", beside.read_ts().utc())));
        }
        let options = TxnOptions { isolation: Isolation::RepeatableRead, read_only: true };
        let mut txn = beside.database().begin(options);
        txn.read_as_of(ts)?;
        Ok(txn)
    }

    /// Puts aside what is remembered of the session's transaction, until the result is dropped.
    pub(super) fn apart(&self) -> Apart<'_> {
        Apart { executor: self, kept: std::mem::take(&mut *self.current.lock()) }
    }
}

/// See [`Executor::apart`].
pub(super) struct Apart<'a> {
    executor: &'a Executor,
    kept: Current,
}

impl Drop for Apart<'_> {
    fn drop(&mut self) {
        *self.executor.current.lock() = std::mem::take(&mut self.kept);
    }
}
