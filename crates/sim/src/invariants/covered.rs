//! # A commit that a standby has confirmed outlives its region
//! A client that waited until a standby had its transaction (`commit_wait = remote`) finds it at or
//! below the cut when that standby is promoted at the newest time it can be, whatever has become of
//! the region that acknowledged it.

use crate::ledger::{Ledger, Told};
use crate::verdict::Violation;
use base::{Epoch, Timestamp};

/// Checks what clients of `lost` were told against a promotion of the other region.
pub fn check(ledger: &Ledger, lost: usize, epoch: Epoch, cut: Timestamp) -> Result<(), Violation> {
    let above = |told| matches!(told, Told::Acknowledged(ts) if ts > cut);
    let entries = ledger.entries().into_iter();
    let mut gone =
        entries.filter(|e| e.covered && e.region == lost && e.epoch < epoch && above(e.told));
    match gone.next() {
        None => Ok(()),
        Some(e) => {
            let what = format!(
                "transfer {} ({:?}) was confirmed by the standby, which was promoted at {cut}",
                e.id, e.told
            );
            Err(Violation::new("covered", what).about(e.id))
        }
    }
}
