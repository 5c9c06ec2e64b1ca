//! Sequences: values that are never given twice, whatever crashes.
//!
//! ```text
//!   nextval ─▶ handle ─▶ made in this transaction? ─▶ its own state, written at commit
//!                │ no
//!                ▼
//!              Open (one per generation, in memory): values reserved and not handed out yet
//!                │ used up
//!                ▼
//!              a transaction of its own: state row in partition 0 ─▶ durable ─▶ more values
//! ```
//!
//! # The protocol
//! 1. Who uses a sequence shares its descriptor's lock until its transaction ends, so that nobody
//!    changes it meanwhile; the state itself is locked only for the moment of a reservation.
//! 2. Values are reserved in blocks: the state row says up to where. It is durable before the first
//!    value of the block goes out. The next block is asked for when half of the last is used.
//! 3. A change that moves a sequence (`RESTART`, other bounds) makes a new *generation* with a state
//!    row of its own, in the transaction that changes it: until it commits everybody else waits, and
//!    if it rolls back nothing has happened.
//! 4. A state row names the promotion epoch that wrote it. The first reservation in a later epoch
//!    leaves out as many values as the lost primary may have reserved since.
//!
//! # On a crash
//! What was reserved and not handed out is lost: a gap, at most one block.

mod open;
mod own;
mod run;

pub(crate) use open::Open;
pub(crate) use own::Own;

use crate::database::Database;
use base::{Error, Result, SequenceDescriptor, SqlState, TableId, TxnId};
use parking_lot::Mutex;
use partition::{LockMode, LockRequest, LockWait};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// Values of sequences for one transaction. Cheap to clone; of no use after its end.
#[derive(Clone, Debug)]
pub struct SequenceHandle {
    database: Arc<Database>,
    txn: TxnId,
    wait: LockWait,
    own: Weak<Mutex<Own>>,
    /// Sequences that the transaction has made, changed or (`None`) dropped.
    changed: BTreeMap<TableId, Option<Arc<SequenceDescriptor>>>,
}

impl SequenceHandle {
    /// The next values, in order.
    ///
    /// # Errors
    /// 2200H if the sequence has reached its end, 42P01 if it is gone.
    pub async fn next(&self, id: TableId, count: usize) -> Result<Vec<i64>> {
        let own = self.alive()?;
        let sequence = self.find(&own, id).await?;
        let values = own.lock().next(&sequence, count)?;
        match values {
            Some(values) => Ok(values),
            None => {
                let open = self.database.open_sequence(&sequence);
                open.next(&self.database, &sequence, count).await
            }
        }
    }

    /// Makes a sequence stand at a value: `called` if that one counts as handed out.
    ///
    /// # Errors
    /// 22003 if the value is not between its bounds.
    pub async fn set(&self, id: TableId, value: i64, called: bool) -> Result<()> {
        let own = self.alive()?;
        let sequence = self.find(&own, id).await?;
        if !(sequence.min..=sequence.max).contains(&value) {
            return Err(Error::new(
                SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                format!(
                    "setval: value {value} is out of bounds for sequence \"{}\" ({}..{})",
                    sequence.name, sequence.min, sequence.max
                ),
            ));
        }
        if own.lock().set(&sequence, (value, called)) {
            return Ok(());
        }
        let open = self.database.open_sequence(&sequence);
        open.set(&self.database, &sequence, (value, called)).await
    }

    fn alive(&self) -> Result<Arc<Mutex<Own>>> {
        self.own.upgrade().ok_or_else(|| {
            Error::new(
                SqlState::NO_ACTIVE_SQL_TRANSACTION,
                "the transaction that wanted a sequence's value has ended",
            )
        })
    }

    /// The sequence as it is now, kept from being changed until the transaction ends.
    async fn find(&self, own: &Mutex<Own>, id: TableId) -> Result<Arc<SequenceDescriptor>> {
        if let Some(changed) = self.changed.get(&id) {
            return changed.clone().ok_or_else(gone);
        }
        let used = own.lock().used.get(&id).cloned();
        if let Some(used) = used {
            return Ok(used);
        }
        let key = format::catalog::key(id);
        let first = self.database.partition(0)?;
        let (txn, mode, wait) = (self.txn, LockMode::Shared, self.wait);
        first.lock(LockRequest { txn, keys: vec![key.clone()], mode, wait }).await?;
        let row = first.latest(vec![key]).await?.pop().flatten().ok_or_else(gone)?;
        let sequence = Arc::new(format::sequence::decode(&format::row::decode(&row.row)?)?);
        own.lock().used.insert(id, sequence.clone());
        Ok(sequence)
    }
}

impl Database {
    /// The last value of a sequence and whether it was handed out, as far as this node knows;
    /// `None` if the sequence is gone.
    pub async fn sequence_value(&self, s: &SequenceDescriptor) -> Result<Option<(i64, bool)>> {
        if let Some((shown, _)) = self.open_sequence(s).shown() {
            return Ok(Some(shown));
        }
        let key = format::sequence::state_key(s.id, s.generation);
        let Some(row) = self.partition(0)?.latest(vec![key]).await?.pop().flatten() else {
            return Ok(None);
        };
        let state = format::sequence::SequenceState::decode(&format::row::decode(&row.row)?)?;
        Ok(Some((state.last, state.called)))
    }
}

fn gone() -> Error {
    Error::new(SqlState::UNDEFINED_TABLE, "the sequence does not exist any more")
        .hint("run the statement again")
}
