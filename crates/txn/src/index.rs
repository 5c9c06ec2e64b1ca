//! Secondary indexes: keeping them in line with the rows, and making new ones while writes go on.
//!
//! ```text
//!   row write ─▶ old entry, new entry ─▶ contested? ── no ──▶ write set     (the row's lock is enough)
//!                                          │ yes
//!                                          ▼
//!                       lock the entry's key ─▶ newest version ─▶ another row's? ─▶ 23505
//! ```
//!
//! Entries are rows of a key space of their own ([`format::index`]), written in the same
//! transaction and partition as their row: what is logged, replicated, spilled, merged, rewound and
//! read at a timestamp is so with the code there is. The log carries them, so that nobody has to read
//! to apply it.
//!
//! # Making an index of a table with rows
//! 1. It enters the catalog, not `ready`, under the exclusive lock of the table's descriptor. Who
//!    writes the table shares that lock until it ends: so from here on everybody keeps the index up.
//! 2. [`crate::Database::fill_index`] goes over the rows of a snapshot in small transactions. Each locks its
//!    rows, looks at their newest versions, and writes the entries of these: it neither overwrites
//!    what is newer nor brings back what is gone. It never waits while it holds a lock, so nobody
//!    has to give way to it.
//! 3. [`crate::Database::finish_index`] marks it ready: statements whose snapshot shows that may read it.
//!
//! # Invariants
//! * At every timestamp at which a ready index is in the catalog, it has exactly one entry for every
//!   row of its table, and no others.
//! * Of rows with the same values in a unique index, none of them null, there is one at most, as soon
//!   as it is ready. Until then no second one comes about beside one that has its entry.
//!
//! # On a crash
//! An index that is not ready stays so: kept up, read by nobody, shown as invalid. `REINDEX` makes it
//! anew, `DROP INDEX` ends it.

mod audit;
mod build;
mod fill;

pub use fill::Duplicate;

use crate::transaction::Transaction;
use base::Result;
use bytes::Bytes;
use format::index::Entry;
use partition::{LockMode, LockWait};
use std::collections::BTreeMap;

/// What becomes of one index entry when a row changes: the partition and the entry of the old row,
/// and those of the new one.
#[derive(Clone, Debug, Default)]
pub struct EntryMove {
    /// `None` if the row is new.
    pub old: Option<(u16, Entry)>,
    /// `None` if the row goes.
    pub new: Option<(u16, Entry)>,
}

impl EntryMove {
    /// True if nothing is to be done.
    pub fn is_idle(&self) -> bool {
        self.old == self.new
    }
}

impl Transaction {
    /// Brings index entries in line with rows that are locked. First all old entries go, then the
    /// new ones come, so that rows may exchange values. Without `wait` no locks are taken: nobody
    /// else can see the index.
    ///
    /// Answers with the first of the moves whose new entry another row has.
    pub async fn move_entries(
        &mut self,
        moves: &[EntryMove],
        wait: Option<LockWait>,
    ) -> Result<Option<usize>> {
        let moves: Vec<(usize, &EntryMove)> =
            moves.iter().enumerate().filter(|(_, m)| !m.is_idle()).collect();
        let both = moves.iter().flat_map(|(_, m)| [&m.old, &m.new]).flatten();
        let mut contested: Vec<(u16, Bytes)> =
            both.filter(|(_, e)| e.contested).map(|(p, e)| (*p, e.key.clone())).collect();
        contested.sort();
        contested.dedup();
        let mut there = self.claim(&contested, wait).await?;
        for (partition, entry) in moves.iter().filter_map(|(_, m)| m.old.as_ref()) {
            if !entry.contested {
                self.write_entry(*partition, entry.key.clone(), None)?;
                continue;
            }
            let place = (*partition, entry.key.clone());
            // While the index is being made, the row may have had no entry, and another one has it.
            if there.get(&place).is_some_and(|row| *row == entry.row) {
                there.remove(&place);
                self.write(place.0, place.1, None)?;
            }
        }
        for (at, one) in &moves {
            let Some((partition, entry)) = &one.new else { continue };
            let (key, row) = (entry.key.clone(), entry.row.clone());
            if !entry.contested {
                self.write_entry(*partition, key, Some(row))?;
                continue;
            }
            if there.insert((*partition, key.clone()), row.clone()).is_some() {
                return Ok(Some(*at));
            }
            self.write(*partition, key, Some(row))?;
        }
        Ok(None)
    }

    /// Locks the keys of contested entries and tells which of them are there.
    async fn claim(
        &mut self,
        keys: &[(u16, Bytes)],
        wait: Option<LockWait>,
    ) -> Result<BTreeMap<(u16, Bytes), Bytes>> {
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        if let Some(wait) = wait {
            self.lock(keys, LockMode::Exclusive, wait).await?;
        }
        let found = self.latest(keys).await?;
        let there = keys.iter().zip(found);
        Ok(there.filter_map(|(key, row)| Some((key.clone(), row?.row))).collect())
    }
}
