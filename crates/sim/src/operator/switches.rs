//! The ways in which the primary changes sides.

use super::steps::Promotion;
use super::{OPERATOR, Operator};
use crate::invariants::{one_primary, stranded_once};
use crate::stage::Route;
use crate::verdict::Violation;
use base::Timestamp;
use std::time::Duration;

/// For so long a link's figures may be older than the gate.
pub(crate) const FIGURES_AGE: Duration = Duration::from_millis(3_500);

impl Operator {
    pub(super) fn serve(&mut self, region: usize) {
        self.primary = region;
        self.stage.set_route(Route { to: Some(region), stale: None });
    }

    /// Scenario 1, steps 5 to 7: gate, wait, promote the other side, follow it.
    pub(crate) async fn planned(&mut self) -> Result<(), Violation> {
        let (old, new) = (self.primary, self.standby());
        self.stage.trace.say("operator: planned switch");
        self.await_standby(new).await?;
        self.gate(old).await?;
        self.stage.ledger.close(old, "it was gated for a planned switch", self.stage.now());
        self.stage.set_route(Route::default());
        self.stage.sleep(FIGURES_AGE).await;
        if self.dice.chance(10) {
            self.stage.trace.say("operator: thinks better of it");
            self.ungate(old).await?;
            self.stage.ledger.open(old);
            self.serve(old);
            return Ok(());
        }
        let before = std::cell::Cell::new(None);
        let ready = async || {
            let caught_up = self.caught_up(new)?;
            before.set(self.vaulted());
            Ok(caught_up)
        };
        if self.promote(new, ready).await? == Promotion::Impossible {
            // It takes a while yet: the old primary goes on.
            self.ungate(old).await?;
            self.stage.ledger.open(old);
            self.serve(old);
            return Ok(());
        }
        self.serve(new);
        self.stage.sleep(self.dice.ms(0, 2_000)).await;
        if self.dice.chance(50) {
            self.ungate(old).await?;
        }
        self.come_back(old).await?;
        self.await_standby(old).await?;
        match (before.get(), self.vaulted()) {
            (Some(before), Some(after)) if before != after => {
                let what = format!("a planned switch strands: {before:?}, then {after:?}");
                Err(stranded_once::violation(what))
            }
            _ => Ok(()),
        }
    }

    /// Scenario 1, steps 1 to 4: the primary is lost, the other side goes on, the old one comes back.
    pub(crate) async fn lost(&mut self) -> Result<(), Violation> {
        let (old, new) = (self.primary, self.standby());
        let stage = self.stage.clone();
        let region = &stage.regions[old];
        stage.trace.say(format_args!("operator: {} is lost", region.name));
        let waits = self.waits_for_standby(old);
        region.hold(true);
        match self.dice.range(0, 3) {
            0 => region.stop(false),
            1 => {
                region.node.crash_after(self.dice.range(0, 100));
                stage.sleep(self.dice.ms(0, 500)).await;
                region.stop(true);
            }
            _ => region.stop(true),
        }
        if waits {
            stage.ledger.close(old, "it was lost and the other side was promoted", stage.now());
        }
        stage.set_route(Route::default());
        stage.sleep(self.dice.ms(0, 1_000)).await;
        if self.dice.chance(30) {
            self.nothing_lost(new).await?;
        }
        if self.promote(new, async || Ok(Some(()))).await? == Promotion::Impossible {
            stage.ledger.open(old);
            region.hold(false);
            self.serve(old);
            return Ok(());
        }
        self.serve(new);
        stage.sleep(self.dice.ms(0, 5_000)).await;
        region.hold(false);
        if self.dice.chance(50) {
            stage.set_route(Route { to: Some(new), stale: Some(old) });
            stage.sleep(self.dice.ms(0, 4_000)).await;
        }
        self.logs_go().await;
        self.come_back(old).await?;
        self.serve(new);
        self.await_standby(old).await
    }

    /// Both sides live, and the operator promotes the standby all the same, because the link is `cut` or
    /// by mistake; some clients stay with the old primary.
    pub(crate) async fn split(&mut self, cut: bool) -> Result<(), Violation> {
        let (old, new) = (self.primary, self.standby());
        self.stage.trace.say(format_args!("operator: split (cut: {cut})"));
        self.stage.weather.split(cut);
        self.stage.sleep(self.dice.ms(0, 1_000)).await;
        let at = if self.dice.chance(40) { self.older(old, new) } else { None };
        if self.promote_at(new, at, async || Ok(Some(()))).await? == Promotion::Impossible {
            self.stage.weather.split(false);
            return Ok(());
        }
        self.primary = new;
        self.stage.set_route(Route { to: Some(new), stale: Some(old) });
        self.stage.sleep(self.dice.ms(0, 4_000)).await;
        self.stage.weather.split(false);
        self.stage.sleep(self.dice.ms(0, 1_000)).await;
        if self.dice.chance(30) {
            self.wrong_way(new).await?;
        }
        self.logs_go().await;
        self.come_back(old).await?;
        self.stage.set_route(Route { to: Some(new), stale: None });
        self.await_standby(old).await
    }

    /// A time before what the standby has, to which the old primary can go back, too: not before
    /// what it knows the standby to have.
    fn older(&self, old: usize, new: usize) -> Option<Timestamp> {
        let floor = self.access(old).ok()?.record().ok()?.slot_time()?;
        let newest = self.access(new).ok()?.database().ok()?.replicated_time();
        let back = Timestamp(self.dice.range(0, 600) << 16);
        let at = Timestamp(newest.0.saturating_sub(back.0)).max(floor);
        self.stage.trace.say(format_args!("operator: back to {at} of {newest}"));
        (at < newest).then_some(at)
    }

    /// The new primary is told to follow the old one: that must be refused, whatever else happens.
    async fn wrong_way(&self, new: usize) -> Result<(), Violation> {
        let Ok(access) = self.access(new) else { return Ok(()) };
        let work = access.links.replicate(self.request(new, true), OPERATOR);
        let done = self.ask(new, "REPLICATE (the wrong way)", &access, work).await;
        self.stage.trace.say(format_args!("operator: the wrong way: {done:?}"));
        match done {
            Err(_) => Ok(()),
            Ok(()) => Err(one_primary::violation("a primary agreed to follow a stale one")),
        }
    }
}
