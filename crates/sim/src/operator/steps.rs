//! The statements an operator has, each repeated until it is known to have worked.

use super::{OPERATOR, Operator};
use crate::invariants::{covered, log_prefix};
use crate::plan::DATABASE;
use crate::region::{Access, PORT, USER};
use crate::verdict::Violation;
use base::{Error, SqlState, Timestamp};
use dr::{FailoverRequest, LinkStatus, ReplicateRequest, Verb};
use meta::{DatabaseState, Durability};
use std::cell::Cell;

/// How an attempt to promote ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promotion {
    /// The region is the primary.
    Done,
    /// It is no standby and can not become one without its source.
    Impossible,
}

/// `EXPLAIN FAILOVER …` and `FAILOVER DATABASE … WITH DATA LOSS`; the cut.
async fn lossy(access: &Access, at: &Cell<Option<Timestamp>>) -> base::Result<Timestamp> {
    let older = at.get();
    if older.is_some() && access.links.loss(DATABASE, older).await.is_err() {
        // Its chunks are newer by now.
        at.set(None);
    }
    let (database, data_loss) = (DATABASE.to_owned(), true);
    let request = FailoverRequest { database, at: at.get(), data_loss };
    access.links.explain(&Verb::Failover(request.clone())).await?;
    access.links.failover(request, OPERATOR).await.map(|done| done.cut)
}

impl Operator {
    pub(crate) fn access(&self, region: usize) -> Result<Access, String> {
        let place = &self.stage.regions[region];
        place.access().ok_or_else(|| format!("{} is down", place.name))
    }

    /// Runs a statement in a region; its errors are looked at.
    pub(crate) async fn ask<T>(
        &self,
        region: usize,
        what: &str,
        access: &Access,
        work: impl Future<Output = base::Result<T>>,
    ) -> Result<T, Error> {
        let place = &self.stage.regions[region];
        match place.while_alive(access.life, work).await {
            Some(Ok(done)) => Ok(done),
            Some(Err(error)) => {
                self.stage.judge_error(place, access, what, &error);
                Err(error)
            }
            None => Err(Error::new(SqlState::CONNECTION_FAILURE, format!("{} died", place.name))),
        }
    }

    pub(crate) fn request(&self, region: usize, differential: bool) -> ReplicateRequest {
        self.request_from(1 - region, DATABASE, differential)
    }

    /// A link to a database of this name in another region.
    pub(crate) fn request_from(
        &self,
        source: usize,
        database: &str,
        differential: bool,
    ) -> ReplicateRequest {
        let asynchronous = !self.stage.plan.sync && !differential;
        ReplicateRequest {
            database: database.to_owned(),
            differential,
            durability: asynchronous.then_some(Durability::Async),
            user: USER.0.to_owned(),
            password: Some(USER.1.to_owned()),
            host: self.stage.regions[source].name.to_owned(),
            port: Some(PORT),
            source_database: None,
        }
    }

    /// `REPLICATE DATABASE … [WITH FORCE DIFFERENTIAL] FROM` the other region.
    pub(crate) async fn replicate(
        &self,
        region: usize,
        differential: bool,
    ) -> Result<(), Violation> {
        let request = self.request(region, differential);
        self.until("REPLICATE", async || {
            let access = self.access(region)?;
            if access.record().is_ok_and(|r| r.link.is_some()) {
                return Ok(Some(()));
            }
            let done = access.links.replicate(request.clone(), OPERATOR);
            let done = self.ask(region, "REPLICATE", &access, done).await;
            done.map(Some).map_err(|e| e.to_string())
        })
        .await?;
        let name = self.stage.regions[region].name;
        self.stage.trace.say(format_args!("operator: {name} replicates"));
        Ok(())
    }

    /// A former primary comes back; from here on it must not acknowledge anything.
    pub(crate) async fn come_back(&self, region: usize) -> Result<(), Violation> {
        self.replicate(region, true).await?;
        self.stage.ledger.close(region, "it has agreed to come back", self.stage.now());
        Ok(())
    }

    /// The link's state in a region.
    pub(crate) fn link(&self, region: usize) -> Result<LinkStatus, String> {
        let access = self.access(region)?;
        let found = access.links.status().into_iter().find(|s| s.database == DATABASE);
        found.ok_or_else(|| "there is no link".to_owned())
    }

    /// Waits until a region is a standby that follows.
    pub(crate) async fn await_standby(&self, region: usize) -> Result<(), Violation> {
        self.until("waiting for the standby", async || {
            let link = self.link(region)?;
            let ready = link.role == DatabaseState::Standby && link.state == "streaming";
            if ready { Ok(Some(())) } else { Err(format!("{} {:?}", link.state, link.last_error)) }
        })
        .await
    }

