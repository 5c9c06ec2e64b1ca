//! Whoever does not follow the primary is attached to it.

use super::chief::{Chief, cluster};
use crate::operator::OPERATOR;
use crate::region::Access;
use crate::verdict::Violation;
use base::SqlState;
use meta::{Database as Record, DatabaseState};

impl Chief {
    /// `REPLICATE DATABASE … FROM` the primary.
    pub(super) async fn first_copy(&self, region: usize) -> Result<(), Violation> {
        let source = self.primary();
        self.hands
            .until("REPLICATE", async || {
                let access = self.hands.access(region)?;
                for name in self.databases() {
                    if access.engine.record(name).is_ok() {
                        continue;
                    }
                    let work = access
                        .links
                        .replicate(self.hands.request_from(source, name, false), OPERATOR);
                    let done = self.hands.ask(region, "REPLICATE", &access, work).await;
                    done.map_err(|e| e.to_string())?;
                }
                Ok(Some(()))
            })
            .await
    }

    /// Lets a cluster follow another one, by difference: ordered there, or called by a replica.
    pub(super) async fn attach(&self, region: usize, source: usize) -> Result<(), Violation> {
        let called = self.dice.chance(30);
        self.hands
            .until("attaching", async || {
                let standing = self.standing(region)?;
                let comes_back = |record: &Record| {
                    let link = record.link.as_ref().filter(|l| l.source_cluster == cluster(source));
                    // A link that was made for a first copy does not go back, should it have to.
                    link.map(|link| link.differential)
                };
                if standing.records.iter().all(|r| comes_back(r) == Some(true)) {
                    return Ok(Some(()));
                }
                for record in &standing.records {
                    let link = comes_back(record);
                    if link == Some(true) {
                        continue;
                    }
                    if called && link.is_none() {
                        self.call(region, source, &record.name).await?;
                    } else {
                        let access = self.hands.access(region)?;
                        self.follow(region, &access, source, &record.name).await?;
                    }
                }
                Ok(None)
            })
            .await?;
        let how = if called { "was called to" } else { "was attached to" };
        self.say(format_args!("{} {how} {}", self.name(region), self.name(source)));
        self.stage.ledger.close(region, "it has agreed to follow", self.stage.now());
        Ok(())
    }

    async fn follow(
        &self,
        region: usize,
        access: &Access,
        source: usize,
        database: &str,
    ) -> Result<(), String> {
        let work =
            access.links.replicate(self.hands.request_from(source, database, true), OPERATOR);
        match self.hands.ask(region, "REPLICATE", access, work).await {
            Err(error) if error.state == SqlState::OBJECT_IN_USE => Ok(()),
            done => done.map_err(|e| e.to_string()),
        }
    }

    /// Everybody follows the primary in the end; now and then one is left out for a while.
    pub(super) async fn gather(&mut self) -> Result<(), Violation> {
        let primary = self.primary();
        for (n, region) in self.others(primary).into_iter().enumerate() {
            if n == 1 && self.dice.chance(30) {
                self.say(format_args!("{} is left out", self.name(region)));
                continue;
            }
            self.attach(region, primary).await?;
            if self.dice.chance(50) {
                self.await_standby(region).await?;
            }
            self.stage.sleep(self.dice.ms(0, 1_000)).await;
        }
        self.serve(primary);
        Ok(())
    }

    /// Waits until a cluster is a standby of the primary that streams.
    pub(super) async fn await_standby(&self, region: usize) -> Result<(), Violation> {
        let source = cluster(self.primary());
        self.hands
            .until("waiting for a standby", async || {
                let standing = self.standing(region)?;
                let access = self.hands.access(region)?;
                let status = access.links.status();
                let streams = status.iter().all(|s| s.state == "streaming");
                let known = !self.cast.group || standing.records.iter().all(|r| r.group.is_some());
                if standing.all(DatabaseState::Standby)
                    && standing.follows(source)
                    && streams
                    && known
                {
                    return Ok(Some(()));
                }
                let states: Vec<_> = status.iter().map(|s| (s.state, &s.last_error)).collect();
                Err(format!("{} {states:?}", self.name(region)))
            })
            .await
    }

    /// True if a standby has everything of a source that takes no writes.
    pub(super) fn has_all(&self, region: usize) -> Result<Option<()>, String> {
        let access = self.hands.access(region)?;
        for s in access.links.status() {
            let all =
                s.connected && s.source_gated && s.lag_records == Some(0) && s.lag_ms == Some(0);
            if !all || s.role != DatabaseState::Standby || s.state != "streaming" {
                let lag = (s.connected, s.source_gated, s.lag_records, s.lag_ms);
                let name = self.name(region);
                return Err(format!(
                    "{name} {} {} {:?} ({lag:?})",
                    s.database, s.state, s.last_error
                ));
            }
        }
        Ok(Some(()))
    }
}
