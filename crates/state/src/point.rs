//! Reading one row of a chunk: one page of its keys, then one page of every column.

use crate::cache::Fill;
use crate::chunk::{Chunk, lower_bound};
use crate::columns::cell_at;
use crate::delta::Version;
use crate::footer::{Opened, Part};
use arrow::array::Array;
use base::{Lsn, Result, Timestamp};
use bytes::Bytes;
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
                    let stamps = self.stamps(&opened, part, Fill::Evict)?;
                    let mut versions = first..first + count;
                    if let Some(at) = versions.find(|i| stamps.value(*i) <= ts.0) {
                        let ts = Timestamp(stamps.value(at));
                        let row = self.row(&opened, part, at)?;
                        return Ok(Some(Version { ts, lsn: Lsn::ZERO, row }));
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

    /// The row in one place; `None` if it is a deletion.
    pub(crate) fn row(&self, opened: &Opened, part: Part, at: usize) -> Result<Option<Bytes>> {
        if self.deleted(opened, part, Fill::Evict)?.is_some_and(|d| d.value(at)) {
            return Ok(None);
        }
        let positions: Vec<usize> = opened.columns.iter().map(|c| c.1).collect();
        let values = self.columns(opened, part, &positions, Fill::Evict)?;
        let mut row = row::Writer::with_capacity(16 + 12 * values.len());
        for ((id, _), array) in opened.columns.iter().zip(&values) {
            row.push(*id, cell_at(array, at)?);
        }
        Ok(Some(row.finish()))
    }
}
