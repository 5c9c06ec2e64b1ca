//! A reader: looks at both regions again and again, and checks everything it is shown.

use crate::dice::{Dice, Pauses};
use crate::invariants::{acknowledged, consistent_cut, index_matches, same_past};
use crate::picture::{self, Picture};
use crate::stage::Stage;
use std::sync::Arc;

/// How many pictures are remembered, to be compared with later looks at the same time.
const MEMORY: usize = 12;

/// Reads until the run is over.
pub async fn run(stage: Arc<Stage>, dice: Dice) {
    let mut remembered: Vec<Picture> = Vec::new();
    while !stage.is_over() {
        stage.sleep(dice.ms(20, 300)).await;
        if let Some(picture) = look(&stage, stage.any(&dice), &dice).await {
            if remembered.len() == MEMORY {
                remembered.swap_remove(dice.range(0, MEMORY as u64 - 1) as usize);
            }
            remembered.push(picture);
        }
        if !remembered.is_empty() && dice.chance(50) {
            let old = dice.range(0, remembered.len() as u64 - 1) as usize;
            look_back(&stage, stage.any(&dice), &remembered[old], &dice).await;
        }
    }
}

/// Reads one region as of the time of an earlier picture, which must not have changed.
async fn look_back(stage: &Stage, region: usize, old: &Picture, dice: &Dice) {
    let place = &stage.regions[region];
    let Some(access) = place.access() else { return };
    let Ok(database) = access.database() else { return };
    // Without SYNC DURABILITY a loss of power may take back what was shown.
    if !stage.plan.sync || !old.same_epoch {
        return;
    }
    let pauses = Pauses::new(stage.outside.clone(), dice.clone(), 20, 20);
    let read = picture::read_as_of(&database, Some(old.at), &pauses, dice.chance(15));
    match place.while_alive(access.life, read).await {
        Some(Ok(again)) if again.same_epoch && again.epoch == old.epoch => {
            stage.trace.say(format_args!("reader {} looks back to {}", place.name, old.at));
            let same = same_past::check(old, &again, place.name);
            stage.verdict.check(same.and_then(|()| index_matches::check(&again)));
        }
        Some(Err(error)) => stage.judge_error(place, &access, "reading the past", &error),
        _ => {}
    }
}

/// Reads one region once, if it can be read.
async fn look(stage: &Stage, region: usize, dice: &Dice) -> Option<Picture> {
    let place = &stage.regions[region];
    let access = place.access()?;
    let database = access.database().ok()?;
    let began = stage.now();
    let (percent, ms_max) = if dice.chance(20) { (100, 400) } else { (20, 20) };
    let pauses = Pauses::new(stage.outside.clone(), dice.clone(), percent, ms_max);
    let read = picture::read(&database, &pauses, dice.chance(15));
    match place.while_alive(access.life, read).await {
        Some(Ok(picture)) => {
            let seen = picture.transfers().len();
            stage.trace.say(format_args!("reader {} {} sees {seen}", place.name, picture.at));
            let whole = consistent_cut::check(&picture, &stage.plan);
            let sync = stage.plan.sync;
            let told = || acknowledged::check_seen(&picture, &stage.ledger, region, sync, began);
            let checked = whole.and_then(|()| index_matches::check(&picture)).and_then(|()| told());
            stage.verdict.check(checked.map_err(|mut violation| {
                let (name, state) = (place.name, database.state().name());
                violation.what =
                    format!("{} (read at {name}, {state}, {})", violation.what, picture.at);
                violation
            }));
            Some(picture)
        }
        Some(Err(error)) => {
            stage.judge_error(place, &access, "reading", &error);
            None
        }
        None => None,
    }
}
