//! The operator of three clusters: what there is to do, one thing after the other.

use super::{Cast, loads};
use crate::bank;
use crate::dice::Dice;
use crate::invariants::{nothing_stuck, one_primary};
use crate::locals;
use crate::operator::{OPERATOR, Operator};
use crate::plan::DATABASE;
use crate::region::Access;
use crate::stage::{Route, Stage};
use crate::verdict::Violation;
use base::{ClusterId, Epoch, SqlState};
use dr::GroupRequest;
use meta::{Database as Record, DatabaseState, Durability};
use std::sync::Arc;

/// The second database.
pub const SHOP: &str = "shop";
/// The group of both.
pub const GROUP: &str = "firm";

/// An operator of three clusters.
pub struct Chief {
    /// Knows the statements, and repeats them.
    pub(super) hands: Operator,
    pub(super) stage: Arc<Stage>,
    pub(super) dice: Dice,
    pub(super) cast: Cast,
    /// The newest epoch that a promotion is known to have begun.
    pub(super) newest: Epoch,
    /// Somebody was promoted who did not follow the newest epoch: what was given up by others may
    /// be data again, and the other way round.
    pub(super) sloppy: bool,
}

/// What a cluster is, with all databases.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub records: Vec<Record>,
}

impl Standing {
    /// All of them are this.
    pub fn all(&self, state: DatabaseState) -> bool {
        self.records.iter().all(|r| r.state == state)
    }

    /// All follow this cluster.
    pub fn follows(&self, cluster: ClusterId) -> bool {
        let source = |r: &Record| r.link.as_ref().map(|l| l.source_cluster);
        self.records.iter().all(|r| source(r) == Some(cluster))
    }

    /// The lowest promotion epoch.
    pub fn epoch(&self) -> Epoch {
        self.records.iter().map(|r| r.promotion_epoch).min().unwrap_or_default()
    }
}

pub(super) fn cluster(region: usize) -> ClusterId {
    ClusterId(region as u8 + 1)
}

impl Chief {
    /// One who finds three clusters without anything.
    pub fn new(stage: Arc<Stage>, cast: Cast, dice: Dice) -> Chief {
        let hands = Operator::new(stage.clone(), dice.clone());
        Chief { hands, stage, dice, cast, newest: Epoch::default(), sloppy: false }
    }

    /// The whole story.
    pub async fn work(&mut self, dice: &Dice) -> Result<(), Violation> {
        self.begin().await?;
        for _ in 0..self.stage.plan.rounds {
            self.stage.sleep(self.dice.ms(100, 3_000)).await;
            self.round().await?;
        }
        self.heal(dice).await
    }

    pub(super) fn primary(&self) -> usize {
        self.hands.primary
    }

