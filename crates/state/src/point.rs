//! Reading one row of a chunk: one page of its keys, then one page of every column.

use crate::cache::Fill;
use crate::chunk::{Chunk, lower_bound};
use crate::columns::cell_at;
use crate::delta::Version;
use crate::footer::{Opened, Part, TS};
use arrow::array::{Array, ArrayRef, BooleanArray, UInt64Array};
use base::{Lsn, Result, Timestamp};
use format::row;

impl Chunk {
    /// The newest version of a key at or below `ts`, if the chunk has one.
    pub(crate) fn get(&self, key: &[u8], ts: Timestamp) -> Result<Option<Version>> {
        let opened = self.open()?;
        let mut group = opened.first_group(key);
        while let Some(g) = opened.groups.get(group).filter(|g| *g.first <= *key) {
            // Versions of a key may go on in the next page, and in the next row group.
            let pages = opened.first_page(group, key)..opened.pages(group);
            for page in pages.filter(|_| g.oldest <= ts) {
                let part = Part::page(group, page);
                let keys = self.keys(&opened, part, Fill::Evict)?;
                let first = lower_bound(&keys, key);
                let count = (first..keys.len()).take_while(|i| keys.value(*i) == key).count();
                if count > 0 {
                    // Most keys have one version: its row is read with its timestamp, at once.
                    let rows = self.rows(&opened, part, Fill::Evict)?;
                    if let Some(at) = (first..first + count).find(|i| rows.ts(*i) <= ts) {
                        return Ok(Some(rows.version(at)?));
                    }
                }
                if first + count < keys.len() {
                    return Ok(None);
                }
            }
            group += 1;
        }
        Ok(None)
    }

    /// All columns of a part but its keys.
    pub(crate) fn rows<'a>(&self, opened: &'a Opened, part: Part, fill: Fill) -> Result<Rows<'a>> {
        let deleted = opened.deleted.filter(|_| self.meta.mixed);
        let own = [TS].into_iter().chain(deleted);
        let positions: Vec<usize> = own.chain(opened.columns.iter().map(|c| c.1)).collect();
        let mut values = self.columns(opened, part, &positions, fill)?;
        let rest = values.split_off(1 + usize::from(deleted.is_some()));
        let stamps = self.as_stamps(values.first())?;
        let deleted = deleted.map(|_| self.as_deleted(values.get(1))).transpose()?;
        Ok(Rows { opened, stamps, deleted, values: rest })
    }
}

/// A part of a chunk, with all columns but the keys.
pub(crate) struct Rows<'a> {
    opened: &'a Opened,
    stamps: UInt64Array,
    deleted: Option<BooleanArray>,
    /// As [`Opened::columns`].
    values: Vec<ArrayRef>,
}

impl Rows<'_> {
    /// When the version in this place was committed.
    pub(crate) fn ts(&self, at: usize) -> Timestamp {
        Timestamp(self.stamps.value(at))
    }

    /// The version in this place.
    pub(crate) fn version(&self, at: usize) -> Result<Version> {
        let (ts, lsn) = (self.ts(at), Lsn::ZERO);
        if self.deleted.as_ref().is_some_and(|d| d.value(at)) {
            return Ok(Version { ts, lsn, row: None });
        }
        let mut row = row::Writer::with_capacity(16 + 12 * self.values.len());
        for ((id, _), array) in self.opened.columns.iter().zip(&self.values) {
            row.push(*id, cell_at(array, at)?);
        }
        Ok(Version { ts, lsn, row: Some(row.finish()) })
    }
}
