//! What this node has reserved of a sequence and not handed out yet.

use super::run::{Run, block, reserve, skip};
use crate::database::Database;
use crate::gate::WriterGuard;
use crate::transaction::TxnOptions;
use base::{Error, Result, SequenceDescriptor, SqlState};
use format::sequence::{SequenceState, state_key};
use parking_lot::Mutex;
use partition::{LockMode, LockWait};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// A block that is used up faster than this is followed by a larger one.
const QUICK: Duration = Duration::from_secs(1);

/// A sequence, or rather one of its generations, as this node hands it out.
#[derive(Debug, Default)]
pub(crate) struct Open {
    block: Mutex<Block>,
    /// Held by whoever changes the durable state, so that blocks come in order.
    refill: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Block {
    runs: VecDeque<Run>,
    /// Where it stands for people: the last value handed out, or set.
    shown: Option<(i64, bool)>,
    /// How many values the next refill reserves, and when the last one was.
    next: u64,
    filled: Duration,
    /// A refill is under way.
    filling: bool,
}

impl Block {
    fn left(&self) -> u64 {
        self.runs.iter().map(|r| r.count).sum()
    }

    fn take(&mut self, count: usize) -> Vec<i64> {
        let mut values = Vec::with_capacity(count);
        while let Some(run) = self.runs.front_mut() {
            values.extend(run.take((count - values.len()) as u64));
            if run.count == 0 {
                self.runs.pop_front();
            }
            if values.len() == count {
                break;
            }
        }
        if let Some(last) = values.last() {
            self.shown = Some((*last, true));
        }
        values
    }

    /// How much to reserve now, beyond what is asked for.
    fn size(&mut self, sequence: &SequenceDescriptor, now: Duration) -> u64 {
        let (least, most) = block(sequence);
        let quick = self.next > 0 && now.saturating_sub(self.filled) < QUICK;
        self.next = if quick { self.next.saturating_mul(2).min(most) } else { least };
        self.filled = now;
        self.next
    }
}

impl Open {
    /// The next values. Returns once they are reserved durably.
    ///
    /// # Errors
    /// 2200H if there are not as many.
    pub async fn next(
        self: &Arc<Self>,
        database: &Arc<Database>,
        sequence: &Arc<SequenceDescriptor>,
        count: usize,
    ) -> Result<Vec<i64>> {
        loop {
            {
                let mut block = self.block.lock();
                let left = block.left();
                if left >= count as u64 {
                    let values = block.take(count);
                    // Nobody should have to wait for the next block.
                    if left - (count as u64) < block.next / 2 && !block.filling {
                        block.filling = true;
                        self.refill_soon(database, sequence);
                    }
                    return Ok(values);
                }
            }
            let _alone = self.refill.lock().await;
            let missing = (count as u64).saturating_sub(self.block.lock().left());
            if missing > 0 {
                self.refill(database, sequence, missing, database.writers.join()).await?;
            }
        }
    }

    fn refill_soon(self: &Arc<Self>, database: &Arc<Database>, sequence: &Arc<SequenceDescriptor>) {
        let (open, database, sequence) = (self.clone(), database.clone(), sequence.clone());
        let guard = database.writers.join();
        let tasks = database.env.tasks.clone();
        let refill = async move {
            let _alone = open.refill.lock().await;
            if open.block.lock().filling {
                // Whoever needs the values will meet the same error.
                let _ = open.refill(&database, &sequence, 0, guard).await;
                open.block.lock().filling = false;
            }
        };
        tasks.spawn("sequence-refill", Box::pin(refill));
    }

    async fn refill(
        &self,
        database: &Arc<Database>,
        sequence: &SequenceDescriptor,
        missing: u64,
        guard: WriterGuard,
    ) -> Result<()> {
        let size = self.block.lock().size(sequence, database.env.clock.monotonic());
        let wanted = missing.max(size);
        let run = change(database, sequence, guard, |state| reserve(sequence, &state, wanted));
        let run = run.await?;
        self.block.lock().runs.push_back(run);
        Ok(())
    }

    /// Makes it stand somewhere else. What was reserved is given up.
    pub async fn set(
        &self,
        database: &Arc<Database>,
        sequence: &SequenceDescriptor,
        (last, called): (i64, bool),
    ) -> Result<()> {
        let _alone = self.refill.lock().await;
        let guard = database.writers.join();
        let to = |state: SequenceState| Ok(((), SequenceState { last, called, ..state }));
        change(database, sequence, guard, to).await?;
        let mut block = self.block.lock();
        *block = Block { shown: Some((last, called)), ..Block::default() };
        Ok(())
    }

    /// Where it stands and how many values are reserved beyond that; `None` if this node has not
    /// used it.
    pub fn shown(&self) -> Option<((i64, bool), u64)> {
        let block = self.block.lock();
        block.shown.map(|shown| (shown, block.left()))
    }

    /// Where exactly it stands. The caller keeps everybody else from using it.
    pub async fn settle(
        &self,
        database: &Arc<Database>,
        sequence: &SequenceDescriptor,
    ) -> Result<(i64, bool)> {
        if let Some((shown, _)) = self.shown() {
            return Ok(shown);
        }
        let key = state_key(sequence.id, sequence.generation);
        let found = database.partition(0)?.latest(vec![key]).await?.pop().flatten();
        let state = current(database, sequence, found.map(|row| row.row))?;
        Ok((state.last, state.called))
    }
}

/// The durable state, past what a lost primary may have reserved.
fn current(
    database: &Database,
    sequence: &SequenceDescriptor,
    row: Option<bytes::Bytes>,
) -> Result<SequenceState> {
    let row = row.ok_or_else(|| {
        let message = format!("relation \"{}\" does not exist", sequence.name);
        Error::new(SqlState::UNDEFINED_TABLE, message)
    })?;
    let state = SequenceState::decode(&format::row::decode(&row)?)?;
    let epoch = database.promotion_epoch();
    Ok(if state.epoch == epoch { state } else { skip(sequence, &state, epoch) })
}

/// Changes the durable state in a transaction of its own, which commits at once. Returns when it is
/// durable, also in a database whose commits do not wait.
async fn change<T>(
    database: &Arc<Database>,
    sequence: &SequenceDescriptor,
    guard: WriterGuard,
    advance: impl FnOnce(SequenceState) -> Result<(T, SequenceState)>,
) -> Result<T> {
    let key = (0, state_key(sequence.id, sequence.generation));
    let mut txn = database.begin(TxnOptions::default());
    txn.writer = Some(guard);
    let wanted = std::slice::from_ref(&key);
    txn.lock(wanted, LockMode::Exclusive, LockWait::Block(None)).await?;
    let found = txn.latest(wanted).await?.pop().flatten();
    let state = current(database, sequence, found.map(|row| row.row))?;
    let (given, after) = advance(state)?;
    let row = format::row::encode(&after.encode(sequence.id, sequence.generation));
    txn.write(0, key.1, Some(row))?;
    txn.commit().await?;
    if !database.sync()
        && let Some(first) = database.local_partitions().first()
    {
        first.settled(first.end()).await?;
    }
    Ok(given)
}
