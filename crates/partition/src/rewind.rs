//! Promotion, and the way back: a new epoch at a cut, what diverged, and taking it out.

use crate::partition::{Partition, Role};
use base::{ClusterId, Epoch, Error, Lsn, Result, SqlState, Timestamp, TxnId};
use bytes::Bytes;
use format::frame::Frame;
use format::record::{Op, Record};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many bytes of log are decoded at a time when looking for what diverged.
const READ_BYTES: usize = 8 << 20;

/// A transaction's part in this partition that the other line of history does not have.
#[derive(Clone, Debug)]
pub struct DivergedTxn {
    /// Which transaction.
    pub txn: TxnId,
    /// Who wrote it.
    pub epoch: Epoch,
    /// Its place in the abandoned log.
    pub lsn: Lsn,
    /// When it committed, or could have at the earliest.
    pub commit_ts: Timestamp,
    /// The cluster that accepted it.
    pub origin: ClusterId,
    /// False if it was prepared but its decision is not known here.
    pub decided: bool,
    /// All partitions that took part; only this one if empty.
    pub participants: Vec<u16>,
    /// What it did, with the row that was there before.
    pub ops: Vec<(Op, Option<Bytes>)>,
}

impl Partition {
    /// Begins an epoch of this cluster: everything above `cut` is void, this node leads. Durable
    /// when it returns. Does nothing if `epoch` has begun here already.
    pub async fn start_epoch(&self, epoch: Epoch, cut: Timestamp, reason: &str) -> Result<()> {
        let _admission = self.log.admit(4096).await?;
        let lsn = {
            let mut inner = self.inner.lock();
            if inner.history.last() == Some(epoch) {
                inner.role = Role::Leader;
                inner.end
            } else {
                if inner.history.last().is_some_and(|last| last > epoch) {
                    return Err(Error::internal(format!(
                        "epoch {epoch} cannot begin after {}",
                        inner.epoch()
                    )));
                }
                let record =
                    Record::EpochStart { cut, previous_end: inner.end, reason: reason.to_owned() };
                let lsn = inner.end.next();
                let frame = Frame { lsn, epoch, kind: record.kind(), payload: record.encode() };
                self.log.append(self.settings.log_id, vec![frame.clone()])?;
                let state = self.state();
                inner.apply_frame(&state, &frame)?;
                inner.role = Role::Leader;
                lsn
            }
        };
        self.settled(lsn).await?;
        self.decided.notify_waiters();
        Ok(())
    }

    /// What this log has after `common` or above `cut` and was not void already: what the other
    /// line never saw. First makes sure that the state reaches back to the cut, so that the rows
    /// of before can be told; nothing a reader sees changes.
    ///
    /// # Errors
    /// 55000 if no manifest at or below the cut is kept: then only a full copy helps.
    pub async fn diverged(
        self: &Arc<Self>,
        common: Lsn,
        cut: Timestamp,
    ) -> Result<Vec<DivergedTxn>> {
        let _upkeep = self.upkeep.lock().await;
        let this = self.clone();
        self.env
            .blocking(move || {
                this.reach_back(this.lowest_cut(common, cut)?)?;
                this.collect(common, cut)
            })
            .await
            .unwrap_or_else(|| Err(Error::internal("looking for diverged rows failed")))
    }

    /// Above it, what is here may be of this line alone: the cut of the other line, or a lower one at
    /// which an epoch began here after the common point. What that epoch gave up can be valid in the
    /// other line, and chunks written in it are of no use there.
    ///
    /// # Errors
    /// 55000 if a cut is known neither to the chunks nor to the log.
    pub fn lowest_cut(&self, common: Lsn, cut: Timestamp) -> Result<Timestamp> {
        let own = self.cut_after(common)?;
        Ok(own.map_or(cut, |own| own.min(cut)))
    }

