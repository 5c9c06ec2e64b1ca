//! The ways in which a cluster becomes the primary.

use super::chief::{Chief, GROUP};
use crate::invariants::roles_of_cut;
use crate::operator::OPERATOR;
use crate::plan::DATABASE;
use crate::region::Access;
use crate::verdict::Violation;
use base::{Error, Result as Done, SqlState, Timestamp};
use dr::{FailoverRequest, GroupRequest};
use meta::DatabaseState;
use std::time::Duration;

impl Chief {
    /// Promotes a standby with data loss; false if it is none and cannot become one.
    pub(super) async fn promote(&mut self, region: usize) -> Result<bool, Violation> {
        let epoch = async || self.standing(region).map(|s| Some(s.epoch()));
        let before = self.hands.until("looking at a standby", epoch).await?;
        let how = self.dice.range(0, 2);
        // So long before what it has.
        let back = (self.cast.past && self.dice.chance(50)).then(|| self.dice.ms(0, 1_500));
        let done = self
            .hands
            .until("promoting", async || {
                let standing = self.standing(region)?;
                if standing.all(DatabaseState::Primary) {
                    // One that never came back after its own loss takes over from nobody.
                    return Ok(Some(standing.epoch() > before));
                }
                if !standing.all(DatabaseState::Standby) {
                    return Ok(Some(false));
                }
                let access = self.hands.access(region)?;
                let at = back.and_then(|back| self.older(&access, back));
                let work = self.promote_by(&access, region, how, at);
                let done = self.hands.ask(region, "FAILOVER WITH DATA LOSS", &access, work).await;
                done.map(|()| None).map_err(|e| e.to_string())
            })
            .await?;
        self.say(format_args!("promotion of {}: {done}", self.name(region)));
        if done {
            if before < self.newest {
                self.say(format_args!("{} did not know of {}", self.name(region), self.newest));
                self.sloppy = true;
            }
            self.promoted(region).await?;
        }
        Ok(done)
    }

    /// A moment before the newest one here, while all that are promoted together hold it.
    fn older(&self, access: &Access, back: Duration) -> Option<Timestamp> {
        let databases = self.databases().iter().map(|name| access.engine.database(name));
        let newest = databases.map(|d| d.map(|d| d.replicated_time()).unwrap_or_default()).min()?;
        Some(Timestamp::from_ms(newest.ms().saturating_sub(back.as_millis() as u64)))
    }

    /// At an older time, if there is one and it can be; it is not a reason to give up.
    async fn promote_by(
        &self,
        access: &Access,
        region: usize,
        how: u64,
        at: Option<Timestamp>,
    ) -> Done<()> {
        let at = match at {
            Some(at) if self.holds(access, at).await => Some(at),
            _ => None,
        };
        if let Some(at) = at {
            self.say(format_args!("{} is to be promoted at {at}", self.name(region)));
        }
        if self.cast.group {
            let (group, data_loss) = (GROUP.to_owned(), true);
            let request = GroupRequest::Failover { group, at, data_loss };
            return access.links.group(request, OPERATOR).await.map(drop);
        }
        match how {
            0 if at.is_none() => access.links.stop(DATABASE, OPERATOR).await.map(drop),
            1 if at.is_none() && self.declare_way_back(access, region).await.is_ok() => {
                let back = self.way_back(access)?;
                let done = access.links.promote_replica(DATABASE, &back, true, OPERATOR);
                done.await.map(drop)
            }
            _ => {
                let (database, data_loss) = (DATABASE.to_owned(), true);
                let request = FailoverRequest { database, at, data_loss };
                access.links.failover(request, OPERATOR).await.map(drop)
            }
        }
    }

    async fn holds(&self, access: &Access, at: Timestamp) -> bool {
        for name in self.databases() {
            if access.links.loss(name, Some(at)).await.is_err() {
                return false;
            }
        }
        true
    }

    /// A cluster is known to be the primary by now.
    async fn promoted(&mut self, region: usize) -> Result<(), Violation> {
        if let Ok(standing) = self.standing(region) {
            self.newest = self.newest.max(standing.epoch());
        }
        self.stage.ledger.open(region);
        self.serve(region);
        self.check_roles(region).await
    }

    /// What came with the database is here now.
    async fn check_roles(&self, region: usize) -> Result<(), Violation> {
        match self.hands.access(region) {
            Ok(access) => roles_of_cut::check(&access, self.name(region)).await,
            Err(_) => Ok(()),
        }
    }

    /// A planned switch, without loss, by one statement that is repeated until it has worked.
    pub(super) async fn switchover(&mut self) -> Result<(), Violation> {
        let new = self.candidate().await?;
        let old = self.primary();
        self.say(format_args!("switchover from {} to {}", self.name(old), self.name(new)));
        self.await_standby(new).await?;
        let from = self.standing(old).map(|s| s.epoch()).unwrap_or(self.newest);
        let how = self.dice.range(0, 3);
        self.hands
            .until("SWITCHOVER", async || {
                let standing = self.standing(new)?;
                if standing.all(DatabaseState::Primary) && standing.epoch() > from {
                    return Ok(Some(()));
                }
                let done = self.hand_over(old, new, how).await;
                done.map(|()| None).map_err(|e| e.to_string())
            })
            .await?;
        let now = self.stage.now();
        self.stage.ledger.close(old, "another one has taken over by a switchover", now);
        self.promoted(new).await?;
        self.await_standby(old).await?;
        self.gather().await
    }

    async fn hand_over(&self, old: usize, new: usize, how: u64) -> Done<()> {
        let dead = |why: String| Error::new(SqlState::CONNECTION_FAILURE, why);
        let to = self.name(new);
        let at = if how == 1 { old } else { new };
        let access = self.hands.access(at).map_err(dead)?;
        let work = async {
            let links = &access.links;
            if self.cast.group {
                let group = GROUP.to_owned();
                let request = match how {
                    2 => GroupRequest::Failover { group, at: None, data_loss: false },
                    _ => GroupRequest::Switchover { group, to: to.to_owned() },
                };
                return links.group(request, OPERATOR).await.map(drop);
            }
            match how {
                2 => {
                    let (database, at, data_loss) = (DATABASE.to_owned(), None, false);
                    let request = FailoverRequest { database, at, data_loss };
                    links.failover(request, OPERATOR).await.map(drop)
                }
                3 if self.declare_way_back(&access, new).await.is_ok() => {
                    let back = self.way_back(&access)?;
                    links.promote_replica(DATABASE, &back, false, OPERATOR).await.map(drop)
                }
                _ => links.switchover(DATABASE, to, OPERATOR).await.map(drop),
            }
        };
        self.hands.ask(at, "SWITCHOVER", &access, work).await
    }
}
