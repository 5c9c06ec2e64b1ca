//! # The past stays as it was
//! What a read has shown is shown again by every later read as of the same time, in either region,
//! as long as no promotion has come between: whatever was spilled, merged, restarted, copied or
//! followed meanwhile. Such a read may be refused when the time is no longer kept, never answered
//! otherwise. Tables that are not replicated have a past in each region.

use crate::picture::Picture;
use crate::verdict::Violation;

/// Compares a picture with a later one of the same time.
pub fn check(first: &Picture, again: &Picture, place: &str) -> Result<(), Violation> {
    if first.shared().eq(again.shared()) {
        return Ok(());
    }
    let differs = |a: &Picture, b: &Picture| {
        let row = a.shared().find(|(at, row)| b.rows.get(*at) != Some(row));
        row.map(|((table, partition, _), row)| format!("{table} in partition {partition}: {row:?}"))
    };
    let (had, has) = (differs(first, again), differs(again, first));
    let what = format!("as of {} at {place} shows {has:?} where {had:?} was shown", first.at);
    Err(Violation::new("same_past", what))
}