    /// True if the state can go back to a common point, and the cut of the line that leads on from
    /// there, without a full copy.
    pub fn reaches_back(&self, common: Lsn, cut: Timestamp) -> bool {
        self.lowest_cut(common, cut).is_ok_and(|cut| self.reaches(cut))
    }

    /// True if a manifest at or below `cut` is kept, and the log from there on.
    fn reaches(&self, cut: Timestamp) -> bool {
        let first = self.first();
        let kept = self.state().manifests();
        let logged = |from: Lsn| first <= from || from > self.end();
        kept.iter().any(|m| m.ts <= cut && logged(m.replay_from))
    }

    /// The oldest time to which the state can go back, in its own line. If that is
    /// its beginning, the first time that was closed: there was nothing before.
    pub fn oldest_cut(&self) -> Timestamp {
        let first = self.first();
        let logged = |from: Lsn| first <= from || from > self.end();
        let kept = self.state().manifests();
        let reached = kept.iter().filter(|m| logged(m.replay_from)).map(|m| m.ts);
        let oldest = reached.min().unwrap_or(Timestamp::MAX);
        if oldest > Timestamp::ZERO {
            return oldest;
        }
        self.inner.lock().closes.front().map_or(Timestamp::MAX, |(ts, _)| *ts)
    }

    fn reach_back(&self, cut: Timestamp) -> Result<()> {
        let complete = !self.inner.lock().incomplete;
        if self.manifest().ts <= cut && complete {
            return Ok(());
        }
        if !self.reaches(cut) {
            return Err(Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "the log and the manifests no longer reach back to the common point",
            ));
        }
        // Should the disk fail between the two, the next try must replay the log all the same.
        self.inner.lock().incomplete = true;
        self.state().drop_manifests_above(cut)?;
        self.reopen()
    }

    /// The transactions in the log after `common`, or committed above `cut`, or that may have been,
    /// without the rows that were there before. As [`Partition::diverged`], but changes nothing:
    /// what chunks have and the log has not is left out.
    pub async fn beyond(self: &Arc<Self>, common: Lsn, cut: Timestamp) -> Result<Vec<DivergedTxn>> {
        let this = self.clone();
        let look = move || {
            let after = Lsn(common.0.saturating_add(1));
            let from = this.manifest().replay_from.min(after).max(this.first());
            let found = this.logged(from)?.into_values();
            Ok(found.filter(|txn| txn.lsn > common || txn.commit_ts > cut).collect())
        };
        let found = self.env.blocking(look).await;
        found.unwrap_or_else(|| Err(Error::internal("reading the log failed")))
    }

    /// The transactions in the log from a position on, without those that an epoch's start has made
    /// void.
    fn logged(&self, mut next: Lsn) -> Result<BTreeMap<TxnId, DivergedTxn>> {
        let mut found: BTreeMap<TxnId, DivergedTxn> = BTreeMap::new();
        let mut staged: BTreeMap<TxnId, Vec<Op>> = BTreeMap::new();
        let end = self.end();
        while next <= end {
            let frames = self.read_frames(next, READ_BYTES)?;
            if frames.is_empty() {
                break;
            }
            for frame in &frames {
                next = frame.lsn.next();
                note(frame, &mut found, &mut staged)?;
            }
        }
        Ok(found)
    }

    fn collect(&self, common: Lsn, cut: Timestamp) -> Result<Vec<DivergedTxn>> {
        let state = self.state();
        let oldest = self.manifest().ts;
        let from = self.inner.lock().order.first_beyond(common, cut);
        let found = self.logged(from.max(self.manifest().replay_from))?;
        let mut diverged: Vec<DivergedTxn> =
            found.into_values().filter(|txn| txn.lsn > common || txn.commit_ts > cut).collect();
        for txn in &mut diverged {
            for (op, old) in &mut txn.ops {
                // What an index entry was before, its row tells.
                let is_entry = format::key::storage_of(&op.key).is_index();
                if op.prev > Timestamp::ZERO && !is_entry {
                    // Not at `op.prev`: the manifest may be newer than that.
                    let before = txn.commit_ts.prev().max(oldest);
                    *old = state.get(&op.key, before)?.and_then(|v| v.row);
                }
            }
        }
        diverged.sort_by_key(|txn| (txn.commit_ts, txn.lsn));
        Ok(diverged)
    }

    /// Goes back to the common point: versions above the cut and the log's tail are gone. The
    /// caller has made the vault durable. The partition follows from here on. What is undecided at
    /// that point stays so, as the other line's log goes on from there.
    pub async fn rewind(self: &Arc<Self>, common: Lsn, cut: Timestamp) -> Result<()> {
        let _upkeep = self.upkeep.lock().await;
        let this = self.clone();
        self.env
            .blocking(move || {
                this.set_role(Role::Follower);
                this.reach_back(this.lowest_cut(common, cut)?)?;
                if this.follow_on(common, cut) {
                    return Ok(());
                }
                this.log.truncate_after(this.settings.log_id, common)?;
                if let Err(error) = this.reopen() {
                    // The log ends there already, whatever is still in memory.
                    let mut inner = this.inner.lock();
                    inner.end = inner.end.min(common);
                    inner.history.truncate_after(common);
                    return Err(error);
                }
                let mut inner = this.inner.lock();
                let state = this.state();
                inner.go_back(&state, cut);
                Ok(())
            })
            .await
            .unwrap_or_else(|| Err(Error::internal("the rewind failed")))
    }
}

