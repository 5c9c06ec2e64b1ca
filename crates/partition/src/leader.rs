//! The leader's side of commits: one partition at once, or prepare and decide.

use crate::changes::{Changes, op_bytes};
use crate::handle::{CommitAck, CommitOne, PrepareAck, PrepareOne, Resolution, Write};
use crate::partition::{Inner, Partition};
use base::{Error, Lsn, Result, SqlState, Timestamp, TxnId};
use format::frame::Frame;
use format::record::{Op, Record};
use format::stage;
use std::mem;

/// Rows of one transaction beyond this many bytes travel in `Stage` records ahead of it, so that no
/// frame grows with the transaction.
const STAGE_BYTES: usize = 1 << 20;

impl Partition {
    /// See [`crate::PartitionHandle::commit`].
    pub(crate) async fn commit_one(&self, mut commit: CommitOne) -> Result<CommitAck> {
        let ops = self.to_ops(mem::take(&mut commit.writes), commit.snapshot)?;
        let changes = Changes { blocks: mem::take(&mut commit.blocks), ops };
        let (txn, guarding) = (commit.txn, commit.guarding);
        let look = self.look(commit.snapshot.unwrap_or_default(), &commit.reads)?;
        let ack = loop {
            {
                let _admission = self.admit(&changes).await?;
                let mut inner = self.inner.lock();
                inner.check_leader()?;
                if inner.is_free(txn, guarding, &changes)? {
                    inner.check_reads(look.as_ref(), txn, &commit.reads)?;
                    break self.append_txn(&mut inner, &commit, changes)?;
                }
            }
            // Without the admission: the guard's owner may need the room in the log.
            self.await_guards(txn, guarding, &changes).await?;
        };
        drop(look);
        if commit.sync {
            self.wait_durable(ack.lsn).await?;
        }
        Ok(ack)
    }

    fn append_txn(
        &self,
        inner: &mut Inner,
        commit: &CommitOne,
        changes: Changes,
    ) -> Result<CommitAck> {
        let state = self.state();
        let commit_ts = inner.order.assign(commit.floor);
        let (txn, origin) = (commit.txn, self.settings.cluster);
        let lsn =
            self.append(inner, txn, &changes, |ops| Record::Txn { txn, commit_ts, origin, ops })?;
        inner.staged.insert(txn, (lsn.0, Changes::default()));
        inner.apply_txn(&state, txn, commit_ts, lsn.1, changes);
        let woken = inner.locks.release(txn);
        inner.wake(woken);
        Ok(CommitAck { commit_ts, lsn: lsn.1 })
    }

    /// See [`crate::PartitionHandle::prepare`].
    pub(crate) async fn prepare_one(&self, mut prepare: PrepareOne) -> Result<PrepareAck> {
        let ops = self.to_ops(mem::take(&mut prepare.writes), prepare.snapshot)?;
        let changes = Changes { blocks: mem::take(&mut prepare.blocks), ops };
        let (txn, guarding, sync) = (prepare.txn, prepare.guarding, prepare.sync);
        let ack = loop {
            {
                let _admission = self.admit(&changes).await?;
                let mut inner = self.inner.lock();
                inner.check_leader()?;
                if inner.is_free(txn, guarding, &changes)? {
                    break self.append_prepare(&mut inner, prepare, changes)?;
                }
            }
            self.await_guards(txn, guarding, &changes).await?;
        };
        if sync {
            self.wait_durable(ack.lsn).await?;
        }
        Ok(ack)
    }

    fn append_prepare(
        &self,
        inner: &mut Inner,
        prepare: PrepareOne,
        changes: Changes,
    ) -> Result<PrepareAck> {
        let PrepareOne { txn, floor, participants, .. } = prepare;
        if inner.order.outcome(txn).is_some() {
            return Err(Error::new(
                SqlState::SERIALIZATION_FAILURE,
                "the transaction was given up while it was being committed",
            ));
        }
        let (ts, origin) = (inner.order.assign(floor), self.settings.cluster);
        let lsn = self.append(inner, txn, &changes, |ops| Record::Prepare {
            txn,
            prepare_ts: ts,
            origin,
            participants: participants.clone(),
            ops,
        })?;
        inner.staged.insert(txn, (lsn.0, Changes::default()));
        inner.apply_prepare(txn, ts, origin, participants, lsn.1, changes);
        Ok(PrepareAck { prepare_ts: ts, lsn: lsn.1 })
    }

