//! A client: makes transfers, one after the other, and notes what it is told.

use crate::bank::{self, Transfer};
use crate::dice::{Dice, Pauses};
use crate::invariants::one_primary;
use crate::ledger::Told;
use crate::region::Access;
use crate::stage::Stage;
use base::{Outcome, Result, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use txn::{Committed, Isolation};

/// The longest a client waits for the answer to a COMMIT before it hangs up.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest a client waits for a standby.
const CONFIRMED_IN: Duration = Duration::from_secs(3);

/// Works until the run is over. `number` tells whether it clings to a stale region.
pub async fn run(stage: Arc<Stage>, number: u64, dice: Dice) {
    while !stage.is_over() {
        stage.sleep(dice.ms(1, stage.plan.think_ms)).await;
        if stage.is_quiet() {
            continue;
        }
        let route = stage.route();
        let region = if number % 2 == 1 { route.stale.or(route.to) } else { route.to };
        let Some(region) = region else { continue };
        let Some(access) = stage.regions[region].access() else { continue };
        attempt(&stage, region, &access, &dice).await;
    }
}

async fn attempt(stage: &Stage, region: usize, access: &Access, dice: &Dice) {
    let Ok(database) = access.database() else { return };
    let id = stage.ledger.begin(region, database.promotion_epoch(), stage.now());
    let transfer = Transfer::draw(id, &stage.plan, dice);
    let told = make(stage, region, access, &transfer, dice).await;
    if matches!(told, Told::Acknowledged(_)) {
        stage.verdict.check(one_primary::check(&stage.ledger, id));
    }
    stage.ledger.end(id, told, stage.now());
    if let Told::Acknowledged(ts) = told
        && dice.chance(25)
        && is_covered(stage, region, access, ts).await
    {
        stage.ledger.cover(id);
    }
    stage.trace.say(format_args!("client {} {id} {told:?}", stage.regions[region].name));
}

/// `commit_wait = remote`
async fn is_covered(stage: &Stage, region: usize, access: &Access, ts: Timestamp) -> bool {
    let Ok(database) = access.database() else { return false };
    let wait = async {
        tokio::select! {
            biased;
            () = database.cover().covered(ts) => true,
            () = stage.sleep(CONFIRMED_IN) => false,
        }
    };
    stage.regions[region].while_alive(access.life, wait).await.unwrap_or(false)
}

/// Makes one transfer and returns what its client was told.
pub async fn make(
    stage: &Stage,
    region: usize,
    access: &Access,
    transfer: &Transfer,
    dice: &Dice,
) -> Told {
    let Ok(database) = access.database() else { return Told::Failed };
    let place = &stage.regions[region];
    let repeatable = dice.chance(30);
    let isolation = if repeatable { Isolation::RepeatableRead } else { Isolation::ReadCommitted };
    let pauses = Pauses::new(stage.outside.clone(), dice.clone(), 30, 30);
    let work = bank::transfer(&database, isolation, transfer, &pauses);
    let txn = match place.while_alive(access.life, work).await {
        Some(Ok(txn)) => txn,
        Some(Err(error)) => {
            stage.judge_error(place, access, "transfer", &error);
            return Told::Failed;
        }
        None => return Told::Failed,
    };
    if dice.chance(4) {
        place.while_alive(access.life, txn.rollback()).await;
        return Told::Failed;
    }
    let patience = if dice.chance(3) { dice.ms(0, 5) } else { PATIENCE };
    let commit = async {
        tokio::select! {
            biased;
            done = txn.commit() => Some(done),
            () = stage.sleep(patience) => None,
        }
    };
    let done = place.while_alive(access.life, commit).await.flatten();
    told(stage, region, access, done)
}

/// What the client of a commit was told; `None`: nothing.
pub fn told(
    stage: &Stage,
    region: usize,
    access: &Access,
    done: Option<Result<Committed>>,
) -> Told {
    match done {
        Some(Ok(committed)) => Told::Acknowledged(committed.ts),
        Some(Err(error)) => {
            stage.judge_error(&stage.regions[region], access, "commit", &error);
            match error.outcome {
                Outcome::NotApplied => Told::Failed,
                Outcome::Unknown => Told::Unknown,
            }
        }
        None => Told::Unknown,
    }
}
