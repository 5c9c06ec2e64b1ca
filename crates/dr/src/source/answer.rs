//! How a target gets on: continue, rewind, or copy.

use super::{Replication, slots};
use crate::peer::{Answer, BaseOffer, SubscribeRequest};
use base::{Error, Lsn, Result, SqlState, Timestamp};
use partition::Partition;
use std::collections::BTreeMap;
use std::sync::Arc;
use txn::Database;

/// A new target gets chunks instead of the log that they stand for if that is at least so long, in
/// bytes: it neither unpacks nor applies nor writes down again what is in them.
const LOG_MAX: u64 = 256 << 10;

/// What both histories say, before looking whether the log is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Compared {
    /// The last position both have.
    common: Lsn,
    /// True if the target has more than that.
    ahead: bool,
    /// True if the log from `common + 1` on is still here.
    logged: bool,
}

/// What a target has that this line has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Diverged {
    Nothing,
    /// What is after a position, or was committed above a cut.
    Beyond(Lsn, Timestamp),
    /// The two share no position.
    Unknown,
}

fn has_shorter_base(partition: &Partition) -> bool {
    let manifest = partition.manifest();
    let log = partition.log_bytes(partition.first(), manifest.replay_from);
    log >= LOG_MAX && manifest.chunks().map(|c| c.bytes).sum::<u64>() <= log
}

impl Replication {
    pub(super) async fn answer(
        &self,
        database: &Arc<Database>,
        partition: &Arc<Partition>,
        request: &SubscribeRequest,
    ) -> Result<Answer> {
        let (history, end) = (partition.history(), partition.durable());
        let common = history.common_point(end, &request.history, request.end);
        let next = common.next();
        let compared = Compared {
            common,
            ahead: common < request.end,
            logged: next > end || partition.first() <= next,
        };
        let cut = match self.cut(partition, common).await {
            // Only a log that is gone is a reason for a copy; what cannot be read now may be later.
            Err(e) if e.state != SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE => return Err(e),
            cut => cut,
        };
        match (compared, cut) {
            // Without a common point there is nothing to go back to but the empty log.
            (Compared { common: Lsn::ZERO, ahead: true, .. }, _) => {
                let reason = "the logs have no common point";
                self.offer(database, partition, request, reason, Diverged::Unknown).await
            }
            (Compared { common: Lsn::ZERO, ahead: false, logged: true }, _)
                if has_shorter_base(partition) =>
            {
                let reason = "they are shorter than the log that they stand for";
                self.offer(database, partition, request, reason, Diverged::Nothing).await
            }
            (Compared { ahead: true, logged: true, .. }, Ok(cut)) => {
                Ok(Answer::RewindTo { common, cut: cut.unwrap_or(Timestamp::MAX) })
            }
            (Compared { ahead: false, logged: true, .. }, Ok(cut)) => Ok(Answer::Continue { cut }),
            (_, cut) => {
                let first = partition.first();
                let reason = format!("the source's log begins at {first}, {next} is needed");
                let cut = match cut {
                    Ok(cut) => cut,
                    // An early version has not noted the cut where the log's end does not say it.
                    Err(_) => self.promotion_cut(database, partition, common),
                };
                let diverged = match (cut, compared.ahead) {
                    _ if common == Lsn::ZERO => Diverged::Nothing,
                    (None, false) => Diverged::Nothing,
                    (cut, _) => Diverged::Beyond(common, cut.unwrap_or(Timestamp::MAX)),
                };
                self.offer(database, partition, request, &reason, diverged).await
            }
        }
    }

    pub(super) async fn cut(
        &self,
        partition: &Arc<Partition>,
        common: Lsn,
    ) -> Result<Option<Timestamp>> {
        let partition = partition.clone();
        let look = move || partition.cut_after(common);
        let found = self.engine.env.blocking(look).await;
        found.unwrap_or_else(|| Err(Error::internal("looking for the cut failed")))
    }

    /// The cut of the last promotion, as the metadata knows it even if the log has gone.
    fn promotion_cut(
        &self,
        database: &Database,
        partition: &Partition,
        common: Lsn,
    ) -> Option<Timestamp> {
        let promotion = self.engine.record(database.name()).ok()?.promotion?;
        let written = partition.history().epoch_at(common);
        (written < Some(promotion.epoch)).then_some(promotion.cut)
    }

    async fn offer(
        &self,
        database: &Arc<Database>,
        partition: &Arc<Partition>,
        request: &SubscribeRequest,
        reason: &str,
        diverged: Diverged,
    ) -> Result<Answer> {
        let base = partition.pin_base();
        let mut manifest = base.manifest.as_ref().clone();
        // What is not replicated is of this side alone.
        manifest.tables.retain(|table| !table.storage.is_local());
        let made = match request.own_rights && partition.number() == 0 {
            true => self.leave_out_rights(&mut manifest, &base, &request.slot).await?,
            false => BTreeMap::new(),
        };
        // The log from the base on must stay until the target has it.
        let from = Lsn(manifest.replay_from.0.saturating_sub(1));
        let place = slots::Place { partition: request.partition, from, at: manifest.ts };
        self.hold_slot(database, &request.slot, place)?;
        let now = self.engine.env.clock.monotonic();
        let owner = (database.id(), request.slot.clone(), request.partition);
        let pin = self.bases.lock().add(owner, base, made, now);
        let reason = reason.to_owned();
        let unrelated = diverged == Diverged::Unknown;
        let diverged = match diverged {
            Diverged::Beyond(common, cut) => Some((common, cut)),
            Diverged::Nothing | Diverged::Unknown => None,
        };
        Ok(Answer::NeedBase(Box::new(BaseOffer { pin, manifest, reason, diverged, unrelated })))
    }
}
