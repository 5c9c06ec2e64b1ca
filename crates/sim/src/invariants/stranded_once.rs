//! # Every stranded transaction is in the vaults exactly once
//! After healing: no transfer is in more than one transaction of a vault; every transaction in a vault
//! is complete and decided, and holds the whole transfer (the row of `transfers` as new, and both
//! accounts with old and new rows that differ by the amount); both vaults hold the same
//! transactions. A planned switch, whose gate was closed and whose standby had caught up, strands
//! nothing.
//!
//! Where the log was gone, what is stranded is told by contents: then each stranded transfer's own
//! row is in each vault exactly once, and no more is asked.

use crate::verdict::Violation;
use base::{TxnId, Value};
use dr::DivergedTransaction;
use format::vault::DivergedRow;
use std::collections::BTreeMap;

/// One transaction in a vault that holds a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vaulted {
    /// Which transaction.
    pub txn: TxnId,
    /// It is known to have committed.
    pub decided: bool,
}

/// True if anything in a vault was told by contents, because the log was gone: then transactions are
/// not known as such, and the writer has not told which of those that were received in part it has
/// committed.
pub fn by_content(vault: &[DivergedTransaction]) -> bool {
    vault.iter().any(|txn| txn.by_content)
}

/// A violation of this invariant.
pub fn violation(what: String) -> Violation {
    Violation::new("stranded_once", what)
}

/// A vault's transfers, by id.
pub fn transfers(vault: &[DivergedTransaction]) -> BTreeMap<i64, Vec<Vaulted>> {
    let mut all: BTreeMap<i64, Vec<Vaulted>> = BTreeMap::new();
    for txn in vault {
        for row in rows(txn, "transfers") {
            if let Some(id) = value(row.raw_new.as_ref(), 1) {
                all.entry(id).or_default().push(Vaulted { txn: txn.txn, decided: txn.decided });
            }
        }
    }
    all
}

pub(super) fn rows<'a>(
    txn: &'a DivergedTransaction,
    table: &'a str,
) -> impl Iterator<Item = &'a DivergedRow> + 'a {
    txn.parts.iter().flat_map(|p| &p.rows).filter(move |row| row.table == table)
}

pub(super) fn value(row: Option<&bytes::Bytes>, column: u32) -> Option<i64> {
    let row = format::row::decode(row?).ok()?;
    match row.iter().find(|(id, _)| *id == column)?.1 {
        Value::Int(value) => Some(value),
        _ => None,
    }
}

/// Checks both vaults of a healed pair.
pub fn check(east: &[DivergedTransaction], west: &[DivergedTransaction]) -> Result<(), Violation> {
    let loose = by_content(east) || by_content(west);
    for (name, vault) in [("east", east), ("west", west)] {
        for txn in vault.iter().filter(|txn| !loose || (txn.complete && !txn.by_content)) {
            whole(txn).map_err(|why| violation(format!("{} in {name}'s vault {why}", txn.txn)))?;
        }
        if let Some((id, txns)) = transfers(vault).iter().find(|(_, txns)| txns.len() > 1) {
            return Err(violation(format!("transfer {id} is in {name}'s vault as {txns:?}")));
        }
    }
    let ids = |vault: &[DivergedTransaction]| vault.iter().map(|t| t.txn).collect::<Vec<_>>();
    if !loose && ids(east) != ids(west) {
        let what = format!("east's vault has {:?}, west's {:?}", ids(east), ids(west));
        return Err(violation(what));
    }
    Ok(())
}

fn whole(txn: &DivergedTransaction) -> Result<(), String> {
    if !txn.complete || !txn.decided {
        return Err(format!("is complete: {}, decided: {}", txn.complete, txn.decided));
    }
    let mut sides: BTreeMap<i64, i64> = BTreeMap::new();
    for row in rows(txn, "accounts") {
        let (old, new) = (value(row.raw_old.as_ref(), 2), value(row.raw_new.as_ref(), 2));
        let (Some(id), Some(old), Some(new)) = (value(row.raw_new.as_ref(), 1), old, new) else {
            return Err(format!("has an account with old {:?} and new {:?}", row.old, row.new));
        };
        sides.insert(id, new - old);
    }
    let made: Vec<&DivergedRow> = rows(txn, "transfers").collect();
    let Some(first) = made.first() else {
        // A change of schema, with the rows it made.
        let none = sides.is_empty() || sides.values().all(|by| *by == 0);
        return if none { Ok(()) } else { Err("has accounts, but no transfer".to_owned()) };
    };
    let field = |column| value(first.raw_new.as_ref(), column);
    let (Some(from), Some(to), Some(amount)) = (field(2), field(3), field(4)) else {
        return Err(format!("has the transfer {:?}", first.new));
    };
    let want = BTreeMap::from([(from, -amount), (to, amount)]);
    if made.len() != 1 || first.raw_old.is_some() || sides != want {
        return Err(format!("has transfers {made:?} with accounts {sides:?}, not {want:?}"));
    }
    Ok(())
}
