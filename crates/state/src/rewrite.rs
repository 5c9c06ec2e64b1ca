//! The files of a merge: runs into one, or into the base.

use crate::State;
use crate::chunk::Chunk;
use crate::layer::Layer;
use crate::merge::{Retain, Shape, Source, any_deleted, merge};
use crate::plan::{Step, plan};
use crate::tiers::adoptable;
use crate::view::Base;
use crate::write::{ChunkWriter, Namer};
use base::{Result, StorageId, Timestamp};
use bytes::Bytes;
use format::{ChunkMeta, Run, TableChunks, key};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// What a merge makes of a key space.
pub(crate) struct Merged {
    pub(crate) storage: StorageId,
    /// The runs it takes the place of.
    pub(crate) runs: Vec<Run>,
    /// The run in their place, if there is one.
    pub(crate) run: Option<Run>,
    /// The base before and after, if they went there.
    pub(crate) base: Option<(Vec<ChunkMeta>, Vec<ChunkMeta>)>,
    /// Bytes that were written.
    pub(crate) bytes: u64,
}

impl State {
    /// Merges neighbouring runs into one. Files that share their range with no other, and hold nothing
    /// that could go, become part of it as they are: rows loaded in the order of their keys are not
    /// written again.
    pub(crate) fn join(
        &self,
        base: &Base,
        table: &TableChunks,
        Range { start, end }: Range<usize>,
        horizon: Timestamp,
        namer: &Namer,
    ) -> Result<Merged> {
        // The base comes before the runs.
        let layers = &base.layers(table.storage)[start + 1..end + 1];
        let full = self.inner.settings.chunk_bytes as u64 / 2;
        let mut kept = adoptable(&[], &table.runs[start..end]);
        kept.retain(|c| c.bytes >= full);
        let is_kept = |c: &Arc<Chunk>| kept.iter().any(|k| k.file == c.meta.file);
        let rest = |l: &Layer| l.chunks.iter().filter(|c| !is_kept(c)).cloned().collect::<Vec<_>>();
        let layers: Vec<Vec<Arc<Chunk>>> = layers.iter().rev().map(|l| rest(l)).collect();
        let shape = Shape { columns: &table.columns, with_deleted: any_deleted(&layers.concat())? };
        let bottom = start == 0 && table.chunks.is_empty();
        let (mut chunks, mut bytes) = (Vec::new(), 0);
        let (mut from, last) = key::range(table.storage);
        for place in kept.iter().map(Some).chain([None]) {
            // What lies between two of the kept files is merged.
            let range = (from.clone(), place.map_or(last.clone(), |k| k.min_key.clone()));
            let source =
                |l: &Vec<Arc<Chunk>>| Source::new(l.iter().cloned(), range.clone(), &shape);
            let sources: Vec<_> = layers.iter().map(source).collect();
            let written = self.write(sources, &shape, Retain::new(horizon, bottom), namer)?;
            bytes += written.iter().map(|c| c.bytes).sum::<u64>();
            chunks.extend(written);
            if let Some(k) = place {
                from = key::after(&k.max_key);
                chunks.push((*k).clone());
            }
        }
        let (lo, hi) = (table.runs[start].lo, table.runs[end - 1].hi);
        let run = Some(Run { lo, hi, chunks }).filter(|r| !r.chunks.is_empty());
        let runs = table.runs[start..end].to_vec();
        Ok(Merged { storage: table.storage, runs, run, base: None, bytes })
    }

    /// Merges the oldest runs into the base, of which only what they touch is written anew.
    pub(crate) fn rebase(
        &self,
        base: &Base,
        table: &TableChunks,
        count: usize,
        horizon: Timestamp,
        namer: &Namer,
    ) -> Result<Merged> {
        let layers = base.layers(table.storage);
        let adopted: BTreeSet<&str> = adoptable(&table.chunks, &table.runs[..count])
            .into_iter()
            .map(|c| c.file.as_str())
            .collect();
        let is_adopted = |c: &Arc<Chunk>| adopted.contains(c.meta.file.as_str());
        let (mut chunks, mut runs) = (layers[0].chunks.clone(), Vec::with_capacity(count));
        for layer in &layers[1..=count] {
            let (free, rest) = layer.chunks.iter().cloned().partition::<Vec<_>, _>(is_adopted);
            chunks.extend(free);
            runs.push(Layer { lo: layer.lo, chunks: rest });
        }
        chunks.sort_by(|a, b| a.meta.min_key.cmp(&b.meta.min_key));
        let metas: Vec<ChunkMeta> = chunks.iter().map(|c| c.meta.clone()).collect();
        let changed = |start: &Bytes, end: &Bytes| {
            for run in &runs {
                if run.touches(start, end)? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let space = key::range(table.storage);
        let shape = Shape { columns: &table.columns, with_deleted: false };
        let (mut new, mut bytes) = (Vec::with_capacity(metas.len()), 0);
        for step in plan(&metas, space, self.inner.settings.chunk_bytes, changed)? {
            match step {
                Step::Keep(i) => new.push(metas[i].clone()),
                Step::Rewrite { chunks: which, start, end } => {
                    let range = (start, end);
                    let source = |l: &Layer| {
                        Source::new(l.chunks.clone().into_iter(), range.clone(), &shape)
                    };
                    let mut sources: Vec<_> = runs.iter().rev().map(source).collect();
                    let old = chunks[which].iter().cloned();
                    sources.push(Source::new(old, range.clone(), &shape));
                    let retain = Retain::new(horizon, true);
                    let written = self.write(sources, &shape, retain, namer)?;
                    bytes += written.iter().map(|c| c.bytes).sum::<u64>();
                    new.extend(written);
                }
            }
        }
        let (runs, base) = (table.runs[..count].to_vec(), (table.chunks.clone(), new));
        Ok(Merged { storage: table.storage, runs, run: None, base: Some(base), bytes })
    }

    pub(crate) fn write(
        &self,
        sources: Vec<Source<'_>>,
        shape: &Shape<'_>,
        retain: Retain,
        namer: &Namer,
    ) -> Result<Vec<ChunkMeta>> {
        let inner = &*self.inner;
        let schema = shape.schema();
        let mut out = ChunkWriter::new(&inner.disk, &inner.settings, namer, schema);
        merge(sources, retain, &mut out, &|| self.go_on())?;
        out.finish()
    }
}
