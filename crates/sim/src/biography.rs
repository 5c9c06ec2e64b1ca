//! Everything that a region's logs still say about one transfer: for reports of violations.

use base::{Lsn, TxnId};
use format::record::{Op, Record};
use partition::Partition;
use std::fmt::Write as _;
use std::sync::Arc;

/// The records of the transactions that wrote the row of this transfer, and all beginnings of
/// epochs.
pub fn of(partitions: &[Arc<Partition>], id: i64) -> String {
    let mut text = String::new();
    let writers: Vec<TxnId> =
        partitions.iter().flat_map(|p| records(p)).filter_map(|r| writer(&r.2, id)).collect();
    for partition in partitions {
        let n = partition.number();
        let closed = partition.closed();
        let _ = write!(text, "\n    p{n}, closed {closed}, manifest {}:", partition.manifest().ts);
        for (lsn, epoch, record) in records(partition) {
            let said = match &record {
                Record::Txn { txn, commit_ts, .. } if writers.contains(txn) => {
                    format!("txn at {commit_ts}")
                }
                Record::Prepare { txn, prepare_ts, participants, .. } if writers.contains(txn) => {
                    format!("prepare at {prepare_ts} with {participants:?}")
                }
                Record::Decide { txn, commit_ts } if writers.contains(txn) => {
                    format!("decide {commit_ts:?}")
                }
                Record::Stage { txn, .. } if writers.contains(txn) => "stage".to_owned(),
                Record::EpochStart { cut, .. } => format!("epoch {epoch} starts, cut {cut}"),
                _ => continue,
            };
            let _ = write!(text, " [{lsn} {said}]");
        }
    }
    text
}

fn records(partition: &Partition) -> Vec<(Lsn, base::Epoch, Record)> {
    let mut all = Vec::new();
    let mut next = partition.first();
    while let Ok(frames) = partition.read_frames(next, 1 << 20)
        && let Some(last) = frames.last()
    {
        next = last.lsn.next();
        for frame in &frames {
            if let Ok(record) = Record::decode(frame.kind, &frame.payload) {
                all.push((frame.lsn, frame.epoch, record));
            }
        }
    }
    all
}

/// The transaction of a record, if it writes the row of this transfer.
fn writer(record: &Record, id: i64) -> Option<TxnId> {
    let (Record::Txn { txn, ops, .. }
    | Record::Prepare { txn, ops, .. }
    | Record::Stage { txn, ops }) = record
    else {
        return None;
    };
    let found = |op: &Op| {
        let row = op.row.as_ref().and_then(|r| format::row::decode(r).ok());
        row.is_some_and(|r| r.len() >= 5 && r.first() == Some(&(1, base::Value::Int(id))))
    };
    ops.iter().any(found).then_some(*txn)
}
