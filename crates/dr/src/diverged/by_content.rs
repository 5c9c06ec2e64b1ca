//! Parts for the vault where the log that wrote them is gone: from the rows in which two copies differ.
//! What was committed at one timestamp was, for all practical purposes, one transaction.

use super::{Tables, is_shown_key, readable};
use base::{ClusterId, Epoch, Lsn, Timestamp, TxnId};
use bytes::Bytes;
use format::vault::DivergedPart;
use std::collections::BTreeMap;

/// A row that the other side has otherwise, or not at all, or that is only there.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub partition: u16,
    pub key: Bytes,
    /// When it was changed here; if that is not known, the earliest time it can have been.
    pub at: Timestamp,
    /// What is here; `None` if it was deleted.
    pub new: Option<Bytes>,
    /// What the other side has.
    pub old: Option<Bytes>,
}

/// Parts of transactions that stand for what was committed at one time each. Saved again they are the
/// same.
pub(crate) fn parts_by_content(
    tables: &Tables,
    found: Vec<Found>,
    origin: ClusterId,
    epoch: impl Fn(u16) -> Epoch,
) -> Vec<DivergedPart> {
    let mut parts: BTreeMap<(Timestamp, u16), DivergedPart> = BTreeMap::new();
    for row in found.into_iter().filter(|row| is_shown_key(&row.key)) {
        let part = parts.entry((row.at, row.partition)).or_insert_with(|| DivergedPart {
            // Real identities have a random number above the lower 64 bits.
            txn: TxnId(u128::from(row.at.0)),
            partition: row.partition,
            epoch: epoch(row.partition),
            lsn: Lsn::ZERO,
            commit_ts: row.at,
            origin,
            complete: true,
            decided: true,
            rows: Vec::new(),
            by_content: true,
        });
        part.rows.push(readable(tables, &row.key, row.new.as_ref(), row.old.as_ref()));
    }
    parts.into_values().collect()
}
