//! Blind apply: what one log record does to the state, the same for replay, followers and
//! the leader itself.

use crate::order::Prepared;
use crate::partition::Inner;
use base::{ClusterId, Error, Lsn, Result, StorageId, Timestamp, TxnId};
use format::frame::Frame;
use format::record::{Op, Record};
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
        let record = Record::decode(frame.kind, &frame.payload)?;
        self.end = frame.lsn;
        self.history.note(frame.epoch, frame.lsn);
        match record {
            Record::Stage { txn, mut ops } => {
                let staged = self.staged.entry(txn).or_insert_with(|| (frame.lsn, Vec::new()));
                staged.1.append(&mut ops);
            }
            Record::Txn { txn, commit_ts, ops, .. } => {
                self.apply_txn(state, txn, commit_ts, frame.lsn, ops);
            }
            Record::Prepare { txn, prepare_ts, origin, participants, ops } => {
                self.apply_prepare(txn, prepare_ts, origin, participants, frame.lsn, ops);
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

    fn unstage(&mut self, txn: TxnId, lsn: Lsn, ops: Vec<Op>) -> (Lsn, Vec<Op>) {
        match self.staged.remove(&txn) {
            Some((first, mut all)) => {
                all.extend(ops);
                (first, all)
            }
            None => (lsn, ops),
        }
    }

    /// A commit in one partition.
    pub fn apply_txn(
        &mut self,
        state: &State,
        txn: TxnId,
        commit_ts: Timestamp,
        lsn: Lsn,
        ops: Vec<Op>,
    ) {
        let (first, ops) = self.unstage(txn, lsn, ops);
        self.note_catalog(commit_ts, &ops);
        self.watch.note(&ops);
        state.apply(commit_ts, lsn, &ops);
        self.order.committed(first, commit_ts);
        self.transactions += 1;
    }

    /// A prepare.
    pub fn apply_prepare(
        &mut self,
        txn: TxnId,
        ts: Timestamp,
        origin: ClusterId,
        participants: Vec<u16>,
        lsn: Lsn,
        ops: Vec<Op>,
    ) {
        let (first, ops) = self.unstage(txn, lsn, ops);
        self.order.prepare(txn, Prepared { ts, lsn, first, origin, participants, ops });
    }

    /// A decision.
    pub fn apply_decide(&mut self, state: &State, txn: TxnId, commit_ts: Option<Timestamp>) {
        let Some(prepared) = self.order.decide(txn, commit_ts) else { return };
        if let Some(ts) = commit_ts {
            self.note_catalog(ts, &prepared.ops);
            self.watch.note(&prepared.ops);
            state.apply(ts, prepared.lsn, &prepared.ops);
            self.transactions += 1;
        }
    }

    /// A new epoch: everything above its cut is void.
    pub fn apply_cut(&mut self, state: &State, cut: Timestamp) {
        state.drop_above(cut);
        let undecided: Vec<TxnId> = self.order.prepared().keys().copied().collect();
        for txn in undecided {
            let woken = self.locks.release(txn);
            self.wake(woken);
        }
        self.staged.clear();
        self.order.cut(cut);
        self.catalog_changes.retain(|ts| *ts <= cut);
        self.closing.clear();
        self.closes.retain(|(ts, _)| *ts <= cut);
        self.durable_closed = self.durable_closed.min(cut);
    }

    fn note_catalog(&mut self, ts: Timestamp, ops: &[Op]) {
        // Keys sort by storage, and the catalog's is the lowest: the first op tells.
        let touched =
            ops.first().is_some_and(|op| format::key::storage_of(&op.key) == StorageId::CATALOG);
        if touched {
            let at = self.catalog_changes.partition_point(|t| *t < ts);
            if self.catalog_changes.get(at) != Some(&ts) {
                self.catalog_changes.insert(at, ts);
            }
        }
    }
}
