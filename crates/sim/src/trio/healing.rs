//! The end of a run: all faults end, two clusters follow the third, and everything is checked.

use super::chief::{Chief, SHOP};
use crate::dice::Dice;
use crate::healing::{
    all_told, check_logs, end_faults, look, look_into, no_full_copy, restart_all,
};
use crate::invariants::{
    bulk_whole, consistent_cut, equal_sides, group_cut, index_matches, kept_somewhere, log_prefix,
    nothing_stuck, own_rows, roles_of_cut,
};
use crate::operator::{FIGURES_AGE, OPERATOR};
use crate::picture::Picture;
use crate::plan::DATABASE;
use crate::verdict::Violation;
use meta::DatabaseState;

impl Chief {
    /// Heals everything and checks it.
    pub(super) async fn heal(&mut self, dice: &Dice) -> Result<(), Violation> {
        let stage = self.stage.clone();
        end_faults(&stage);
        let primary = self.rightful().await?;
        self.serve(primary);
        for region in self.others(primary) {
            self.attach(region, primary).await?;
            self.await_standby(region).await?;
        }
        stage.set_quiet(true);
        self.hands.until("clients", async || all_told(&stage)).await?;
        self.settle().await?;
        self.check_all().await?;
        self.ungate().await?;
        nothing_stuck::check_locks(&stage, primary, dice).await?;
        self.settle().await?;
        let before = self.check_all().await?;
        restart_all(&self.hands, dice).await?;
        self.settle().await?;
        let after = self.check_all().await?;
        if before.rows != after.rows {
            return Err(Violation::new("equal_sides", "a restart of all changed the data"));
        }
        stage.verdict.get().map_or(Ok(()), Err)
    }

    /// The primary with the highest epoch.
    async fn rightful(&self) -> Result<usize, Violation> {
        self.hands
            .until("looking for the primary", async || {
                let mut best = None;
                for region in 0..self.stage.regions.len() {
                    let standing = self.standing(region)?;
                    if standing.all(DatabaseState::Primary) {
                        best = best.max(Some((standing.epoch(), region)));
                    }
                }
                best.map(|(_, region)| Some(region)).ok_or_else(|| "nobody is".to_owned())
            })
            .await
    }

    /// Gates the primary and waits until the others have everything.
    async fn settle(&self) -> Result<(), Violation> {
        let primary = self.primary();
        self.hands
            .until("gating", async || {
                let access = self.hands.access(primary)?;
                for name in self.databases() {
                    let done = access.engine.gate(name, OPERATOR, "the end");
                    let done = self.hands.ask(primary, "FLUSH TABLES", &access, done).await;
                    done.map_err(|e| e.to_string())?;
                }
                Ok(Some(()))
            })
            .await?;
        // The figures may be those of an earlier gate.
        self.stage.sleep(FIGURES_AGE).await;
        for region in self.others(primary) {
            self.hands.until("catching up", async || self.has_all(region)).await?;
        }
        Ok(())
    }

    async fn ungate(&self) -> Result<(), Violation> {
        let primary = self.primary();
        self.hands
            .until("opening", async || {
                let access = self.hands.access(primary)?;
                for name in self.databases() {
                    access.engine.ungate(name, OPERATOR).map_err(|e| e.to_string())?;
                }
                Ok(Some(()))
            })
            .await
    }

    /// Everything that must hold while the primary takes no writes and the others have caught up.
    async fn check_all(&self) -> Result<Picture, Violation> {
        let (stage, primary) = (&self.stage, self.primary());
        let mut looks = Vec::new();
        for region in 0..stage.regions.len() {
            let picture = look(&self.hands, region).await?;
            consistent_cut::check(&picture, &stage.plan)?;
            index_matches::check(&picture)?;
            bulk_whole::check(&picture)?;
            looks.push(picture);
        }
        for region in self.others(primary) {
            equal_sides::check(&looks[primary], &looks[region])?;
        }
        if self.cast.group {
            self.check_shop(&looks[primary]).await?;
        }
        let numbered: Vec<(usize, &Picture)> = looks.iter().enumerate().collect();
        check_logs(&self.hands, &numbered)?;
        for region in self.others(primary) {
            let logs = async || self.compare_logs(primary, region).map(Some);
            self.hands.until("comparing logs", logs).await?;
        }
        let mut vaults = Vec::new();
        for region in 0..stage.regions.len() {
            let access = self.hands.access(region).map_err(nothing_stuck::violation)?;
            let vault = access.links.diverged(DATABASE);
            let failed = |e| nothing_stuck::violation(format!("reading the vault: {e}"));
            vaults.push(vault.map_err(failed)?);
        }
        for (region, vault) in vaults.iter().enumerate() {
            let place = (region, self.name(region));
            own_rows::check(&stage.notes, place, &looks[region], vault, stage.plan.sync)?;
        }
        let terms = kept_somewhere::Terms { sync: stage.plan.sync, sloppy: self.sloppy };
        kept_somewhere::check(&stage.ledger, terms, &looks[primary], &vaults)?;
        no_full_copy(&self.hands)?;
        let access = self.hands.access(primary).map_err(nothing_stuck::violation)?;
        roles_of_cut::check(&access, self.name(primary)).await?;
        let n = looks[primary].transfers().len();
        self.say(format_args!("checked: {n} transfers, sloppy {}", self.sloppy));
        Ok(looks.swap_remove(primary))
    }

    async fn check_shop(&self, bank: &Picture) -> Result<(), Violation> {
        let primary = self.primary();
        let shop = look_into(&self.hands, primary, SHOP).await?;
        group_cut::check(bank, &shop)?;
        for region in self.others(primary) {
            equal_sides::check(&shop, &look_into(&self.hands, region, SHOP).await?)?;
        }
        Ok(())
    }

    fn compare_logs(&self, one: usize, other: usize) -> Result<(), String> {
        let database = |region| -> Result<_, String> {
            self.hands.access(region)?.database().map_err(|e| e.to_string())
        };
        let (one, other) = (database(one)?, database(other)?);
        let checked = log_prefix::check(one.local_partitions(), other.local_partitions(), true);
        checked.map_err(|v| v.to_string())
    }
}
