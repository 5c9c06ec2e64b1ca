//! # One primary acknowledges
//! A region acknowledges nothing that was begun
//! * after its gate was closed for a planned switch, nor
//! * after it was lost and the other region was promoted in its place, however often it restarts,
//!   nor
//! * after it has agreed to come back,
//!
//! until it is promoted again itself. And no primary agrees to follow one of a lower epoch.
//! (A region that is merely cut off and lives on does not know of
//! the promotion; what it acknowledges meanwhile is stranded, which other invariants watch.)

use crate::ledger::Ledger;
use crate::verdict::Violation;

/// A violation of this invariant.
pub fn violation(what: impl Into<String>) -> Violation {
    Violation::new("one_primary", what)
}

/// Checks a transaction that was acknowledged just now.
pub fn check(ledger: &Ledger, id: i64) -> Result<(), Violation> {
    let Some(entry) = ledger.entry(id) else { return Ok(()) };
    match ledger.closed(entry.region) {
        Some((since, why)) if entry.began > since => Err(violation(format!(
            "region {} acknowledged transfer {id}, begun at {:?}, although since {since:?} {why}",
            entry.region, entry.began
        ))),
        _ => Ok(()),
    }
}