    /// True if a region's link shows that it has everything of a source that takes no writes.
    pub(crate) fn caught_up(&self, region: usize) -> Result<Option<()>, String> {
        let s = self.link(region)?;
        let all = s.connected && s.source_gated && s.lag_records == Some(0) && s.lag_ms == Some(0);
        let ready = all && s.role == DatabaseState::Standby && s.state == "streaming";
        if ready {
            return Ok(Some(()));
        }
        let lag = (s.connected, s.source_gated, s.lag_records, s.lag_ms);
        Err(format!("{} {:?} {lag:?}", s.state, s.last_error))
    }

    /// `FLUSH TABLES WITH READ ONLY`
    pub(crate) async fn gate(&self, region: usize) -> Result<(), Violation> {
        self.until("gating", async || {
            let access = self.access(region)?;
            let done = access.engine.gate(DATABASE, OPERATOR, "moving to the other region");
            let done = self.ask(region, "FLUSH TABLES", &access, done).await;
            done.map(Some).map_err(|e| e.to_string())
        })
        .await?;
        let name = self.stage.regions[region].name;
        self.stage.trace.say(format_args!("operator: {name} is gated"));
        Ok(())
    }

    /// `UNLOCK TABLES`
    pub(crate) async fn ungate(&self, region: usize) -> Result<(), Violation> {
        self.until("opening", async || {
            let access = self.access(region)?;
            let done = async { access.engine.ungate(DATABASE, OPERATOR) };
            let done = self.ask(region, "UNLOCK TABLES", &access, done).await;
            done.map(Some).map_err(|e| e.to_string())
        })
        .await
    }

    /// Promotes a standby: by `STOP REPLICATING`, or by `FAILOVER … WITH DATA LOSS` after it was
    /// explained. Before each attempt only if `ready` says so.
    pub(crate) async fn promote(
        &self,
        region: usize,
        ready: impl AsyncFnMut() -> Result<Option<()>, String>,
    ) -> Result<Promotion, Violation> {
        self.promote_at(region, None, ready).await
    }

    /// As [`Operator::promote`]; at an older time, if the standby still holds it.
    pub(crate) async fn promote_at(
        &self,
        region: usize,
        at: Option<Timestamp>,
        mut ready: impl AsyncFnMut() -> Result<Option<()>, String>,
    ) -> Result<Promotion, Violation> {
        let failover = at.is_some() || self.dice.chance(50);
        let at = Cell::new(at);
        let what = if failover { "FAILOVER WITH DATA LOSS" } else { "STOP REPLICATING" };
        let promotion = self
            .until(what, async || {
                let access = self.access(region)?;
                let state = access.record().map_err(|e| e.to_string())?.state;
                match state {
                    DatabaseState::Primary => return Ok(Some(Promotion::Done)),
                    DatabaseState::Standby => {}
                    _ => return Ok(Some(Promotion::Impossible)),
                }
                if ready().await?.is_none() {
                    return Ok(None);
                }
                let done = async {
                    match failover {
                        true => lossy(&access, &at).await,
                        false => access.links.stop(DATABASE, OPERATOR).await.map(|p| p.cut),
                    }
                };
                match self.ask(region, what, &access, done).await {
                    Ok(cut) => {
                        self.stage.trace.say(format_args!("operator: {what}: cut {cut}"));
                        Ok(Some(Promotion::Done))
                    }
                    Err(error) => Err(error.to_string()),
                }
            })
            .await?;
        let name = self.stage.regions[region].name;
        self.stage.trace.say(format_args!("operator: promotion of {name}: {promotion:?}"));
        if promotion == Promotion::Done {
            if at.get().is_none() {
                self.check_covered(region)?;
            }
            self.stage.ledger.open(region);
        }
        Ok(promotion)
    }

    /// What this region had confirmed as a standby is there now.
    fn check_covered(&self, region: usize) -> Result<(), Violation> {
        let record = self.access(region).ok().and_then(|access| access.record().ok());
        match record.and_then(|r| r.promotion) {
            Some(p) => covered::check(&self.stage.ledger, 1 - region, p.epoch, p.cut),
            None => Ok(()),
        }
    }

    /// How many transactions are in both vaults, if both can be asked.
    pub(crate) fn vaulted(&self) -> Option<[usize; 2]> {
        let count = |region| self.access(region).ok()?.links.diverged(DATABASE).ok();
        Some([count(0)?.len(), count(1)?.len()])
    }

    /// Compares the logs of both sides, if both are there.
    pub(crate) fn compare_logs(&self, caught_up: bool) -> Result<(), Violation> {
        let database = |region| self.access(region).ok()?.database().ok();
        let (Some(east), Some(west)) = (database(0), database(1)) else { return Ok(()) };
        let checked =
            log_prefix::check(east.local_partitions(), west.local_partitions(), caught_up);
        // A machine that dies or can not read its disk at this moment proves nothing.
        let dead = self.access(0).is_err() || self.access(1).is_err();
        if dead || self.stage.regions.iter().any(|r| r.is_failing()) { Ok(()) } else { checked }
    }
}