    pub(super) fn name(&self, region: usize) -> &'static str {
        self.stage.regions[region].name
    }

    pub(super) fn say(&self, what: std::fmt::Arguments<'_>) {
        self.stage.trace.say(format_args!("chief: {what}"));
    }

    pub(super) fn databases(&self) -> &'static [&'static str] {
        if self.cast.group { &[DATABASE, SHOP] } else { &[DATABASE] }
    }

    /// The other two, in any order.
    pub(super) fn others(&self, than: usize) -> Vec<usize> {
        let mut others: Vec<usize> =
            (0..self.stage.regions.len()).filter(|region| *region != than).collect();
        if self.dice.chance(50) {
            others.reverse();
        }
        others
    }

    pub(super) fn standing(&self, region: usize) -> Result<Standing, String> {
        let access = self.hands.access(region)?;
        let record = |name: &&str| access.engine.record(name).map_err(|e| e.to_string());
        let records: Result<Vec<Record>, String> = self.databases().iter().map(record).collect();
        Ok(Standing { records: records? })
    }

    /// Sends the clients to whoever is the primary from now on.
    pub(super) fn serve(&mut self, region: usize) {
        self.hands.primary = region;
        self.stage.set_route(Route { to: Some(region), stale: None });
    }

    /// The databases in east, with traffic, followed by the others.
    async fn begin(&mut self) -> Result<(), Violation> {
        let stage = self.stage.clone();
        let failed = |e: base::Error| nothing_stuck::violation(format!("setting the scene: {e}"));
        for region in &stage.regions {
            region.start().await.map_err(failed)?;
        }
        let down = || nothing_stuck::violation("setting the scene: down");
        let east = stage.regions[0].access().ok_or_else(down)?;
        let durability = if stage.plan.sync { Durability::Sync } else { Durability::Async };
        for name in self.databases() {
            let made = east.engine.create_database(name, stage.plan.partitions, durability);
            let database = made.await.map_err(failed)?;
            if *name == DATABASE {
                bank::create(&database, stage.plan.accounts).await.map_err(failed)?;
                loads::create_bulk(&database).await.map_err(failed)?;
                if self.cast.local {
                    locals::create(&database).await.map_err(failed)?;
                }
            } else {
                loads::create_orders(&database).await.map_err(failed)?;
            }
        }
        if self.cast.group {
            let databases = self.databases().iter().map(|name| (*name).to_owned()).collect();
            let create = GroupRequest::Create { group: GROUP.to_owned(), databases };
            east.links.group(create, OPERATOR).await.map_err(failed)?;
        }
        self.newest = self.standing(0).map_err(nothing_stuck::violation)?.epoch();
        self.serve(0);
        stage.set_quiet(false);
        stage.sleep(self.dice.ms(0, 1_000)).await;
        stage.set_calm(true);
        for region in self.others(0) {
            self.first_copy(region).await?;
        }
        for region in self.others(0) {
            self.await_standby(region).await?;
        }
        stage.set_calm(false);
        Ok(())
    }

    async fn round(&mut self) -> Result<(), Violation> {
        match self.dice.range(0, 99) {
            0..=24 => self.switchover().await,
            25..=49 => self.lost().await,
            50..=64 => self.split().await,
            65..=74 => self.needless().await,
            75..=82 => self.mistake().await,
            _ => self.replica_verbs().await,
        }
    }

    /// A standby that follows the primary.
    pub(super) async fn candidate(&mut self) -> Result<usize, Violation> {
        let source = cluster(self.primary());
        let ready = |region: &usize| {
            let standing = self.standing(*region);
            standing.is_ok_and(|s| s.all(DatabaseState::Standby) && s.follows(source))
        };
        let others = self.others(self.primary());
        if let Some(found) = others.iter().copied().find(ready) {
            return Ok(found);
        }
        let chosen = others[0];
        self.attach(chosen, self.primary()).await?;
        self.await_standby(chosen).await?;
        Ok(chosen)
    }

    /// The primary is lost, and one of the others takes over.
    async fn lost(&mut self) -> Result<(), Violation> {
        let old = self.primary();
        let new = if self.dice.chance(12) { self.others(old)[0] } else { self.candidate().await? };
        let stage = self.stage.clone();
        let region = &stage.regions[old];
        self.say(format_args!("{} is lost, {} is to take over", region.name, self.name(new)));
        let waits = self.waits_for(old, new);
        region.hold(true);
        if self.dice.chance(40) {
            region.node.crash_after(self.dice.range(0, 100));
            stage.sleep(self.dice.ms(0, 400)).await;
        }
        region.stop(self.dice.chance(60));
        if waits {
            stage.ledger.close(old, "it was lost and another one was promoted", stage.now());
        }
        stage.set_route(Route::default());
        stage.sleep(self.dice.ms(0, 1_000)).await;
        if !self.promote(new).await? {
            stage.ledger.open(old);
            region.hold(false);
            self.serve(old);
            return Ok(());
        }
        stage.sleep(self.dice.ms(0, 3_000)).await;
        region.hold(false);
        if self.dice.chance(50) {
            stage.set_route(Route { to: Some(new), stale: Some(old) });
            stage.sleep(self.dice.ms(0, 3_000)).await;
        }
        self.gather().await
    }

    /// True if a restart of `old` opens only once `new` was heard of.
    fn waits_for(&self, old: usize, new: usize) -> bool {
        let waits = |r: &Record| {
            let of_new = r.slots.values().find(|s| s.target_cluster == cluster(new));
            of_new.is_some_and(|s| s.dropped.is_none() && r.can_promote(s))
        };
        self.standing(old).is_ok_and(|s| s.records.iter().all(waits))
    }

    /// The primary is cut off and lives on, and one of the others takes over.
    async fn split(&mut self) -> Result<(), Violation> {
        let old = self.primary();
        let new = self.candidate().await?;
        self.say(format_args!("{} is cut off, {} is to take over", self.name(old), self.name(new)));
        self.stage.weather.isolate(Some(self.name(old)));
        self.stage.sleep(self.dice.ms(0, 1_500)).await;
        if self.promote(new).await? {
            self.stage.set_route(Route { to: Some(new), stale: Some(old) });
            self.stage.sleep(self.dice.ms(0, 3_000)).await;
        }
        self.stage.weather.isolate(None);
        self.stage.sleep(self.dice.ms(0, 1_000)).await;
        self.gather().await
    }

    /// Somebody promotes a standby although all is well: it has the newest epoch then.
    async fn mistake(&mut self) -> Result<(), Violation> {
        let (old, new) = (self.primary(), self.candidate().await?);
        self.say(format_args!("{} is promoted by mistake", self.name(new)));
        if self.promote(new).await? {
            self.stage.set_route(Route { to: Some(new), stale: Some(old) });
            self.stage.sleep(self.dice.ms(0, 1_500)).await;
        }
        self.gather().await
    }

    /// A standby is told to follow whom it follows, and the primary to follow a standby: the second
    /// is refused, whatever becomes of the first.
    async fn needless(&mut self) -> Result<(), Violation> {
        let (primary, other) = (self.primary(), self.candidate().await?);
        if let Ok(access) = self.hands.access(other) {
            let done = self.ask_to_follow(other, &access, primary, DATABASE).await;
            self.say(format_args!("{} is told to follow: {done:?}", self.name(other)));
        }
        let Ok(access) = self.hands.access(primary) else { return Ok(()) };
        let done = self.ask_to_follow(primary, &access, other, DATABASE).await;
        self.say(format_args!("the wrong way: {done:?}"));
        match done {
            Err(_) => Ok(()),
            Ok(()) => Err(one_primary::violation("a primary agreed to follow its standby")),
        }
    }

    async fn ask_to_follow(
        &self,
        region: usize,
        access: &Access,
        source: usize,
        database: &str,
    ) -> Result<(), SqlState> {
        let request = self.hands.request_from(source, database, true);
        let done = access.links.replicate(request, OPERATOR);
        let done = self.hands.ask(region, "REPLICATE", access, done).await;
        done.map_err(|e| e.state)
    }
}
