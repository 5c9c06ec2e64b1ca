//! Somebody who branches either side of the database under test, at any moment and at times of the
//! past, writes into the branches, looks whether they stay what they were, and drops them.

use crate::bank::{self, Transfer};
use crate::dice::{Dice, Pauses};
use crate::invariants::{consistent_cut, index_matches, same_past};
use crate::picture::{self, Picture};
use crate::plan::DATABASE;
use crate::region::{Access, Region};
use crate::stage::Stage;
use crate::verdict::Violation;
use base::{Epoch, Error, Result, Timestamp};
use meta::Purpose;
use std::collections::BTreeMap;
use std::sync::Arc;
use txn::{BranchOrder, Database, Isolation};

/// So many branches a region has at most.
const BRANCHES_MAX: usize = 2;
/// Ids of transfers that are only in branches.
const OWN_IDS: i64 = 1 << 40;

/// What is known of branches that were promised, by region and name.
type Promised = BTreeMap<(usize, String), Picture>;

fn violation(what: String) -> Violation {
    Violation::new("branch", what)
}

/// Makes, looks at and drops branches until the run is over.
pub async fn run(stage: Arc<Stage>, dice: Dice) {
    let mut promised = Promised::new();
    let mut number = 0;
    while !stage.is_over() {
        stage.sleep(dice.ms(200, 5_000)).await;
        let index = stage.any(&dice);
        let region = stage.regions[index].clone();
        let Some(access) = region.access() else { continue };
        number += 1;
        let here: Vec<String> =
            promised.keys().filter(|(i, _)| *i == index).map(|(_, name)| name.clone()).collect();
        let what = if here.len() < BRANCHES_MAX && dice.chance(60) { "branch" } else { "look" };
        let done = match what {
            "branch" => {
                let place = (index, format!("b{number}"));
                make(&stage, &region, &access, place, &dice, &mut promised).await
            }
            _ if here.is_empty() => continue,
            _ => {
                let name = here[dice.range(0, here.len() as u64 - 1) as usize].clone();
                look(&stage, &region, &access, (index, name), &dice, &mut promised).await
            }
        };
        if let Err(error) = &done {
            stage.judge_error(&region, &access, what, error);
        }
        let said = done.map_or_else(|e| e.to_string(), |()| "done".to_owned());
        stage.trace.say(format_args!("{what} {number} at {}: {said}", region.name));
    }
}

fn died(region: &Region) -> Error {
    Error::new(base::SqlState::CONNECTION_FAILURE, format!("{} died", region.name))
}

async fn make(
    stage: &Stage,
    region: &Region,
    access: &Access,
    place: (usize, String),
    dice: &Dice,
    promised: &mut Promised,
) -> Result<()> {
    let database = access.database()?;
    let past = dice.chance(30).then(|| database.window()).transpose()?;
    // Before the bank was made there is nothing to see.
    let at = past.map(|w| w.newest.0.saturating_sub(dice.range(0, 800) << 16).max(w.oldest.0));
    let drill = dice.chance(25);
    let order = BranchOrder {
        source: DATABASE.to_owned(),
        name: place.1.clone(),
        at: at.map(Timestamp),
        purpose: if drill { Purpose::Drill } else { Purpose::Own },
        by: None,
    };
    let (engine, epoch) = (access.engine.clone(), database.promotion_epoch());
    let made = region.while_alive(access.life, engine.branch(order)).await;
    let made = made.unwrap_or_else(|| Err(died(region)))?;
    stage.trace.say(format_args!("branch {} at {}: cut {}", place.1, region.name, made.cut));
    let work = async {
        let first = read(stage, &made.database, dice).await?;
        same_as_source(stage, region, &database, (made.cut, epoch, &first), dice).await;
        if stage.plan.sync && dice.chance(60) {
            spend(stage, &made.database, dice).await?;
        }
        Ok::<_, Error>((first, read(stage, &made.database, dice).await?))
    };
    let seen = region.while_alive(access.life, work).await;
    let (first, picture) = match seen.unwrap_or_else(|| Err(died(region))) {
        Ok(seen) => seen,
        // It exists, but nobody has seen what is in it.
        Err(error) => {
            let drop = async {
                let name = &place.1;
                if drill { engine.drop_drill(name).await } else { engine.drop_database(name).await }
            };
            // The next start removes what cannot be removed now.
            let _ = region.while_alive(access.life, drop).await;
            return Err(error);
        }
    };
    stage.verdict.check(whole(stage, &first, region, &place.1));
    stage.verdict.check(whole(stage, &picture, region, &place.1));
    if drill {
        let dropped = region.while_alive(access.life, engine.drop_drill(&place.1)).await;
        return dropped.unwrap_or_else(|| Err(died(region)));
    }
    promised.insert(place, picture);
    Ok(())
}

