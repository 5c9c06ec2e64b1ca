//! # Closed timestamps are promises
//! In every log, after `Closed{ts}` nothing commits at or below `ts`: no transaction of this
//! partition alone, none that is prepared later, and none that was prepared before and is decided
//! later. A promotion at an earlier cut does not take the promise back: later timestamps are above
//! all earlier ones.

use crate::records;
use crate::verdict::Violation;
use base::{Timestamp, TxnId};
use format::Record;
use partition::Partition;
use std::collections::BTreeMap;

/// Checks what a partition still has of its log.
pub fn check(partition: &Partition) -> Result<(), Violation> {
    let mut closed = Timestamp::ZERO;
    let mut undecided: BTreeMap<TxnId, Timestamp> = BTreeMap::new();
    for (lsn, record) in records::read(partition)? {
        let number = partition.number();
        let broken = |what: String| {
            let what = format!("partition {number}, record {lsn}: {what}, closed is {closed}");
            Err(Violation::new("closed", what))
        };
        match record {
            Record::Txn { txn, commit_ts, .. } if commit_ts <= closed => {
                return broken(format!("{txn} commits at {commit_ts}"));
            }
            Record::Prepare { txn, prepare_ts, .. } => {
                if prepare_ts <= closed {
                    return broken(format!("{txn} is prepared at {prepare_ts}"));
                }
                undecided.insert(txn, prepare_ts);
            }
            Record::Decide { txn, .. } => {
                undecided.remove(&txn);
            }
            Record::Closed { ts } => {
                if let Some((txn, at)) = undecided.iter().find(|(_, at)| **at <= ts) {
                    return broken(format!("{ts} is closed over {txn}, prepared at {at}"));
                }
                closed = closed.max(ts);
            }
            // What was prepared above the cut is void, whatever is decided.
            Record::EpochStart { cut, .. } => undecided.retain(|_, at| *at <= cut),
            Record::Txn { .. } | Record::Stage { .. } | Record::Gate { .. } => {}
        }
    }
    Ok(())
}
