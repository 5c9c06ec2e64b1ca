//! A reader: looks at both regions again and again, and checks everything it is shown.

use crate::dice::{Dice, Pauses};
use crate::invariants::{acknowledged, consistent_cut, index_matches};
use crate::picture;
use crate::stage::Stage;
use std::sync::Arc;

/// Reads until the run is over.
pub async fn run(stage: Arc<Stage>, dice: Dice) {
    while !stage.is_over() {
        stage.sleep(dice.ms(20, 300)).await;
        look(&stage, dice.range(0, 1) as usize, &dice).await;
    }
}

/// Reads one region once, if it can be read.
pub async fn look(stage: &Stage, region: usize, dice: &Dice) {
    let place = &stage.regions[region];
    let Some(access) = place.access() else { return };
    let Ok(database) = access.database() else { return };
    let began = stage.now();
    let (percent, ms_max) = if dice.chance(20) { (100, 400) } else { (20, 20) };
    let pauses = Pauses::new(stage.outside.clone(), dice.clone(), percent, ms_max);
    let read = picture::read(&database, &pauses, dice.chance(40));
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
        }
        Some(Err(error)) => stage.judge_error(place, &access, "reading", &error),
        None => {}
    }
}
