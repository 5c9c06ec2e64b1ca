//! # Nothing is stuck
//! Once everything is healed, without any more help: every region opens; the standby catches up;
//! a transaction on every account commits within seconds, so no lock was left; gates drain; both
//! regions shut down in order, open again and are what they were. And at no time does a step of
//! the operator that is repeated in good weather fail for minutes.

use crate::bank::Transfer;
use crate::client;
use crate::dice::Dice;
use crate::ledger::Told;
use crate::stage::Stage;
use crate::verdict::Violation;
use std::time::Duration;

/// How often a transaction may meet something transient before it counts as stuck.
const TRIES: usize = 10;

/// A violation of this invariant.
pub fn violation(what: impl Into<String>) -> Violation {
    Violation::new("nothing_stuck", what)
}

/// Makes a transfer over every account in a healed region.
pub async fn check_locks(stage: &Stage, region: usize, dice: &Dice) -> Result<(), Violation> {
    let name = stage.regions[region].name;
    let access = stage.regions[region].access();
    let access = access.ok_or_else(|| violation(format!("{name} is down after healing")))?;
    let epoch = access.database().map(|d| d.promotion_epoch()).unwrap_or_default();
    for from in 0..stage.plan.accounts {
        let mut told = Told::Nothing;
        for _ in 0..TRIES {
            let id = stage.ledger.begin(region, epoch, stage.now());
            let to = (from + 1) % stage.plan.accounts;
            let transfer = Transfer { id, from, to, amount: 1, note: String::new() };
            told = client::make(stage, region, &access, &transfer, dice).await;
            stage.ledger.end(id, told, stage.now());
            if matches!(told, Told::Acknowledged(_)) {
                break;
            }
            stage.sleep(Duration::from_millis(100)).await;
        }
        if !matches!(told, Told::Acknowledged(_)) {
            let what = format!("no transfer from account {from} in {name} after healing: {told:?}");
            return Err(violation(what));
        }
    }
    Ok(())
}
