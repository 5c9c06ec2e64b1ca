//! A diverged transaction, put together from its parts.

use base::{ClusterId, Timestamp, TxnId};
use format::vault::DivergedPart;
use std::collections::BTreeSet;

/// A diverged transaction with all that is known of it here.
#[derive(Clone, Debug, PartialEq)]
pub struct DivergedTransaction {
    /// Which one.
    pub txn: TxnId,
    /// When it committed, or could have at the earliest.
    pub commit_ts: Timestamp,
    /// The cluster that accepted it.
    pub origin: ClusterId,
    /// True if all its parts are here.
    pub complete: bool,
    /// False if it is not known to have committed.
    pub decided: bool,
    /// It only stands for what was committed at one time: see [`DivergedPart::by_content`].
    pub by_content: bool,
    /// The tables it changed.
    pub tables: Vec<String>,
    /// Its parts by partition.
    pub parts: Vec<DivergedPart>,
}

/// One of these parts.
pub(super) fn whole(txn: TxnId, parts: Vec<DivergedPart>) -> DivergedTransaction {
    let tables: BTreeSet<_> =
        parts.iter().flat_map(|p| p.rows.iter().map(|r| r.table.clone())).collect();
    DivergedTransaction {
        txn,
        commit_ts: parts.iter().map(|p| p.commit_ts).max().unwrap_or_default(),
        origin: parts.first().map(|p| p.origin).unwrap_or_default(),
        complete: parts.iter().all(|p| p.complete),
        decided: parts.iter().any(|p| p.decided),
        by_content: parts.iter().any(|p| p.by_content),
        tables: tables.into_iter().collect(),
        parts,
    }
}
