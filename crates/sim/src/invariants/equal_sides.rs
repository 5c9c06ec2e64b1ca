//! # Both sides are equal
//! When the standby has caught up with a primary that takes no writes, both show the same tables and
//! rows, row by row, with the same commit timestamps, at the same epoch. Tables that are not replicated
//! are of each side alone.

use crate::picture::Picture;
use crate::verdict::Violation;

/// Compares a primary with its standby.
pub fn check(primary: &Picture, standby: &Picture) -> Result<(), Violation> {
    let violation = |what: String| Err(Violation::new("equal_sides", what));
    if primary.epoch != standby.epoch {
        return violation(format!("epoch {} against {}", primary.epoch, standby.epoch));
    }
    for (key, row) in primary.shared() {
        match standby.rows.get(key) {
            Some(there) if there == row => {}
            other => return violation(format!("{key:?}: {row:?} against {other:?}")),
        }
    }
    match standby.shared().find(|(key, _)| !primary.rows.contains_key(*key)) {
        Some(extra) => violation(format!("only the standby has {extra:?}")),
        None => Ok(()),
    }
}
