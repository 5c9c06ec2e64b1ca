//! All versions of a small key space: what became of its rows over time.

use crate::State;
use crate::cache::Fill;
use crate::chunk::Chunk;
use crate::delta::Version;
use crate::footer::Part;
use arrow::array::Array;
use base::{Result, StorageId, Timestamp};
use bytes::Bytes;
use format::key;

impl State {
    /// Every version above `since` that a key space has, deletions included, layer by layer and by
    /// key; of those at or below the manifest's `horizon` some are gone. Holds all of them at once:
    /// for the catalog, not for tables.
    pub fn versions(&self, storage: StorageId, since: Timestamp) -> Result<Vec<(Bytes, Version)>> {
        let view = self.view();
        let mut found = Vec::new();
        for layer in view.base.layers(storage) {
            for chunk in &layer.chunks {
                chunk.versions(since, &mut found)?;
            }
        }
        let (start, end) = key::range(storage);
        let stretch = (since, Timestamp::MAX);
        for generation in view.generations() {
            let mut from = Some(start.clone());
            while let Some(start) = from {
                let mut some = Vec::new();
                from = generation.versions(&start, &end, stretch, &mut some);
                found.append(&mut some);
            }
        }
        Ok(found)
    }
}

impl Chunk {
    fn versions(&self, since: Timestamp, out: &mut Vec<(Bytes, Version)>) -> Result<()> {
        let opened = self.open()?;
        for (i, group) in opened.groups.iter().enumerate().filter(|(_, g)| g.newest > since) {
            let part = Part::group(i);
            let keys = self.keys(&opened, part, Fill::IfRoom)?;
            let rows = self.rows(&opened, part, Fill::IfRoom)?;
            debug_assert_eq!(keys.len(), group.rows);
            for at in 0..keys.len() {
                if rows.ts(at) > since {
                    out.push((Bytes::copy_from_slice(keys.value(at)), rows.version(at)?));
                }
            }
        }
        Ok(())
    }
}
