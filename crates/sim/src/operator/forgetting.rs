//! Logs that are gone: slots are given up, as if a target had been away for too long, and what the log
//! has is written down until it is trimmed. Then only contents can be compared.

use super::Operator;
use crate::plan::DATABASE;
use crate::verdict::Violation;
use base::{Error, SqlState};
use meta::Command;
use std::time::Duration;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(20);

impl Operator {
    /// In runs that forget: the standby cannot reach its primary for so long that its log goes.
    pub(super) async fn fallen_behind(&mut self) -> Result<(), Violation> {
        if !self.stage.plan.forgets || !self.dice.chance(60) {
            return Ok(());
        }
        self.await_standby(self.standby()).await?;
        self.stage.trace.say("operator: the standby falls behind");
        self.stage.weather.split(true);
        self.stage.sleep(self.dice.ms(100, 3_000)).await;
        self.forget(self.primary).await;
        self.stage.sleep(self.dice.ms(0, 2_000)).await;
        self.stage.weather.split(false);
        if self.dice.chance(70) {
            self.await_standby(self.standby()).await?;
        }
        Ok(())
    }

    /// In runs that forget: neither side has the log that a way back would need.
    pub(super) async fn logs_go(&self) {
        if self.stage.plan.forgets {
            for region in [self.standby(), self.primary] {
                if self.dice.chance(80) {
                    self.forget(region).await;
                }
            }
        }
    }

    /// True if a restart of this primary opens only once its standby was heard of: not if that was
    /// given up.
    pub(super) fn waits_for_standby(&self, region: usize) -> bool {
        let record = self.access(region).ok().and_then(|access| access.record().ok());
        let live = |r: &meta::Database| r.slots.values().any(|slot| slot.dropped.is_none());
        !self.stage.plan.forgets || record.is_some_and(|r| live(&r))
    }

    /// If it can not be done now it is not done.
    async fn forget(&self, region: usize) {
        let Ok(access) = self.access(region) else { return };
        // Nothing keeps it from taking writes after its next restart.
        self.stage.ledger.open(region);
        let work = async {
            let record = access.record()?;
            for name in record.slots.into_keys() {
                let reason = Some("the operator gave it up".to_owned());
                let (database, at_ms) = (record.id, access.engine.env.clock.now_ms());
                access.engine.meta.apply(Command::DropSlot { database, name, reason, at_ms })?;
            }
            access.engine.checkpoint(&access.database()?).await
        };
        let done = tokio::select! {
            biased;
            done = self.ask(region, "forgetting", &access, work) => done,
            () = self.stage.sleep(PATIENCE) => {
                Err(Error::new(SqlState::QUERY_CANCELED, "it takes too long"))
            }
        };
        let name = self.stage.regions[region].name;
        self.stage
            .trace
            .say(format_args!("operator: {DATABASE} forgets its log in {name}: {done:?}"));
    }
}
