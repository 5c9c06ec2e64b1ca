//! The rows that one layer shows in a scan, row group by row group; of a short range page by page.
//!
//! ```text
//!   row group  k1 ........ k8192      nothing newer has a key in between: its columns, untouched
//!   row group  k8193 .x..x. k16384    a run or the delta has x: the same columns, x masked out
//!   row group  y2 y1 z3 z2 z1 ...     several versions of a key: only the newest old enough, if it
//!                                     is no deletion
//! ```

use crate::cache::Fill;
use crate::chunk::{Chunk, lower_bound};
use crate::footer::{Opened, Part};
use crate::layer::Layer;
use crate::project::project;
use crate::rows::batch;
use crate::scan::ScanSpec;
use crate::shadow::{Keep, Shadow};
use crate::view::View;
use crate::walk::Walk;
use arrow::array::{Array, BinaryArray, RecordBatch};
use arrow::compute::filter;
use arrow::datatypes::SchemaRef;
use base::{Error, Lsn, Result};
use bytes::Bytes;
use format::key;
use std::collections::VecDeque;
use std::sync::Arc;

/// A pass over one layer.
pub(crate) struct Sweep {
    layer: Arc<Layer>,
    /// The newer layers.
    newer: Vec<Shadow>,
    /// The chunk that comes next; the one being read, with the row group that comes next; the parts
    /// of the last one that come before it.
    chunk: usize,
    opened: Option<(Arc<Chunk>, Arc<Opened>, usize)>,
    parts: VecDeque<Part>,
    /// The last key for which it was decided which version is shown, if any; its older versions may
    /// be in the next row group.
    decided: Option<Bytes>,
}

impl Sweep {
    /// A pass over the layer with this number; `None` if there is nothing in it for the scan.
    pub(crate) fn new(layers: &[Arc<Layer>], number: usize, spec: &ScanSpec) -> Option<Sweep> {
        let layer = layers.get(number).filter(|l| l.lo < spec.ts || number == 0)?.clone();
        let newer = layers.iter().skip(number + 1).filter(|l| l.lo < spec.ts);
        let newer = newer.map(|l| Shadow::new(l.clone(), spec.ts)).collect();
        let chunk = layer.first_chunk(&spec.start);
        Some(Sweep { layer, newer, chunk, opened: None, parts: VecDeque::new(), decided: None })
    }

