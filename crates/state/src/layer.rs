//! One layer of a key space on disk: its base, or one of its runs.

use crate::cache::Fill;
use crate::chunk::{Chunk, lower_bound};
use crate::delta::Version;
use crate::footer::Part;
use arrow::array::Array;
use base::{Result, Timestamp};
use std::sync::Arc;

/// Chunks whose key ranges ascend and do not overlap.
#[derive(Debug)]
pub(crate) struct Layer {
    /// All its versions were committed after this.
    pub(crate) lo: Timestamp,
    pub(crate) chunks: Vec<Arc<Chunk>>,
}

impl Layer {
    /// The first chunk that may hold keys at or after `key`.
    pub(crate) fn first_chunk(&self, key: &[u8]) -> usize {
        self.chunks.partition_point(|c| *c.meta.max_key < *key)
    }

    /// The newest version of a key at or below `ts`, if this layer has one.
    pub(crate) fn get(&self, key: &[u8], ts: Timestamp) -> Result<Option<Version>> {
        match self.chunks.get(self.first_chunk(key)) {
            Some(chunk) if *chunk.meta.min_key <= *key && self.lo < ts => chunk.get(key, ts),
            _ => Ok(None),
        }
    }

    /// True if it has a version above `since` of any key in a half-open range, also if it is a
    /// deletion.
    pub(crate) fn changed_since(&self, since: Timestamp, start: &[u8], end: &[u8]) -> Result<bool> {
        for chunk in &self.chunks[self.first_chunk(start)..] {
            if *chunk.meta.min_key >= *end {
                break;
            }
            let opened = chunk.open()?;
            for group in opened.first_group(start)..opened.groups.len() {
                let g = &opened.groups[group];
                if *g.first >= *end {
                    break;
                }
                if g.newest <= since {
                    continue;
                }
                for page in opened.first_page(group, start)..opened.pages(group) {
                    let part = Part::page(group, page);
                    let keys = chunk.keys(&opened, part, Fill::Evict)?;
                    let (low, high) = (lower_bound(&keys, start), lower_bound(&keys, end));
                    if low < high {
                        let stamps = chunk.stamps(&opened, part, Fill::Evict)?;
                        if (low..high).any(|i| stamps.value(i) > since.0) {
                            return Ok(true);
                        }
                    }
                    if high < keys.len() {
                        break;
                    }
                }
            }
        }
        Ok(false)
    }

    /// True if it has any version of any key in a half-open range.
    pub(crate) fn touches(&self, start: &[u8], end: &[u8]) -> Result<bool> {
        let Some(chunk) = self.chunks.get(self.first_chunk(start)) else { return Ok(false) };
        if *chunk.meta.min_key >= *start || *chunk.meta.min_key >= *end {
            return Ok(*chunk.meta.min_key < *end);
        }
        // The range begins inside this chunk: which is its first key in there?
        let opened = chunk.open()?;
        let group = opened.first_group(start);
        let Some(g) = opened.groups.get(group) else { return Ok(false) };
        if *g.first >= *start || *g.last < *end {
            return Ok(*g.first < *end);
        }
        for page in opened.first_page(group, start)..opened.pages(group) {
            let keys = chunk.keys(&opened, Part::page(group, page), Fill::Never)?;
            let at = lower_bound(&keys, start);
            if at < keys.len() {
                return Ok(keys.value(at) < end);
            }
        }
        Ok(false)
    }
}
