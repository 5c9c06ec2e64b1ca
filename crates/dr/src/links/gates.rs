//! Gates: `FLUSH TABLES`, `SET DATABASE … READ ONLY`, `UNLOCK TABLES`.

use super::Links;
use base::{Error, Result, SqlState};
use meta::{Command, Database as Record, HandoverSide};
use std::sync::Arc;
use std::time::Duration;
use txn::GateRequest;

/// How often gates are looked at that open by themselves.
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Links {
    /// Closes a primary for writes, durably, for a reason; running writers may end. Opens it again
    /// when the request expires.
    ///
    /// # Errors
    /// 55000 if it is no primary, 55006 while a handover is under way, 22023 for a time that is
    /// over.
    pub async fn gate(&self, name: &str, request: GateRequest) -> Result<()> {
        let record = self.engine.record(name)?;
        check_writable(&record, "it takes no writes anyway")?;
        if let Some(open) = giving(&record) {
            let message =
                format!("a handover of database \"{name}\" to {} is under way", open.peer_name);
            return Err(Error::new(SqlState::OBJECT_IN_USE, message)
                .detail("The database takes no writes until it is over."));
        }
        if request.expires_ms.is_some_and(|at| at <= self.engine.env.clock.now_ms()) {
            let message = "a database cannot be read-only until a time that is over";
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        }
        self.engine.gate_as(name, request).await
    }

    /// `UNLOCK TABLES`: opens a gated database. With `force` also one that is bound by a handover
    /// whose other side is gone for good.
    ///
    /// # Errors
    /// 55006 while a handover is under way, 55000 if it is no primary.
    pub fn unlock(&self, name: &str, force: bool, by: &str) -> Result<()> {
        let record = self.engine.record(name)?;
        check_writable(&record, "there is nothing to open")?;
        let Some(open) = giving(&record) else {
            return self.engine.ungate(name, by);
        };
        if !force {
            let message =
                format!("a handover of database \"{name}\" to {} is under way", open.peer_name);
            return Err(Error::new(SqlState::OBJECT_IN_USE, message)
                .detail("It ends by itself as soon as the standby is heard of again.")
                .hint(format!(
                    "if it is gone for good, and was not promoted: UNLOCK TABLES ON {name} FORCE"
                )));
        }
        self.replication.keep(name, open.peer, open.id, "UNLOCK TABLES … FORCE")?;
        self.engine.ungate(name, by)
    }

    /// Opens what is to open by itself, and ends what nobody has ended, for as long as this node runs.
    pub(super) fn keep_watch(self: &Arc<Self>) {
        let (links, env) = (Arc::downgrade(self), self.engine.env.clone());
        let watch = async move {
            loop {
                env.sleep(LOOK_EVERY).await;
                let Some(links) = links.upgrade() else { return };
                links.replication.end_idle_sessions();
                links.replication.end_idle_bases();
                if let Err(error) = links.open_expired() {
                    tracing::warn!(%error, "opening a database whose gate has expired");
                }
            }
        };
        self.engine.env.tasks.spawn("watch", Box::pin(watch));
    }

    fn open_expired(&self) -> Result<()> {
        let at_ms = self.engine.env.clock.now_ms();
        let expired = |d: &&Record| {
            let gate = d.gate.as_ref().and_then(|g| g.expires_ms);
            d.handover.is_none() && gate.is_some_and(|at| at <= at_ms)
        };
        let due: Vec<Record> =
            self.engine.meta.read(|s| s.databases.values().filter(expired).cloned().collect());
        for record in due {
            let database = record.id;
            self.engine.meta.apply(Command::ExpireGate { database, at_ms })?;
            self.engine.heed_gate(&record.name)?;
        }
        Ok(())
    }
}

fn giving(record: &Record) -> Option<&meta::Handover> {
    record.handover.as_ref().filter(|h| matches!(h.side, HandoverSide::Giving { .. }))
}

fn check_writable(record: &Record, so: &str) -> Result<()> {
    if !record.state.is_target() {
        return Ok(());
    }
    let message = format!("database \"{}\" is {}: {so}", record.name, record.state.name());
    Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .hint("run the statement at its primary"))
}