    /// See [`crate::PartitionHandle::decide`].
    pub(crate) fn decide_one(&self, txn: TxnId, commit_ts: Option<Timestamp>) -> Result<()> {
        let mut inner = self.inner.lock();
        let state = self.state();
        let known = inner.order.prepared().contains_key(&txn);
        inner.apply_decide(&state, txn, commit_ts);
        let woken = inner.locks.release(txn);
        inner.wake(woken);
        if known && inner.check_leader().is_ok() {
            inner.unlogged.push_back((txn, commit_ts));
            // A decision that finds the disk full stands all the same; it is written before the
            // next closed timestamp, which followers wait for.
            let _ = self.log_decisions(&mut inner);
        }
        drop(inner);
        self.decided.notify_waiters();
        Ok(())
    }

    /// Writes decisions that are not in the log yet.
    fn log_decisions(&self, inner: &mut Inner) -> Result<()> {
        while let Some((txn, commit_ts)) = inner.unlogged.front().copied() {
            self.append(inner, txn, &Changes::default(), |_| Record::Decide { txn, commit_ts })?;
            inner.unlogged.pop_front();
        }
        Ok(())
    }

    /// See [`crate::PartitionHandle::resolve`].
    pub(crate) fn resolve_one(&self, txn: TxnId) -> Resolution {
        let mut inner = self.inner.lock();
        if let Some(outcome) = inner.order.outcome(txn) {
            return outcome.map_or(Resolution::Aborted, Resolution::Committed);
        }
        if let Some(prepared) = inner.order.prepared().get(&txn) {
            return Resolution::Prepared(prepared.ts);
        }
        inner.order.refuse(txn);
        Resolution::Absent
    }

    /// Promises that nothing at or below the returned timestamp will commit from now on; `None` if
    /// there is nothing new to promise.
    pub fn close(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        let mut inner = self.inner.lock();
        inner.check_leader()?;
        self.log_decisions(&mut inner)?;
        let Some(ts) = inner.order.closable(now) else { return Ok(None) };
        let (_, lsn) =
            self.append(&mut inner, TxnId(0), &Changes::default(), |_| Record::Closed { ts })?;
        inner.order.close(ts);
        inner.note_closed(ts, lsn);
        Ok(Some(ts))
    }

    /// True if the last record is not a closed timestamp, so that one is worth writing.
    pub fn unclosed(&self) -> bool {
        let inner = self.inner.lock();
        inner.order.last_commit() > inner.order.closed()
    }

    pub(crate) async fn wait_durable(&self, lsn: Lsn) -> Result<()> {
        self.log.wait_durable(self.settings.log_id, lsn).await.map_err(Error::outcome_unknown)
    }

    async fn admit(&self, changes: &Changes) -> Result<log::Admission> {
        self.log.admit(changes.bytes() + 4096).await
    }

    fn to_ops(&self, writes: Vec<Write>, snapshot: Option<Timestamp>) -> Result<Vec<Op>> {
        let state = self.state();
        let mut ops = Vec::with_capacity(writes.len());
        for write in writes {
            let prev = match write.prev {
                Some(prev) => prev,
                None => match state.newest(&write.key)? {
                    Some(v) if v.row.is_some() => v.ts,
                    _ => Timestamp::ZERO,
                },
            };
            if snapshot.is_some_and(|snapshot| prev > snapshot) {
                return Err(Error::new(
                    SqlState::SERIALIZATION_FAILURE,
                    "could not serialize access due to concurrent update",
                )
                .hint("run the transaction again"));
            }
            ops.push(Op { key: write.key, prev, row: write.row });
        }
        Ok(ops)
    }

    /// Appends a record, with `Stage` records ahead of it if the changes are many. Returns the first
    /// and the last position.
    pub(crate) fn append(
        &self,
        inner: &mut Inner,
        txn: TxnId,
        changes: &Changes,
        record: impl FnOnce(Vec<Op>) -> Record,
    ) -> Result<(Lsn, Lsn)> {
        let epoch = inner.epoch();
        let first = inner.end.next();
        let mut next = first;
        let mut frames = Vec::new();
        let mut push = |kind, payload| {
            frames.push(Frame { lsn: next, epoch, kind, payload });
            next = next.next();
        };
        for payload in stage::of_blocks(txn, &changes.blocks, STAGE_BYTES) {
            push(stage::kind(), payload);
        }
        let (mut rest, mut bytes) = (&changes.ops[..], 0);
        for (at, op) in changes.ops.iter().enumerate() {
            bytes += op_bytes(op);
            if bytes >= STAGE_BYTES {
                let done = changes.ops.len() - rest.len();
                let (these, after) = rest.split_at(at + 1 - done);
                push(stage::kind(), stage::of_ops(txn, these));
                (rest, bytes) = (after, 0);
            }
        }
        let record = record(rest.to_vec());
        push(record.kind(), record.encode());
        let last = self.log.append(self.settings.log_id, frames)?;
        inner.end = last;
        inner.history.note(epoch, first);
        Ok((first, last))
    }
}
