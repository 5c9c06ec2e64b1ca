//! Handovers: `SWITCHOVER` typed on either side, and `FAILOVER` without loss, which is one.

use super::{OPERATOR, Operator};
use crate::invariants::{one_primary, stranded_once};
use crate::plan::DATABASE;
use crate::verdict::Violation;
use base::Epoch;
use dr::FailoverRequest;
use meta::DatabaseState;

impl Operator {
    /// The primary changes sides by one statement, which is repeated until it is known to have
    /// worked. Clients stay with the old primary until then.
    pub(crate) async fn switchover(&mut self) -> Result<(), Violation> {
        let (old, new) = (self.primary, self.standby());
        self.stage.trace.say("operator: switchover");
        self.await_standby(new).await?;
        let before = self.vaulted();
        let from = self.epoch(old).unwrap_or_default();
        let how = self.dice.range(0, 2);
        self.until("SWITCHOVER", async || {
            let access = self.access(new)?;
            let record = access.record().map_err(|e| e.to_string())?;
            if record.state == DatabaseState::Primary && record.promotion_epoch > from {
                return Ok(Some(()));
            }
            let done = self.hand_over(old, new, how).await;
            done.map(|()| None).map_err(|e| e.to_string())
        })
        .await?;
        let now = self.stage.now();
        self.stage.ledger.close(old, "the other side has taken over by a switchover", now);
        self.stage.ledger.open(new);
        self.serve(new);
        self.await_standby(old).await?;
        match (before, self.vaulted()) {
            (Some(before), Some(after)) if before != after => {
                let what = format!("a switchover strands: {before:?}, then {after:?}");
                Err(stranded_once::violation(what))
            }
            _ => Ok(()),
        }
    }

    /// One attempt: at the standby, at the primary, or as a failover without loss.
    async fn hand_over(&self, old: usize, new: usize, how: u64) -> base::Result<()> {
        let dead = |why: String| base::Error::new(base::SqlState::CONNECTION_FAILURE, why);
        let to = self.stage.regions[new].name;
        let at = if how == 1 { old } else { new };
        let access = self.access(at).map_err(dead)?;
        let work = async {
            if how == 2 {
                let database = DATABASE.to_owned();
                let request = FailoverRequest { database, at: None, data_loss: false };
                return access.links.failover(request, OPERATOR).await.map(drop);
            }
            access.links.switchover(DATABASE, to, OPERATOR).await.map(drop)
        };
        self.ask(at, "SWITCHOVER", &access, work).await
    }

    fn epoch(&self, region: usize) -> Option<Epoch> {
        self.access(region).ok()?.record().ok().map(|r| r.promotion_epoch)
    }

    /// The other side is gone: a failover without loss must be refused, and change nothing.
    pub(super) async fn nothing_lost(&self, region: usize) -> Result<(), Violation> {
        let Ok(access) = self.access(region) else { return Ok(()) };
        let Ok(before) = access.record() else { return Ok(()) };
        let request = FailoverRequest { database: DATABASE.to_owned(), at: None, data_loss: false };
        let work = access.links.failover(request, OPERATOR);
        let done = self.ask(region, "FAILOVER", &access, work).await;
        let now = self.access(region).ok().and_then(|a| a.record().ok());
        let changed = now.is_some_and(|now| {
            (now.state, now.promotion_epoch) != (before.state, before.promotion_epoch)
        });
        if done.is_ok() || changed {
            let what = format!("a failover without loss from a dead source: {done:?}");
            return Err(one_primary::violation(what));
        }
        Ok(())
    }
}
