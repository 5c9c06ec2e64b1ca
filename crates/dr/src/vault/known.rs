//! What a log tells takes the place of what contents have told of the same changes, in whatever order
//! the two come: of several clusters that have a stranded transaction, one may come back by log and
//! another one, whose log is gone, by content.

use super::{Inner, Key};
use base::Result;
use bytes::Bytes;
use format::vault::{DivergedPart, DivergedRow};
use std::collections::{BTreeMap, BTreeSet};

/// Rows that logs have told of, by partition and key.
type Told<'a> = BTreeMap<(u16, &'a Bytes), Vec<(&'a DivergedPart, &'a DivergedRow)>>;

/// Parts told by content as they are from now on.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// With rows that are news.
    pub more: Vec<DivergedPart>,
    /// With fewer rows than before: a log has told of the others. Without any there is nothing left.
    pub less: Vec<DivergedPart>,
}

impl Inner {
    /// What becomes of parts told by content if these parts are added, of which those that are told
    /// by a log are news.
    pub(super) fn contents(&self, parts: &[&DivergedPart]) -> Result<Contents> {
        let by_log = parts.iter().all(|p| !p.by_content);
        if by_log && self.index.values().all(|entry| !entry.by_content) {
            return Ok(Contents::default());
        }
        let have: Vec<DivergedPart> =
            self.index.values().map(|entry| self.read(entry)).collect::<Result<_>>()?;
        Ok(merge(&have, parts))
    }
}

/// A part told by content, while it is put together.
struct Growing {
    part: DivergedPart,
    keys: BTreeSet<Bytes>,
    /// So many rows are in the vault.
    before: usize,
    /// It has rows that are news.
    more: bool,
}

impl Growing {
    fn of(part: &DivergedPart, before: usize) -> Growing {
        let part = DivergedPart { rows: Vec::new(), ..*part };
        Growing { part, keys: BTreeSet::new(), before, more: false }
    }

    fn add(&mut self, row: &DivergedRow, is_new: bool) {
        if self.keys.insert(row.raw_key.clone()) {
            self.part.rows.push(row.clone());
            self.more |= is_new;
        }
    }
}

fn merge(have: &[DivergedPart], new: &[&DivergedPart]) -> Contents {
    let mut told = Told::new();
    for part in have.iter().chain(new.iter().copied()).filter(|p| !p.by_content) {
        for row in &part.rows {
            told.entry((part.partition, &row.raw_key)).or_default().push((part, row));
        }
    }
    let is_told = |part: &DivergedPart, row: &DivergedRow| {
        let of_key = told.get(&(part.partition, &row.raw_key));
        of_key.is_some_and(|all| all.iter().any(|one| is_same(part, row, *one)))
    };
    let mut all: BTreeMap<Key, Growing> = BTreeMap::new();
    let old = have.iter().map(|part| (part, false));
    let parts = old.chain(new.iter().map(|part| (*part, true)));
    for (part, is_new) in parts.filter(|(part, _)| part.by_content) {
        let before = if is_new { 0 } else { part.rows.len() };
        let growing = all.entry((part.txn, part.partition));
        let growing = growing.or_insert_with(|| Growing::of(part, before));
        for row in part.rows.iter().filter(|row| !is_told(part, row)) {
            growing.add(row, is_new);
        }
    }
    let changed = all.into_values().filter(|g| g.more || g.part.rows.len() < g.before);
    let (more, less): (Vec<Growing>, Vec<Growing>) = changed.partition(|g| g.more);
    let parts = |all: Vec<Growing>| all.into_iter().map(|g| g.part).collect();
    Contents { more: parts(more), less: parts(less) }
}

/// True if what a part tells of a row by content is what a log has told of it.
fn is_same(
    part: &DivergedPart,
    row: &DivergedRow,
    (log, logged): (&DivergedPart, &DivergedRow),
) -> bool {
    let undecided = !log.decided && logged.raw_new == row.raw_new;
    // Contents often only tell from when on a row can have been deleted.
    let deleted = row.raw_new.is_none()
        && logged.raw_new.is_none()
        && log.commit_ts >= part.commit_ts
        && log.epoch <= part.epoch;
    log.commit_ts == part.commit_ts || undecided || deleted
}