/// What the branch shows is what its source shows of that time, as long as that can be read.
async fn same_as_source(
    stage: &Stage,
    region: &Region,
    source: &Arc<Database>,
    (cut, epoch, branch): (Timestamp, Epoch, &Picture),
    dice: &Dice,
) {
    let pauses = Pauses::new(stage.outside.clone(), dice.clone(), 0, 0);
    let Ok(then) = picture::read_as_of(source, Some(cut), &pauses, false).await else { return };
    if then.same_epoch && then.epoch == epoch {
        let place = format!("{} (its branch)", region.name);
        stage.verdict.check(same_past::check(&then, branch, &place));
    }
}

/// A few transfers that nobody else knows of.
async fn spend(stage: &Stage, database: &Arc<Database>, dice: &Dice) -> Result<()> {
    let pauses = Pauses::new(stage.outside.clone(), dice.clone(), 10, 10);
    for _ in 0..dice.range(1, 6) {
        let id = OWN_IDS + dice.range(0, 1 << 30) as i64;
        let transfer = Transfer::draw(id, &stage.plan, dice);
        let txn = bank::transfer(database, Isolation::ReadCommitted, &transfer, &pauses).await;
        match txn {
            Ok(txn) => drop(txn.commit().await?),
            // A branch of a time before the bank.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

async fn read(stage: &Stage, database: &Arc<Database>, dice: &Dice) -> Result<Picture> {
    let pauses = Pauses::new(stage.outside.clone(), dice.clone(), 10, 10);
    picture::read(database, &pauses, true).await
}

fn whole(stage: &Stage, picture: &Picture, region: &Region, name: &str) -> Result<(), Violation> {
    let whole = consistent_cut::check(picture, &stage.plan);
    whole.and_then(|()| index_matches::check(picture)).map_err(|mut violation| {
        violation.what = format!("{} (branch {name} at {})", violation.what, region.name);
        violation
    })
}

/// A branch is what it was, whatever has become of what it was made of; perhaps it goes then.
async fn look(
    stage: &Stage,
    region: &Region,
    access: &Access,
    place: (usize, String),
    dice: &Dice,
    promised: &mut Promised,
) -> Result<()> {
    let (engine, name) = (access.engine.clone(), place.1.clone());
    let Ok(database) = engine.database(&name) else {
        let what = format!("branch {name} at {} is gone", region.name);
        stage.verdict.report(violation(what));
        return Ok(());
    };
    let read = async {
        if dice.chance(30) {
            engine.checkpoint(&database).await?;
        }
        read(stage, &database, dice).await
    };
    let seen = region.while_alive(access.life, read).await.unwrap_or_else(|| Err(died(region)))?;
    if let Some(known) = promised.get(&place)
        && known.rows != seen.rows
    {
        let what = format!("branch {name} at {} is no longer what it was", region.name);
        stage.verdict.report(violation(what));
    }
    stage.verdict.check(whole(stage, &seen, region, &name));
    if dice.chance(60) {
        promised.remove(&place);
        drop(database);
        let dropped = region.while_alive(access.life, engine.drop_database(&name)).await;
        return dropped.unwrap_or_else(|| Err(died(region)));
    }
    Ok(())
}
