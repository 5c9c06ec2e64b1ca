//! What a newer layer hides of an older one, at one timestamp.

use crate::cache::Fill;
use crate::chunk::Chunk;
use crate::footer::{Group, Opened, Part};
use crate::layer::Layer;
use arrow::array::{Array, BinaryArray, BooleanArray, UInt64Array};
use base::{Result, Timestamp};
use std::sync::Arc;

/// Which of some rows are shown.
pub(crate) struct Keep {
    rows: usize,
    /// Made when the first row is hidden.
    bits: Option<Vec<bool>>,
}

impl Keep {
    /// All of so many rows.
    pub(crate) fn all(rows: usize) -> Keep {
        Keep { rows, bits: None }
    }

    pub(crate) fn hide(&mut self, row: usize) {
        self.bits.get_or_insert_with(|| vec![true; self.rows])[row] = false;
    }

    /// `None` if all are shown.
    pub(crate) fn mask(self) -> Option<BooleanArray> {
        self.bits.map(BooleanArray::from)
    }
}

/// Goes over the keys that a layer has at a timestamp, forward only.
pub(crate) struct Shadow {
    layer: Arc<Layer>,
    ts: Timestamp,
    /// The chunk and the row group that the last question led to.
    chunk: usize,
    opened: Option<(Arc<Chunk>, Arc<Opened>)>,
    group: usize,
    /// The keys of the row group or of one of its pages, and their timestamps if not all are old
    /// enough.
    rows: Option<(BinaryArray, Option<UInt64Array>)>,
    /// Which page that is.
    page: Option<usize>,
    at: usize,
}

impl Shadow {
    pub(crate) fn new(layer: Arc<Layer>, ts: Timestamp) -> Shadow {
        Shadow { layer, ts, chunk: 0, opened: None, group: 0, rows: None, page: None, at: 0 }
    }

    /// Moves to the first row group that may have keys at or after `from`; true if it begins
    /// before `to`. Decodes nothing.
    pub(crate) fn reaches(&mut self, from: &[u8], to: &[u8]) -> Result<bool> {
        loop {
            let Some(chunk) = self.layer.chunks.get(self.chunk) else { return Ok(false) };
            if *chunk.meta.max_key < *from {
                // The next chunk is nearly always the one; a range in the middle is searched for.
                let next = self.chunk + 1;
                let near = self.layer.chunks.get(next).is_none_or(|c| *c.meta.max_key >= *from);
                self.chunk = if near { next } else { self.layer.first_chunk(from) };
                (self.opened, self.group) = (None, 0);
                (self.rows, self.page) = (None, None);
                continue;
            }
            if *chunk.meta.min_key >= *to {
                return Ok(false);
            }
            if self.opened.is_none() {
                self.opened = Some((chunk.clone(), chunk.open()?));
            }
            let Some((_, opened)) = &self.opened else { return Ok(false) };
            let skip = |g: &Group| *g.last < *from || g.oldest > self.ts;
            if opened.groups.get(self.group).is_some_and(skip) {
                let near = opened.first_group(from);
                self.group = if near > self.group { near } else { self.group + 1 };
                (self.rows, self.page) = (None, None);
                continue;
            }
            match opened.groups.get(self.group) {
                Some(g) => return Ok(*g.first < *to),
                None => {
                    self.chunk += 1;
                    (self.opened, self.group) = (None, 0);
                    (self.rows, self.page) = (None, None);
                }
            }
        }
    }

    /// Hides the rows `low..high` of `keys`, which begin at `from` and end before `to`, whose key
    /// this layer has.
    pub(crate) fn hide(
        &mut self,
        keys: &BinaryArray,
        (low, high): (usize, usize),
        (from, to): (&[u8], &[u8]),
        keep: &mut Keep,
    ) -> Result<()> {
        let mut at = low;
        let mut from = from;
        while at < high && self.reaches(from, to)? {
            self.load(from, to)?;
            let Some((own, stamps)) = &self.rows else { return Ok(()) };
            let n = own.len();
            self.at = forward(own, self.at, n, from);
            while self.at < n && at < high {
                let key = own.value(self.at);
                if stamps.as_ref().is_some_and(|s| s.value(self.at) > self.ts.0) {
                    self.at += 1;
                    continue;
                }
                at = forward(keys, at, high, key);
                while at < high && keys.value(at) == key {
                    keep.hide(at - low);
                    at += 1;
                }
                if at < high {
                    self.at = forward(own, self.at, n, keys.value(at));
                }
            }
            if at >= high {
                return Ok(());
            }
            // This part is used up.
            self.rows = None;
            let pages = self.opened.as_ref().map_or(0, |(_, o)| o.pages(self.group));
            self.page = self.page.map(|p| p + 1).filter(|p| *p < pages);
            if self.page.is_none() {
                self.group += 1;
            }
            from = keys.value(at);
        }
        Ok(())
    }

    /// Loads the row group; of a narrow range only the page.
    fn load(&mut self, from: &[u8], to: &[u8]) -> Result<()> {
        let Some((chunk, opened)) = &self.opened else { return Ok(()) };
        let first = opened.first_page(self.group, from);
        let near = opened.first_page(self.group, to) - first < opened.pages(self.group) / 4;
        if self.rows.is_some() && self.page.is_none_or(|p| p >= first) {
            return Ok(());
        }
        let page = self.page.map(|p| p.max(first)).or_else(|| near.then_some(first));
        let page = page.filter(|p| *p < opened.pages(self.group));
        let part = Part { group: self.group, page };
        let keys = chunk.keys(opened, part, Fill::IfRoom)?;
        let late = opened.groups[self.group].newest > self.ts;
        let stamps = if late { Some(chunk.stamps(opened, part, Fill::IfRoom)?) } else { None };
        (self.rows, self.page, self.at) = (Some((keys, stamps)), page, 0);
        Ok(())
    }
}

/// The first position in `at..end` whose key is not below `key`: near ones are found at once, far
/// ones in logarithmic time.
fn forward(keys: &BinaryArray, at: usize, end: usize, key: &[u8]) -> usize {
    let (mut low, mut step) = (at, 1);
    while low < end && keys.value(low) < key {
        let next = low + step;
        if next >= end || keys.value(next) >= key {
            let (mut from, mut to) = (low + 1, next.min(end));
            while from < to {
                let mid = from + (to - from) / 2;
                if keys.value(mid) < key {
                    from = mid + 1;
                } else {
                    to = mid;
                }
            }
            return from;
        }
        low = next;
        step *= 2;
    }
    low
}