impl Partition {
    /// Goes on as a follower if there is nothing to take out, as after a planned handover: what is
    /// in memory need not be read again.
    fn follow_on(&self, common: Lsn, cut: Timestamp) -> bool {
        let mut inner = self.inner.lock();
        let whole = common >= inner.end && !inner.incomplete && !inner.order.has_above(cut);
        if !whole || !inner.staged.is_empty() || !inner.unlogged.is_empty() {
            return false;
        }
        inner.let_go();
        inner.go_back(&self.state(), cut);
        drop(inner);
        self.decided.notify_waiters();
        true
    }
}

/// Collects one record; an epoch's start makes what it cuts off void, which was dealt with then.
fn note(
    frame: &Frame,
    found: &mut BTreeMap<TxnId, DivergedTxn>,
    staged: &mut BTreeMap<TxnId, Vec<Op>>,
) -> Result<()> {
    let mut add = |txn, commit_ts, origin, decided, participants, mut ops: Vec<Op>| {
        let mut all = staged.remove(&txn).unwrap_or_default();
        all.append(&mut ops);
        let ops = all.into_iter().map(|op| (op, None)).collect();
        let (epoch, lsn) = (frame.epoch, frame.lsn);
        found.insert(
            txn,
            DivergedTxn { txn, epoch, lsn, commit_ts, origin, decided, participants, ops },
        );
    };
    match Record::decode(frame.kind, &frame.payload)? {
        Record::Stage { txn, mut ops } => staged.entry(txn).or_default().append(&mut ops),
        Record::Txn { txn, commit_ts, origin, ops } => {
            add(txn, commit_ts, origin, true, Vec::new(), ops);
        }
        Record::Prepare { txn, prepare_ts, origin, participants, ops } => {
            add(txn, prepare_ts, origin, false, participants, ops);
        }
        Record::Decide { txn, commit_ts: Some(ts) } => {
            if let Some(prepared) = found.get_mut(&txn) {
                prepared.commit_ts = ts;
                prepared.decided = true;
            }
        }
        Record::Decide { txn, commit_ts: None } => {
            found.remove(&txn);
        }
        Record::EpochStart { cut, .. } => {
            found.retain(|_, txn| txn.commit_ts <= cut && txn.decided);
            staged.clear();
        }
        Record::Closed { .. } | Record::Gate { .. } => {}
    }
    Ok(())
}
