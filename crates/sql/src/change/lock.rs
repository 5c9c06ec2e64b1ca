//! Locking rows and reading what is really there.

use super::Run;
use crate::shape::Place;
use base::{Error, Result, SqlState};
use partition::{LockMode, LockWait, VersionedRow};
use std::collections::BTreeSet;
use txn::Transaction;

/// The positions of places in the order in which locks are taken everywhere: two statements that
/// lock the same rows do not wait for each other crosswise.
pub fn in_order(places: &[Place]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|a, b| places[*a].cmp(&places[*b]));
    order.dedup_by(|a, b| places[*a] == places[*b]);
    order
}

/// Says in which table a row is that NOWAIT found locked.
pub fn in_relation(mut error: Error, table: &str) -> Error {
    if error.state == SqlState::LOCK_NOT_AVAILABLE && error.message.ends_with("lock on row") {
        error.message.push_str(&format!(" in relation \"{table}\""));
    }
    error
}

/// Locks rows exclusively, unless only this transaction can see them, and reads their newest
/// versions, one answer per place.
pub async fn lock_and_read(
    run: &mut Run<'_>,
    private: bool,
    places: &[Place],
) -> Result<Vec<Option<VersionedRow>>> {
    let order = in_order(places);
    let sorted: Vec<Place> = order.iter().map(|i| places[*i].clone()).collect();
    if !private {
        run.txn.lock(&sorted, LockMode::Exclusive, run.wait).await?;
    }
    let found = run.txn.latest(&sorted).await?;
    if order.len() == places.len() && order.is_sorted() {
        return Ok(found);
    }
    Ok(places.iter().map(|p| sorted.binary_search(p).ok().and_then(|i| found[i].clone())).collect())
}

/// Locks the rows that are not locked yet.
pub async fn lock_new(
    txn: &mut Transaction,
    places: &[Place],
    held: &mut BTreeSet<Place>,
    mode: LockMode,
    wait: LockWait,
) -> Result<()> {
    let wanted: Vec<Place> = in_order(places)
        .into_iter()
        .map(|i| places[i].clone())
        .filter(|p| !held.contains(p))
        .collect();
    if !wanted.is_empty() {
        txn.lock(&wanted, mode, wait).await?;
        held.extend(wanted);
    }
    Ok(())
}
