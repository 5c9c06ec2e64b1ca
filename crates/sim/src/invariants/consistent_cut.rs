//! # Every read shows a consistent cut
//! Every read that succeeds, on a primary or a standby, at any moment, shows for one moment of
//! history: all accounts, their constant sum, and for every account exactly the balance that
//! follows from the transfers shown: so every transfer is shown with both its sides and its row, or
//! not at all, over all partitions. Every row of `transfers` is whole (later columns hold the id, or
//! their missing value), and no row is shown twice.

use crate::picture::{Picture, int};
use crate::plan::{BALANCE, Plan};
use crate::verdict::Violation;
use base::Value;
use std::collections::BTreeMap;

/// What a reader says who was shown a row twice.
pub const TWICE: &str = "a row was shown twice";

fn violation(what: String) -> Violation {
    Violation::new("consistent_cut", what)
}

/// Checks one picture.
pub fn check(picture: &Picture, plan: &Plan) -> Result<(), Violation> {
    if picture.rows.is_empty() {
        // Before the bank was made; there was nothing ever since only if nothing is there at all.
        return Ok(());
    }
    let mut balances: BTreeMap<i64, i64> = (0..plan.accounts).map(|id| (id, BALANCE)).collect();
    for (_, row) in picture.table("transfers") {
        let field = |name| int(row, name);
        let (Some(id), Some(from), Some(to), Some(amount)) =
            (field("id"), field("source"), field("target"), field("amount"))
        else {
            return Err(violation(format!("transfer without its values: {row:?}")));
        };
        whole(id, row)?;
        *balances.entry(from).or_default() -= amount;
        *balances.entry(to).or_default() += amount;
    }
    let shown: BTreeMap<i64, i64> = picture
        .table("accounts")
        .filter_map(|(_, row)| Some((int(row, "id")?, int(row, "balance")?)))
        .collect();
    let sum: i64 = shown.values().sum();
    if sum != BALANCE * plan.accounts {
        let (want, n) = (BALANCE * plan.accounts, shown.len());
        return Err(violation(format!("{n} accounts sum up to {sum} instead of {want}")));
    }
    if let Some((id, want)) = balances.iter().find(|(id, want)| shown.get(id) != Some(want)) {
        let got = shown.get(id);
        let what = format!("account {id} shows {got:?}, but its transfers make it {want}");
        return Err(violation(what));
    }
    Ok(())
}

fn whole(id: i64, row: &BTreeMap<String, Value>) -> Result<(), Violation> {
    let later = row.iter().filter(|(name, _)| name.starts_with('c'));
    for (name, value) in later {
        if *value != Value::Int(id) && *value != Value::Int(-1) {
            return Err(violation(format!("column {name} of transfer {id} holds {value:?}")));
        }
    }
    Ok(())
}
