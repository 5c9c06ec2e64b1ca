//! The end of every run: all faults end, the two sides come together, and everything is checked.

use crate::dice::{Dice, Pauses};
use crate::invariants::{
    acknowledged, closed, consistent_cut, equal_sides, files, index_matches, nothing_stuck,
    state_is_replay, stranded_once,
};
use crate::ledger::Told;
use crate::operator::{FIGURES_AGE, Operator};
use crate::picture::{self, Picture};
use crate::plan::DATABASE;
use crate::stage::Stage;
use crate::verdict::Violation;
use crate::weather::Sky;
use std::time::Duration;

/// More disk changes than any run makes.
const NEVER: u64 = 1 << 60;

/// Heals everything and checks it.
pub async fn heal(operator: &mut Operator, dice: &Dice) -> Result<(), Violation> {
    let stage = operator.stage.clone();
    end_faults(&stage);
    operator.await_standby(operator.standby()).await?;
    stage.set_quiet(true);
    operator.until("clients", async || all_told(&stage)).await?;
    settle(operator).await?;
    check_all(operator).await?;
    operator.ungate(operator.primary).await?;
    nothing_stuck::check_locks(&stage, operator.primary, dice).await?;
    settle(operator).await?;
    let before = check_all(operator).await?;
    restart_all(operator, dice).await?;
    settle(operator).await?;
    let after = check_all(operator).await?;
    if before.rows != after.rows {
        return Err(Violation::new("equal_sides", "a restart of both sides changed the data"));
    }
    stage.verdict.get().map_or(Ok(()), Err)
}

/// The end of the story: nothing goes wrong any more.
pub(crate) fn end_faults(stage: &Stage) {
    stage.trace.say("healing");
    stage.set_calm(true);
    stage.weather.set(Sky::default());
    stage.weather.split(false);
    stage.weather.isolate(None);
    for region in &stage.regions {
        region.node.set_capacity(None);
        region.node.crash_after(NEVER);
        region.hold(false);
    }
}

/// All regions go down, by a loss of power or in order, and come up again.
pub(crate) async fn restart_all(operator: &Operator, dice: &Dice) -> Result<(), Violation> {
    let power_loss = dice.chance(50);
    for region in &operator.stage.regions {
        if power_loss {
            region.stop(true);
        } else {
            region.shut_down().await;
        }
    }
    check_files(operator).await
}

pub(crate) fn all_told(stage: &Stage) -> Result<Option<()>, String> {
    let waiting = stage.ledger.entries().into_iter().find(|e| e.told == Told::Nothing);
    waiting.map_or(Ok(Some(())), |e| Err(format!("transfer {} goes on", e.id)))
}

/// Gates the primary and waits until the standby has everything.
async fn settle(operator: &Operator) -> Result<(), Violation> {
    operator.gate(operator.primary).await?;
    // The figures may be those of an earlier gate, with nothing heard of what came in between.
    operator.stage.sleep(FIGURES_AGE).await;
    operator.until("catching up", async || operator.caught_up(operator.standby())).await
}

/// Everything that must hold while the primary takes no writes and the standby has caught up.
async fn check_all(operator: &Operator) -> Result<Picture, Violation> {
    let stage = &operator.stage;
    let primary = look(operator, operator.primary).await?;
    let standby = look(operator, operator.standby()).await?;
    consistent_cut::check(&primary, &stage.plan)?;
    consistent_cut::check(&standby, &stage.plan)?;
    index_matches::check(&primary)?;
    index_matches::check(&standby)?;
    equal_sides::check(&primary, &standby)?;
    check_logs(operator, &[(operator.primary, &primary), (operator.standby(), &standby)])?;
    // The primary goes on closing timestamps: the ends meet now and then.
    let logs = async || operator.compare_logs(true).map(Some).map_err(|v| v.to_string());
    operator.until("comparing logs", logs).await?;
    let vault = |region: usize| {
        let access = operator.access(region).map_err(nothing_stuck::violation)?;
        let vault = access.links.diverged(DATABASE);
        vault.map_err(|e| nothing_stuck::violation(format!("reading the vault: {e}")))
    };
    let (east, west) = (vault(0)?, vault(1)?);
    stranded_once::check(&east, &west)?;
    let (in_east, in_west) = (stranded_once::transfers(&east), stranded_once::transfers(&west));
    let loose = stranded_once::by_content(&east) || stranded_once::by_content(&west);
    let vaults = [&in_east, &in_west];
    acknowledged::check(&stage.ledger, stage.plan.sync, &primary, vaults, loose)?;
    no_full_copy(operator)?;
    let n = primary.transfers().len();
    stage.trace.say(format_args!("checked: {n} transfers, {} stranded", in_east.len()));
    Ok(primary)
}

