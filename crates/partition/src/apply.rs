//! Blind apply: what one log record does to the state, the same for replay, followers and
//! the leader itself.

use crate::changes::Changes;
use crate::order::Prepared;
use crate::partition::Inner;
use base::{ClusterId, Error, Lsn, Result, Timestamp, TxnId};
use format::frame::Frame;
use format::record::Record;
use format::stage;
use state::State;

impl Inner {
    /// Applies a record read from a log. Never reads state.
    pub fn apply_frame(&mut self, state: &State, frame: &Frame) -> Result<()> {
        if frame.lsn != self.end.next() {
            return Err(Error::corrupt(format!(
                "log record {} follows {}: the log is not dense",
                frame.lsn, self.end
            )));
        }
        if let Some((txn, block)) = stage::new_rows(frame.kind, &frame.payload)? {
            self.end = frame.lsn;
            self.history.note(frame.epoch, frame.lsn);
            self.stage(txn, frame.lsn, Changes { blocks: vec![block], ops: Vec::new() });
            return Ok(());
        }
        let record = Record::decode(frame.kind, &frame.payload)?;
        self.end = frame.lsn;
        self.history.note(frame.epoch, frame.lsn);
        match record {
            Record::Stage { txn, ops } => self.stage(txn, frame.lsn, ops.into()),
            Record::Txn { txn, commit_ts, ops, .. } => {
                self.apply_txn(state, txn, commit_ts, frame.lsn, ops.into());
            }
            Record::Prepare { txn, prepare_ts, origin, participants, ops } => {
                self.apply_prepare(txn, prepare_ts, origin, participants, frame.lsn, ops.into());
            }
            Record::Decide { txn, commit_ts } => self.apply_decide(state, txn, commit_ts),
            Record::Closed { ts } => {
                self.order.close(ts);
                self.note_closed(ts, frame.lsn);
            }
            Record::EpochStart { cut, .. } => {
                self.cuts.insert(frame.epoch, cut);
                self.apply_cut(state, cut);
            }
            Record::Gate { .. } => {}
        }
        Ok(())
    }

    fn stage(&mut self, txn: TxnId, lsn: Lsn, changes: Changes) {
        self.staged.entry(txn).or_insert_with(|| (lsn, Changes::default())).1.append(changes);
    }

    fn unstage(&mut self, txn: TxnId, lsn: Lsn, changes: Changes) -> (Lsn, Changes) {
        match self.staged.remove(&txn) {
            Some((first, mut all)) => {
                all.append(changes);
                (first, all)
            }
            None => (lsn, changes),
        }
    }

    /// A commit in one partition.
    pub fn apply_txn(
        &mut self,
        state: &State,
        txn: TxnId,
        commit_ts: Timestamp,
        lsn: Lsn,
        changes: Changes,
    ) {
        let (first, changes) = self.unstage(txn, lsn, changes);
        self.show(state, commit_ts, lsn, changes);
        self.order.committed(first, commit_ts);
        self.transactions += 1;
    }

    /// Changes become visible at a timestamp.
    fn show(&mut self, state: &State, ts: Timestamp, lsn: Lsn, changes: Changes) {
        if changes.touches_catalog() {
            let at = self.catalog_changes.partition_point(|t| *t < ts);
            if self.catalog_changes.get(at) != Some(&ts) {
                self.catalog_changes.insert(at, ts);
            }
        }
        self.watch.note(&changes);
        state.apply_blocks(ts, lsn, changes.blocks);
        state.apply(ts, lsn, &changes.ops);
    }

    /// A prepare.
    pub fn apply_prepare(
        &mut self,
        txn: TxnId,
        ts: Timestamp,
        origin: ClusterId,
        participants: Vec<u16>,
        lsn: Lsn,
        changes: Changes,
    ) {
        let (first, changes) = self.unstage(txn, lsn, changes);
        self.order.prepare(txn, Prepared { ts, lsn, first, origin, participants, changes });
    }

    /// A decision.
    pub fn apply_decide(&mut self, state: &State, txn: TxnId, commit_ts: Option<Timestamp>) {
        let Some(prepared) = self.order.decide(txn, commit_ts) else { return };
        if let Some(ts) = commit_ts {
            self.show(state, ts, prepared.lsn, prepared.changes);
            self.transactions += 1;
        }
    }

    /// A new epoch: everything above its cut is void, and what it finds undecided.
    fn apply_cut(&mut self, state: &State, cut: Timestamp) {
        let undecided: Vec<TxnId> = self.order.prepared().keys().copied().collect();
        for txn in undecided {
            let woken = self.locks.release(txn);
            self.wake(woken);
        }
        self.staged.clear();
        self.order.void_undecided();
        self.go_back(state, cut);
    }

    /// Nothing was committed above a cut. What is undecided stays so: the log that leads on from here
    /// may decide it before the epoch with this cut begins.
    pub fn go_back(&mut self, state: &State, cut: Timestamp) {
        state.drop_above(cut);
        self.order.cut(cut);
        self.catalog_changes.retain(|ts| *ts <= cut);
        self.closing.clear();
        self.closes.retain(|(ts, _)| *ts <= cut);
        self.durable_closed = self.durable_closed.min(cut);
    }
}
