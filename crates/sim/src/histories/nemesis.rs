//! What happens to the region while the clients work.

use super::town::Town;
use crate::dice::Dice;
use std::sync::Arc;

/// Kills the region, takes its power, lets it write chunks, until the run is over.
pub async fn run(town: Arc<Town>, dice: Dice) {
    while !town.is_over() {
        town.outside.sleep(dice.ms(20, town.mischief_ms)).await;
        let Some(access) = town.region.access() else {
            // It does not always start: the next power loss may come before it is up.
            let doom = dice.chance(30).then(|| dice.range(1, 60));
            let _ = town.region.start_doomed(doom).await;
            continue;
        };
        match dice.range(0, 9) {
            0..=5 => {
                let Ok(database) = access.database() else { continue };
                let spill = access.engine.spill_above(&database, 0);
                town.region.while_alive(access.life, spill).await;
            }
            6 | 7 => town.region.stop(true),
            _ => town.region.stop(false),
        }
    }
}