/// What each side's logs must say by themselves, and together with what was read.
pub(crate) fn check_logs(
    operator: &Operator,
    looks: &[(usize, &Picture)],
) -> Result<(), Violation> {
    let mut whole = 0;
    for &(region, picture) in looks {
        let access = operator.access(region).map_err(nothing_stuck::violation)?;
        let database = access.database().map_err(|e| nothing_stuck::violation(e.to_string()))?;
        for partition in database.local_partitions() {
            closed::check(partition)?;
            whole += usize::from(state_is_replay::check(partition, picture)?);
        }
    }
    operator.stage.trace.say(format_args!("checked: {whole} whole logs"));
    Ok(())
}

/// Starts all regions, and looks at their files before anything is written.
async fn check_files(operator: &Operator) -> Result<(), Violation> {
    for region in &operator.stage.regions {
        let started = region.start().await;
        started.map_err(|e| nothing_stuck::violation(format!("{}: {e}", region.name)))?;
        let access = region.access().ok_or_else(|| nothing_stuck::violation("down again"))?;
        files::check(&access, region.node.env().disk.as_ref(), region.name)?;
    }
    Ok(())
}

pub(crate) async fn look(operator: &Operator, region: usize) -> Result<Picture, Violation> {
    look_into(operator, region, DATABASE).await
}

/// Reads one database of a healed region.
pub(crate) async fn look_into(
    operator: &Operator,
    region: usize,
    name: &str,
) -> Result<Picture, Violation> {
    let failed = |e: String| nothing_stuck::violation(format!("reading after healing: {e}"));
    let access = operator.access(region).map_err(failed)?;
    let database = access.engine.database(name).map_err(|e| failed(e.to_string()))?;
    let pauses = Pauses::new(operator.stage.outside.clone(), operator.dice.clone(), 0, 0);
    let read = picture::read(&database, &pauses, true);
    let limit = operator.stage.sleep(Duration::from_secs(30));
    tokio::select! {
        biased;
        read = read => read.map_err(|e| failed(e.to_string())),
        () = limit => Err(failed("it takes for ever".to_owned())),
    }
}

/// Nobody ever has to copy everything again, whether the log is there or not; and a standby that
/// verifies itself never finds a difference.
pub(crate) fn no_full_copy(operator: &Operator) -> Result<(), Violation> {
    for region in 0..operator.stage.regions.len() {
        let access = operator.access(region).map_err(nothing_stuck::violation)?;
        let name = operator.stage.regions[region].name;
        let told = |kind: &str| {
            access.engine.meta.read(|s| {
                let found = s.history.iter().find(|h| h.kind == kind);
                found.map(|h| h.detail.clone())
            })
        };
        if let Some(why) = told("full copy") {
            let what = format!("{name} did not come back by difference: {why}");
            return Err(Violation::new("by_difference", what));
        }
        if let Some(what) = told("divergence") {
            return Err(Violation::new("verified", format!("at {name}: {what}")));
        }
        let ways = |kind: &str| {
            access.engine.meta.read(|s| s.history.iter().filter(|h| h.kind == kind).count())
        };
        let (by_content, verified) = (ways("by content"), ways("verify"));
        operator
            .stage
            .trace
            .say(format_args!("{name}: {by_content} times by content, {verified} times verified"));
    }
    Ok(())
}
