//! # No acknowledged commit is lost
//! Once both regions are healed and one follows the other, with data and vaults compared by the
//! unique ids of transfers:
//! * an **acknowledged** transaction is in the primary's data and in no vault, or it is not in the
//!   data and is, complete and decided, exactly once in the vault of *both* regions (each rewind
//!   saves what it takes out here and at its source);
//! * a **failed** one is nowhere;
//! * one whose outcome is **unknown** is where an acknowledged one may be, or nowhere: never in
//!   data and vault at once, and never in one vault only;
//! * nothing is anywhere that no client asked for.
//!
//! Where a log was gone and contents were compared (`loose`), a vault may also have what was received
//! in part and is not known to have committed.
//!
//! (Under `ASYNC DURABILITY` what was acknowledged may be nowhere: it counts as unknown.)
//!
//! At every moment: a reader of a primary sees every transaction that was acknowledged in the same
//! epoch by the same region before the reader began; and no reader anywhere sees a failed one.

use crate::invariants::stranded_once::Vaulted;
use crate::ledger::{Entry, Ledger, Told};
use crate::picture::Picture;
use crate::verdict::Violation;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn violation(what: String) -> Violation {
    Violation::new("acknowledged", what)
}

/// Checks the healed state.
pub fn check(
    ledger: &Ledger,
    sync: bool,
    primary: &Picture,
    vaults: [&BTreeMap<i64, Vec<Vaulted>>; 2],
    loose: bool,
) -> Result<(), Violation> {
    let data: BTreeSet<i64> = primary.transfers().into_iter().collect();
    let entries = ledger.entries();
    let known: BTreeSet<i64> = entries.iter().map(|e| e.id).collect();
    let vaulted = vaults.iter().flat_map(|v| v.keys());
    if let Some(id) = data.iter().chain(vaulted).find(|id| !known.contains(id)) {
        return Err(violation(format!("nobody asked for transfer {id}")));
    }
    for entry in &entries {
        place(entry, (sync, loose), data.contains(&entry.id), vaults)?;
    }
    Ok(())
}

fn place(
    entry: &Entry,
    (sync, loose): (bool, bool),
    in_data: bool,
    vaults: [&BTreeMap<i64, Vec<Vaulted>>; 2],
) -> Result<(), Violation> {
    let counts = vaults.map(|v| v.get(&entry.id).map_or(0, Vec::len));
    let kept = counts == [1, 1];
    let somewhere = matches!((in_data, counts), (true, [0, 0])) || (!in_data && kept);
    // What was received in part, and nobody could tell any more whether it committed, is kept as such.
    let sure = |v: &BTreeMap<i64, Vec<Vaulted>>| {
        v.get(&entry.id).is_none_or(|all| all.iter().all(|v| loose && !v.decided))
    };
    let nowhere = !in_data && vaults.into_iter().all(sure);
    let holds = match entry.told {
        Told::Acknowledged(_) if sync => somewhere,
        Told::Acknowledged(_) => somewhere || nowhere,
        Told::Failed => nowhere,
        Told::Unknown | Told::Nothing => somewhere || nowhere,
    };
    if holds {
        return Ok(());
    }
    let [east, west] = counts;
    Err(violation(format!(
        "transfer {} was told {:?} (by region {}, epoch {}, at {:?}); in data: {in_data}, in the \
         vaults: {east} times in east's, {west} times in west's",
        entry.id, entry.told, entry.region, entry.epoch, entry.ended
    ))
    .about(entry.id))
}

/// Checks what a reader of `region` saw who began at `began`.
pub fn check_seen(
    picture: &Picture,
    ledger: &Ledger,
    region: usize,
    sync: bool,
    began: Duration,
) -> Result<(), Violation> {
    let seen: BTreeSet<i64> = picture.transfers().into_iter().collect();
    for id in &seen {
        match ledger.entry(*id) {
            None => return Err(violation(format!("a reader sees transfer {id}, never asked for"))),
            Some(entry) if entry.told == Told::Failed => {
                let when = entry.ended;
                let what = format!("a reader sees transfer {id}, which failed at {when:?}");
                return Err(violation(what).about(*id));
            }
            Some(_) => {}
        }
    }
    if !picture.primary || !sync {
        return Ok(());
    }
    let must = ledger.entries().into_iter().find(|e| {
        let here = e.region == region && e.epoch == picture.epoch && e.ended < began;
        here && matches!(e.told, Told::Acknowledged(_)) && !seen.contains(&e.id)
    });
    match must {
        None => Ok(()),
        Some(e) => Err(violation(format!(
            "a reader of region {region} (epoch {}) began at {began:?} and does not see transfer \
             {}, acknowledged there at {:?}",
            picture.epoch, e.id, e.ended
        ))
        .about(e.id)),
    }
}
