//! # Rows of tables that are not replicated stay where they were written
//! Whatever a cluster was meanwhile, in the end it has what was written into its own table and nothing
//! of the others': a note that was acknowledged there is in its data or in its vault, one that failed
//! is nowhere, and no cluster has a note that was written at another one.

use super::stranded_once::{rows, value};
use crate::ledger::Told;
use crate::locals::{NOTES, Notes};
use crate::picture::{Picture, int};
use crate::verdict::Violation;
use dr::DivergedTransaction;
use std::collections::BTreeSet;

/// Checks one cluster; `sync`: what is acknowledged survives a loss of power.
pub fn check(
    notes: &Notes,
    (region, name): (usize, &str),
    picture: &Picture,
    vault: &[DivergedTransaction],
    sync: bool,
) -> Result<(), Violation> {
    let violation = |what: String| Err(Violation::new("own_rows", format!("at {name}: {what}")));
    let data: BTreeSet<i64> = picture.table(NOTES).filter_map(|(_, row)| int(row, "id")).collect();
    let kept: BTreeSet<i64> = vault.iter().flat_map(in_vault).collect();
    let all = notes.all();
    let here = |id: &i64| all.get(id).is_some_and(|(of, _)| *of == region);
    if let Some(id) = data.iter().chain(&kept).find(|id| !here(id)) {
        return violation(format!("note {id} is here and is of {:?}", all.get(id)));
    }
    for (id, (_, told)) in all.iter().filter(|(_, (of, _))| *of == region) {
        let (shown, kept) = (data.contains(id), kept.contains(id));
        let holds = match told {
            Told::Acknowledged(_) => shown || kept || !sync,
            Told::Failed => !shown && !kept,
            Told::Unknown | Told::Nothing => true,
        };
        if !holds {
            return violation(format!("note {id}, {told:?}: in data {shown}, in the vault {kept}"));
        }
    }
    Ok(())
}

fn in_vault(txn: &DivergedTransaction) -> impl Iterator<Item = i64> {
    rows(txn, NOTES).filter_map(|row| value(row.raw_new.as_ref(), 1))
}
