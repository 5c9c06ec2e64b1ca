//! A client: one random transaction after the other.

use super::record::End;
use super::town::Town;
use super::work::{self, Step};
use crate::bank;
use crate::dice::{Dice, Pauses};
use crate::region::Access;
use base::{Error, Outcome, SqlState};
use std::sync::Arc;
use std::time::Duration;
use txn::TxnOptions;

/// The longest a client waits for the answer to a COMMIT before it hangs up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Works until the run is over.
pub async fn run(town: Arc<Town>, dice: Dice) {
    let mut process = town.history.process();
    while !town.is_over() {
        town.outside.sleep(dice.ms(1, town.think_ms)).await;
        let Some(access) = town.region.access() else { continue };
        let mut steps = town.pool.draw(&dice);
        town.history.invoke(process, &steps);
        let marker = town.pool.marker();
        let end = attempt(&town, &access, (&mut steps[..], marker), &dice).await;
        town.history.end(process, end, steps, marker);
        if end == End::Unknown {
            process = town.history.process();
        }
    }
}

/// Runs one transaction.
pub async fn attempt(
    town: &Town,
    access: &Access,
    (steps, marker): (&mut [Step], i64),
    dice: &Dice,
) -> End {
    let Ok(database) = access.database() else { return End::Fail };
    let pauses = Pauses::new(town.outside.clone(), dice.clone(), 40, 8);
    let work = async {
        let options = TxnOptions { isolation: town.level, read_only: false };
        let mut txn = bank::begin(&database, options).await?;
        work::run(&mut txn, steps, marker, &pauses).await?;
        pauses.take().await;
        Ok(txn)
    };
    let txn = match town.region.while_alive(access.life, work).await {
        Some(Ok(txn)) => txn,
        Some(Err(error)) => return judged(town, access, &error),
        None => return End::Fail,
    };
    if dice.chance(4) {
        town.region.while_alive(access.life, txn.rollback()).await;
        return End::Fail;
    }
    let patience = if dice.chance(2) { dice.ms(0, 5) } else { PATIENCE };
    let commit = async {
        tokio::select! {
            biased;
            done = txn.commit() => Some(done),
            () = town.outside.sleep(patience) => None,
        }
    };
    match town.region.while_alive(access.life, commit).await.flatten() {
        Some(Ok(_)) => End::Ok,
        Some(Err(error)) => judged(town, access, &error),
        None => End::Unknown,
    }
}

/// How an error ends a transaction. Some must never be told by a living region.
fn judged(town: &Town, access: &Access, error: &Error) -> End {
    town.trace.whisper(|| format!("{} {error}", error.state.0));
    let alive = town.region.access().is_some_and(|now| now.life == access.life);
    if alive && matches!(error.state, SqlState::INTERNAL_ERROR | SqlState::DATA_CORRUPTED) {
        town.report(format!("a client was told: {} {error}", error.state.0));
    }
    match error.outcome {
        Outcome::NotApplied => End::Fail,
        Outcome::Unknown => End::Unknown,
    }
}
