//! How a target gets on: continue, rewind, or copy.

use super::{Replication, slots};
use crate::peer::{Answer, BaseOffer, SubscribeRequest};
use base::{Error, Lsn, Result, SqlState, Timestamp};
use partition::Partition;
use std::sync::Arc;
use txn::Database;

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
                self.offer(database, partition, request, "the logs have no common point", None)
            }
            (Compared { ahead: true, logged: true, .. }, Ok(cut)) => {
                Ok(Answer::RewindTo { common, cut: cut.unwrap_or(Timestamp::MAX) })
            }
            (Compared { ahead: false, logged: true, .. }, Ok(cut)) => Ok(Answer::Continue { cut }),
            (_, cut) => {
                let first = partition.first();
                let reason = format!("the source's log begins at {first}, {next} is needed");
                let cut = cut.ok().flatten().or_else(|| self.promotion_cut(database));
                let diverged =
                    (common > Lsn::ZERO).then(|| (common, cut.unwrap_or(Timestamp::MAX)));
                self.offer(database, partition, request, &reason, diverged)
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
    fn promotion_cut(&self, database: &Database) -> Option<Timestamp> {
        let record = self.engine.record(database.name()).ok()?;
        record.promotion.map(|p| p.cut)
    }

    fn offer(
        &self,
        database: &Arc<Database>,
        partition: &Arc<Partition>,
        request: &SubscribeRequest,
        reason: &str,
        diverged: Option<(Lsn, Timestamp)>,
    ) -> Result<Answer> {
        let base = partition.pin_base();
        let manifest = base.manifest.as_ref().clone();
        // The log from the base on must stay until the target has it.
        let from = Lsn(manifest.replay_from.0.saturating_sub(1));
        let place = slots::Place { partition: request.partition, from, at: manifest.ts };
        self.hold_slot(database, &request.slot, place)?;
        let now = self.engine.env.clock.monotonic();
        let owner = (database.id(), request.slot.clone(), request.partition);
        let pin = self.bases.lock().add(owner, base, now);
        let reason = reason.to_owned();
        Ok(Answer::NeedBase(Box::new(BaseOffer { pin, manifest, reason, diverged })))
    }
}
