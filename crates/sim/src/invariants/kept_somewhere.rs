//! # Of three clusters, no acknowledged commit is lost
//! As [`acknowledged`](super::acknowledged), where a database has had two standbys: once two clusters
//! follow the third, with the data of the primary and all vaults compared by the ids of transfers,
//! * an **acknowledged** transaction is in the data and in no vault, or it is not in the data and is,
//!   whole, in the vaults of at least two clusters: of the one that gave it up, and of the one that
//!   this one followed then (whoever had received only parts of it may have these, too);
//! * a **failed** one is nowhere;
//! * one whose outcome is **unknown** is where an acknowledged one may be, or nowhere;
//! * no vault has a transfer twice, and nothing is anywhere that no client asked for.
//!
//! Where contents were compared, parts that are not known to have committed may be kept of anything.
//! Where somebody was promoted who did not follow the newest epoch, what one line has given up may be
//! data of the other one: then vaults and data together have it.

use crate::invariants::stranded_once;
use crate::ledger::{Entry, Ledger, Told};
use crate::picture::Picture;
use crate::verdict::Violation;
use dr::DivergedTransaction;
use std::collections::{BTreeMap, BTreeSet};

/// What kind of run it was.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What is acknowledged survives a loss of power.
    pub sync: bool,
    /// Somebody was promoted who did not follow the newest epoch.
    pub sloppy: bool,
}

/// What a vault has of a transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Kept {
    times: usize,
    whole: bool,
}

fn violation(what: String) -> Violation {
    Violation::new("kept_somewhere", what)
}

/// Checks the healed state.
pub fn check(
    ledger: &Ledger,
    terms: Terms,
    primary: &Picture,
    vaults: &[Vec<DivergedTransaction>],
) -> Result<(), Violation> {
    let data: BTreeSet<i64> = primary.transfers().into_iter().collect();
    let loose = vaults.iter().any(|vault| stranded_once::by_content(vault));
    let kept: Vec<BTreeMap<i64, Kept>> = vaults.iter().map(|vault| read(vault)).collect();
    let entries = ledger.entries();
    let known: BTreeSet<i64> = entries.iter().map(|e| e.id).collect();
    let anywhere = data.iter().chain(kept.iter().flat_map(|k| k.keys()));
    if let Some(id) = anywhere.into_iter().find(|id| !known.contains(id)) {
        return Err(violation(format!("nobody asked for transfer {id}")));
    }
    for entry in &entries {
        let here: Vec<Kept> =
            kept.iter().map(|k| k.get(&entry.id).copied().unwrap_or_default()).collect();
        let in_data = data.contains(&entry.id);
        if !holds(entry, terms, loose, in_data, &here) {
            return Err(violation(format!(
                "transfer {} was told {:?} (by region {}, epoch {}, at {:?}); in data: {in_data}, in \
                 the vaults: {here:?}, {terms:?}, by content: {loose}",
                entry.id, entry.told, entry.region, entry.epoch, entry.ended
            ))
            .about(entry.id));
        }
    }
    Ok(())
}

fn holds(entry: &Entry, terms: Terms, loose: bool, in_data: bool, kept: &[Kept]) -> bool {
    let none_twice = kept.iter().all(|k| k.times <= 1);
    let wholes = kept.iter().filter(|k| k.whole).count();
    let untouched = kept.iter().all(|k| k.times == 0 || ((loose || terms.sloppy) && !k.whole));
    let somewhere = match in_data {
        true => untouched || terms.sloppy,
        false => wholes >= 2,
    };
    let nowhere = !in_data && untouched;
    none_twice
        && match entry.told {
            Told::Acknowledged(_) if terms.sync => somewhere,
            Told::Failed => nowhere,
            Told::Acknowledged(_) | Told::Unknown | Told::Nothing => {
                somewhere || nowhere || (!in_data && wholes > 0 && terms.sloppy)
            }
        }
}

fn read(vault: &[DivergedTransaction]) -> BTreeMap<i64, Kept> {
    let mut all: BTreeMap<i64, Kept> = BTreeMap::new();
    for txn in vault {
        let one = std::slice::from_ref(txn);
        for (id, found) in stranded_once::transfers(one) {
            let kept = all.entry(id).or_default();
            kept.times += found.len();
            kept.whole |= txn.decided && (txn.complete || txn.by_content);
        }
    }
    all
}
