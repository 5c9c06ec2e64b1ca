//! What only the returning side has: rows that were changed here after the other side took over, told
//! from the contents of both, because the log that says it is gone.

use super::Rebuild;
use super::ranges::{Fetched, Site};
use crate::diverged::{Fork, Found, Tables, parts_by_content};
use crate::fingerprint::{self, Contents, Loaded, Place, versions};
use base::{ClusterId, Result, StorageId, Timestamp};
use bytes::Bytes;
use format::ColumnLayout;
use format::vault::DivergedPart;
use parking_lot::Mutex;
use partition::Partition;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Rows whose changes the vaults have already: partition and key.
pub(crate) type Known = BTreeSet<(u16, Bytes)>;

/// From when on a partition's changes are only here.
#[derive(Clone, Copy, Debug)]
struct Limit {
    /// Everything committed above it.
    cut: Timestamp,
    /// Up to here this side had everything that the other one has.
    complete: Timestamp,
}

/// Collects what is stranded.
pub(super) struct Stranded {
    limits: BTreeMap<u16, Limit>,
    known: Known,
    found: Mutex<Vec<Found>>,
}

impl Stranded {
    pub fn new(forks: &[Fork], known: Known, donors: &[Arc<Partition>]) -> Stranded {
        let limits = forks.iter().filter_map(|fork| {
            let donor = donors.get(usize::from(fork.partition))?;
            // Where the log that would tell an own cut is gone, the other side's is what there is.
            let cut = donor.lowest_cut(fork.common, fork.cut).unwrap_or(fork.cut);
            let complete = donor.closed().min(cut);
            Some((fork.partition, Limit { cut, complete }))
        });
        Stranded { limits: limits.collect(), known, found: Mutex::default() }
    }

    fn note(&self, found: Found) {
        if !self.known.contains(&(found.partition, found.key.clone())) {
            self.found.lock().push(found);
        }
    }

    /// Looks at a range that differs.
    pub fn look(
        &self,
        site: &Site<'_>,
        mine: &Loaded,
        fetched: &Fetched,
        tables: &Tables,
    ) -> Result<()> {
        let Some(limit) = self.limits.get(&site.partition).copied() else { return Ok(()) };
        if !site.readable || !is_of_users(site.storage, tables) {
            return Ok(());
        }
        let theirs = |key: &Bytes| {
            let at = fetched.rows.binary_search_by(|row| row.key.cmp(key)).ok()?;
            fetched.rows.get(at)
        };
        let lost = mine.rows.iter().filter(|row| fetched.lost.contains(&row.hash));
        for row in lost.filter(|row| row.ts > limit.cut) {
            // With all its columns, also those that the source does not have.
            let new = site.donor.stored_version(&row.key)?.and_then(|v| v.row);
            let (partition, key, at) = (site.partition, row.key.clone(), row.ts);
            let old = theirs(&row.key).map(|row| row.row.clone());
            self.note(Found { partition, key, at, new, old });
        }
        for row in fetched.rows.iter().filter(|row| mine.find(&row.key).is_none()) {
            // Its deletion may still be here, with its time.
            let deleted = site.donor.stored_version(&row.key)?.filter(|v| v.row.is_none());
            let at = match deleted {
                Some(v) if v.ts > limit.cut => v.ts,
                _ if row.ts <= limit.complete => limit.cut.next(),
                _ => continue,
            };
            let (partition, key) = (site.partition, row.key.clone());
            self.note(Found { partition, key, at, new: None, old: Some(row.row.clone()) });
        }
        Ok(())
    }

    /// All of it, for the vaults.
    pub fn parts(
        self,
        tables: &Tables,
        cluster: ClusterId,
        donors: &[Arc<Partition>],
    ) -> Vec<DivergedPart> {
        let epoch = |partition: u16| {
            let donor = donors.get(usize::from(partition));
            donor.and_then(|d| d.history().last()).unwrap_or_default()
        };
        parts_by_content(tables, self.found.into_inner(), cluster, epoch)
    }
}

/// Rows of a table that is dropped here are not missing one by one: the schema's row tells.
fn is_of_users(storage: StorageId, tables: &Tables) -> bool {
    storage == StorageId::CATALOG || tables.contains_key(&storage)
}

impl Rebuild {
    /// Rows of tables that the source does not have, or has with other columns.
    pub(super) async fn look_for_own_tables(&self, index: usize) -> Result<()> {
        let (Some(stranded), Some(donor)) = (&self.stranded, self.donors.get(index)) else {
            return Ok(());
        };
        let partition = donor.number();
        let Some(limit) = stranded.limits.get(&partition) else { return Ok(()) };
        for (storage, table) in &self.tables {
            let compared = self.layouts.get(storage).or_else(|| self.local.get(storage));
            if compared.is_some_and(|columns| self.is_readable(donor, *storage, columns)) {
                continue;
            }
            let mut columns: Vec<_> = table.columns.iter().map(ColumnLayout::from).collect();
            columns.sort_by_key(|c| c.id);
            let (start, end) = format::key::range(*storage);
            let place = Place { at: Timestamp::MAX, storage: *storage, start, end };
            let contents = Contents::Stored(donor.clone());
            fingerprint::visit(&contents, &place, &columns, |keys, batch| {
                versions(keys, batch, &columns, |at, ts, _, row| {
                    if ts > limit.cut {
                        let key = Bytes::copy_from_slice(keys.value(at));
                        let new = Some(row);
                        stranded.note(Found { partition, key, at: ts, new, old: None });
                    }
                })
            })
            .await?;
        }
        Ok(())
    }
}
