//! The operator: moves the primary from side to side, as people do after a disaster or before
//! maintenance, and repeats every statement until it is known to have worked.

mod forgetting;
mod handovers;
mod steps;
mod switches;

pub(crate) use switches::FIGURES_AGE;

use crate::bank;
use crate::dice::Dice;
use crate::invariants::nothing_stuck;
use crate::plan::DATABASE;
use crate::stage::{Route, Stage};
use crate::verdict::Violation;
use meta::Durability;
use std::sync::Arc;
use std::time::Duration;

/// Who is in the history.
pub(crate) const OPERATOR: &str = "operator";
/// How long a step may fail before the operator waits for better weather.
const IMPATIENT: Duration = Duration::from_secs(45);
/// How long it may fail in good weather.
const STUCK: Duration = Duration::from_secs(180);

/// The operator.
#[derive(Debug)]
pub struct Operator {
    pub(crate) stage: Arc<Stage>,
    pub(crate) dice: Dice,
    /// The region that is, or is to be, the primary.
    pub primary: usize,
}

impl Operator {
    /// An operator who finds two regions without anything.
    pub fn new(stage: Arc<Stage>, dice: Dice) -> Operator {
        Operator { stage, dice, primary: 0 }
    }

    /// The region that is not the primary.
    pub fn standby(&self) -> usize {
        1 - self.primary
    }

    /// Sets the scene: a database in east with traffic on it, replicated to west.
    pub async fn begin(&mut self) -> Result<(), Violation> {
        let stage = self.stage.clone();
        let failed = |e: base::Error| nothing_stuck::violation(format!("setting the scene: {e}"));
        for region in &stage.regions {
            region.start().await.map_err(failed)?;
        }
        let down = || nothing_stuck::violation("setting the scene: down");
        let durability = if stage.plan.sync { Durability::Sync } else { Durability::Async };
        let east = stage.regions[0].access().ok_or_else(down)?;
        let made = east.engine.create_database(DATABASE, stage.plan.partitions, durability);
        let database = made.await.map_err(failed)?;
        bank::create(&database, stage.plan.accounts).await.map_err(failed)?;
        stage.set_route(Route { to: Some(0), stale: None });
        stage.set_quiet(false);
        stage.sleep(self.dice.ms(0, 1_500)).await;
        if stage.plan.copy_from_base {
            east.engine.spill_above(&database, 0).await.map_err(failed)?;
            stage.sleep(self.dice.ms(0, 1_500)).await;
        }
        stage.set_calm(self.dice.chance(50));
        self.replicate(1, false).await?;
        stage.set_calm(false);
        self.await_standby(1).await
    }

    /// One change of sides (or an attempt).
    pub async fn round(&mut self) -> Result<(), Violation> {
        self.stage.sleep(self.dice.ms(100, 4_000)).await;
        self.fallen_behind().await?;
        match self.dice.range(0, 99) {
            0..=19 => self.planned().await?,
            20..=39 => self.switchover().await?,
            40..=74 => self.lost().await?,
            75..=89 => self.split(true).await?,
            _ => self.split(false).await?,
        }
        self.compare_logs(false)
    }

    /// Repeats `step` until it gives something. After a while only in good weather, and not for ever.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        mut step: impl AsyncFnMut() -> Result<Option<T>, String>,
    ) -> Result<T, Violation> {
        let began = self.stage.now();
        let was_calm = self.stage.is_calm();
        let mut said = String::new();
        loop {
            match step().await {
                Ok(Some(value)) => {
                    self.stage.set_calm(was_calm);
                    return Ok(value);
                }
                Ok(None) => {}
                Err(why) => {
                    // Figures change all the time: they are of no interest.
                    let bare = |s: &str| s.split(" (").next().map(str::to_owned);
                    if bare(&why) != bare(&said) {
                        self.stage.trace.say(format_args!("operator: {what}: {why}"));
                    }
                    said = why;
                }
            }
            if let Some(violation) = self.stage.verdict.get() {
                return Err(violation);
            }
            let spent = self.stage.now() - began;
            if spent > IMPATIENT {
                self.stage.set_calm(true);
            }
            if spent > IMPATIENT + STUCK {
                let what = format!("{what} does not work for {spent:?}: {said} {}", self.state());
                return Err(nothing_stuck::violation(what));
            }
            self.stage.sleep(Duration::from_millis(100)).await;
        }
    }

    /// What both sides look like, for reports.
    fn state(&self) -> String {
        let mut text = String::new();
        for region in &self.stage.regions {
            text += &format!("\n  {}: ", region.name);
            match region.access() {
                None => text += "down",
                Some(access) => {
                    if let Ok(record) = access.record() {
                        let role = record.state.name();
                        text += &format!("{role}, gate {:?}, {:?}", record.gate, record.slots);
                    }
                    text += &format!(", links {:?}", access.links.status());
                }
            }
        }
        text
    }
}