    /// The next rows; `None` at the end.
    pub(crate) fn next(
        &mut self,
        view: &View,
        spec: &ScanSpec,
        schema: &SchemaRef,
        revealed: &mut Lsn,
    ) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(part) = self.parts.pop_front()
                && let Some((chunk, opened, next)) = self.opened.take()
            {
                let found = self.part(&chunk, &opened, part, (view, spec, schema), revealed)?;
                self.opened = Some((chunk, opened, next));
                if found.is_some() {
                    return Ok(found);
                }
                continue;
            }
            let (chunk, opened, group) = match self.opened.take() {
                Some(at) => at,
                None => {
                    let next = self.layer.chunks.get(self.chunk);
                    let Some(chunk) = next.filter(|c| c.meta.min_key < spec.end).cloned() else {
                        return Ok(None);
                    };
                    self.chunk += 1;
                    let opened = chunk.open()?;
                    let group = opened.first_group(&spec.start);
                    (chunk, opened, group)
                }
            };
            let Some(g) = opened.groups.get(group).filter(|g| g.first < spec.end) else { continue };
            if g.oldest <= spec.ts {
                self.parts = parts(&opened, group, spec);
            }
            self.opened = Some((chunk, opened, group + 1));
        }
    }

    fn part(
        &mut self,
        chunk: &Chunk,
        opened: &Opened,
        part: Part,
        (view, spec, schema): (&View, &ScanSpec, &SchemaRef),
        revealed: &mut Lsn,
    ) -> Result<Option<RecordBatch>> {
        let g = &opened.groups[part.group];
        let (start, end) = (&spec.start, &spec.end);
        // A range within a row group is a point read of several rows.
        let within = part.page.is_some() || g.first < *start || g.last >= *end;
        let fill = if within { Fill::Evict } else { Fill::IfRoom };
        let mut keys = None;
        let (mut low, mut high) = (0, opened.rows(part).len());
        if within {
            let these = chunk.keys(opened, part, fill)?;
            (low, high) = (lower_bound(&these, start), lower_bound(&these, end));
            keys = Some(these);
        }
        if low >= high {
            return Ok(None);
        }
        let ends = keys.as_ref().map(|k| (k.value(low), k.value(high - 1)));
        let (first, last) = ends.unwrap_or((&g.first, &g.last));
        let (from, to) = (Bytes::copy_from_slice(first), key::after(last));
        let several = chunk.meta.mixed || g.newest > spec.ts;
        let delta = view.generations().any(|d| d.touches(&from, &to));
        let mut hidden = several || delta;
        for shadow in &mut self.newer {
            hidden = hidden || shadow.reaches(&from, &to)?;
        }
        let mut keep = Keep::all(high - low);
        if hidden {
            let keys = match keys {
                Some(keys) => keys,
                None => chunk.keys(opened, part, fill)?,
            };
            if several {
                self.choose((chunk, opened, part, fill), &keys, (low, high), spec, &mut keep)?;
            }
            if delta {
                let walk = view.walk(from.clone(), to.clone(), spec.ts);
                hide(&keys, (low, high), walk, revealed, &mut keep);
            }
            for shadow in &mut self.newer {
                shadow.hide(&keys, (low, high), (&from, &to), &mut keep)?;
            }
        }
        let keep = keep.mask();
        let rows = keep.as_ref().map_or(high - low, |k| k.true_count());
        if rows == 0 {
            return Ok(None);
        }
        let mut arrays = project(chunk, opened, part, &spec.columns, spec.with_key, fill)?;
        for array in &mut arrays {
            *array = array.slice(low, high - low);
            if let Some(keep) = &keep {
                *array = filter(array, keep)
                    .map_err(|e| Error::internal(format!("masking a row group: {e}")))?;
            }
        }
        batch(schema, arrays, rows).map(Some)
    }

    /// Hides the versions that are too new, that are older than one shown, and deletions.
    fn choose(
        &mut self,
        (chunk, opened, part, fill): (&Chunk, &Opened, Part, Fill),
        keys: &BinaryArray,
        (low, high): (usize, usize),
        spec: &ScanSpec,
        keep: &mut Keep,
    ) -> Result<()> {
        let stamps = chunk.stamps(opened, part, fill)?;
        let deleted = chunk.deleted(opened, part, fill)?;
        let mut decided: Option<&[u8]> = self.decided.as_deref();
        for i in low..high {
            let key = keys.value(i);
            let late = stamps.value(i) > spec.ts.0;
            if late || decided == Some(key) {
                keep.hide(i - low);
                continue;
            }
            decided = Some(key);
            if deleted.as_ref().is_some_and(|d| d.value(i)) {
                keep.hide(i - low);
            }
        }
        self.decided = decided.map(Bytes::copy_from_slice);
        Ok(())
    }
}

/// What to read of a row group: single pages, if they are few.
fn parts(opened: &Opened, group: usize, spec: &ScanSpec) -> VecDeque<Part> {
    let pages = opened.pages(group);
    let first = opened.first_page(group, &spec.start);
    let end = (opened.first_page(group, &spec.end) + 1).min(pages);
    if 2 * end.saturating_sub(first) > pages {
        return VecDeque::from([Part::group(group)]);
    }
    (first..end).map(|page| Part::page(group, page)).collect()
}

/// Hides the rows `low..high` that the delta knows better.
fn hide(
    keys: &BinaryArray,
    (low, high): (usize, usize),
    delta: Walk,
    revealed: &mut Lsn,
    keep: &mut Keep,
) {
    let mut at = low;
    for (key, version) in delta {
        *revealed = version.lsn.max(*revealed);
        while at < high && keys.value(at) < &*key {
            at += 1;
        }
        while at < high && keys.value(at) == &*key {
            keep.hide(at - low);
            at += 1;
        }
    }
}
