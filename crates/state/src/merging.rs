//! Merging runs: with each other, and into the base. Reads, writes and spills go on meanwhile.
//!
//! 1. Choose a key space and what to merge in it ([`tiers`](crate::tiers)).
//! 2. Write the new files; no lock but that of merging is held.
//! 3. Take the lock of maintenance. If the runs are no longer there, give up.
//! 4. Write a manifest that names the new files in place of the old ones, at the timestamp of the
//!    current one: runs that were spilled meanwhile stay above.
//! 5. Switch readers to it, and remove what nobody names or uses.
//!
//! A crash before step 4 leaves garbage files, after it the new manifest.

use crate::State;
use crate::chunk::Chunk;
use crate::files::{sync, write_manifest};
use crate::layer::Layer;
use crate::merge::{Retain, Shape, Source, any_deleted, merge};
use crate::plan::{Step, plan};
use crate::tiers::{Choice, adoptable, choose};
use crate::view::Base;
use crate::write::{ChunkWriter, Namer};
use base::{Error, Result, SqlState, Timestamp};
use bytes::Bytes;
use format::{ChunkMeta, Manifest, Run, TableChunks, key};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a merge makes of a key space.
struct Merged {
    old: TableChunks,
    new: TableChunks,
    /// Bytes that were written.
    bytes: u64,
}

impl State {
    /// Merges some runs of one key space if that is worth it; false if there is nothing to do.
    /// Nobody reads below `horizon` any more. Blocks, perhaps for long; everything else goes on.
    pub fn merge(&self, horizon: Timestamp) -> Result<bool> {
        self.merge_one(horizon, false)
    }

    /// As [`State::merge`], only where there are as many runs as there may be.
    pub(crate) fn merge_full(&self, horizon: Timestamp) -> Result<bool> {
        self.merge_one(horizon, true)
    }

    /// True if [`State::merge`] would find something to do.
    pub fn wants_merge(&self, horizon: Timestamp) -> bool {
        self.chosen(&self.manifest(), horizon, false).is_some()
    }

    /// Ends all writing of files: a merge that runs gives up soon, a spill is waited for, and later
    /// ones do nothing. To be called before somebody else opens the folder. Blocks.
    pub fn close(&self) {
        self.inner.closed.store(true, Ordering::SeqCst);
        drop(self.inner.merging.lock());
        drop(self.inner.maintenance.lock());
    }

    /// Takes [`State::close`] back, when nobody else has opened the folder after all.
    pub fn resume(&self) {
        self.inner.closed.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.closed.load(Ordering::SeqCst)
    }

    fn chosen<'a>(
        &self,
        manifest: &'a Manifest,
        horizon: Timestamp,
        hurry: bool,
    ) -> Option<(&'a TableChunks, Choice)> {
        let max = self.inner.settings.runs_max;
        let horizon = horizon.min(manifest.ts);
        manifest.tables.iter().find_map(|t| Some((t, choose(t, horizon, max, hurry)?)))
    }

    fn merge_one(&self, horizon: Timestamp, hurry: bool) -> Result<bool> {
        if self.chosen(&self.manifest(), horizon, hurry).is_none() {
            return Ok(false);
        }
        let inner = &*self.inner;
        let _one_at_a_time = inner.merging.lock();
        if self.is_closed() {
            return Ok(false);
        }
        let base = self.view().base;
        let Some((table, choice)) = self.chosen(&base.manifest, horizon, hurry) else {
            // What was waited for has been done.
            return Ok(hurry);
        };
        let seq = inner.files.lock().writing();
        let mut namer = Namer { seq, count: 0 };
        let horizon = horizon.min(base.manifest.ts).max(base.manifest.horizon);
        let merged = match choice {
            Choice::Join(range) => {
                self.join(&base, table, range.start, range.end, horizon, &mut namer)
            }
            Choice::IntoBase(count) => self.rebase(&base, table, count, horizon, &mut namer),
        };
        // What it holds is no garbage.
        drop(base);
        let _maintenance = inner.maintenance.lock();
        let done = merged.and_then(|merged| self.install(merged, horizon, namer.count > 0));
        inner.files.lock().written(seq);
        self.collect();
        match done {
            Err(_) if self.is_closed() => Ok(false),
            done => done.map(|()| true),
        }
    }

    fn go_on(&self) -> Result<()> {
        if !self.is_closed() {
            return Ok(());
        }
        Err(Error::new(SqlState::QUERY_CANCELED, "a merge of chunks was given up"))
    }

    fn join(
        &self,
        base: &Base,
        table: &TableChunks,
        start: usize,
        end: usize,
        horizon: Timestamp,
        namer: &mut Namer,
    ) -> Result<Merged> {
        // The base comes before the runs.
        let layers = &base.layers(table.storage)[start + 1..end + 1];
        let chunks: Vec<_> = layers.iter().flat_map(|l| l.chunks.iter().cloned()).collect();
        let shape = Shape { columns: &table.columns, with_deleted: any_deleted(&chunks)? };
        let range = key::range(table.storage);
        let sources = layers.iter().rev();
        let sources = sources.map(|l| Source::new(l.chunks.iter().cloned(), range.clone(), &shape));
        let bottom = start == 0 && table.chunks.is_empty();
        let chunks = self.write(sources.collect(), &shape, Retain::new(horizon, bottom), namer)?;
        let bytes = chunks.iter().map(|c| c.bytes).sum();
        let (lo, hi) = (table.runs[start].lo, table.runs[end - 1].hi);
        let run = Some(Run { lo, hi, chunks }).filter(|r| !r.chunks.is_empty());
        let mut new = table.clone();
        new.runs.splice(start..end, run);
        Ok(Merged { old: table.clone(), new, bytes })
    }

    fn rebase(
        &self,
        base: &Base,
        table: &TableChunks,
        count: usize,
        horizon: Timestamp,
        namer: &mut Namer,
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
        let mut new = TableChunks { chunks: Vec::with_capacity(metas.len()), ..table.clone() };
        let mut bytes = 0;
        for step in plan(&metas, space, self.inner.settings.chunk_bytes, changed)? {
            match step {
                Step::Keep(i) => new.chunks.push(metas[i].clone()),
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
                    new.chunks.extend(written);
                }
            }
        }
        new.runs.drain(..count);
        Ok(Merged { old: table.clone(), new, bytes })
    }

    fn write(
        &self,
        sources: Vec<Source<'_>>,
        shape: &Shape<'_>,
        retain: Retain,
        namer: &mut Namer,
    ) -> Result<Vec<ChunkMeta>> {
        let inner = &*self.inner;
        let schema = shape.schema();
        let mut out = ChunkWriter::new(&inner.disk, &inner.dir, &inner.settings, namer, schema);
        merge(sources, retain, &mut out, &|| self.go_on())?;
        out.finish()
    }

    /// Makes the merged files part of the current manifest, whatever was spilled meanwhile.
    fn install(&self, merged: Merged, horizon: Timestamp, wrote: bool) -> Result<()> {
        let inner = &*self.inner;
        let Merged { old, mut new, bytes } = merged;
        let current = self.manifest();
        let same = current
            .table(old.storage)
            .filter(|now| now.chunks == old.chunks && now.runs.starts_with(&old.runs));
        // Otherwise the key space was dropped, or an older manifest has taken over.
        let Some(now) = same else { return Ok(()) };
        new.runs.extend_from_slice(&now.runs[old.runs.len()..]);
        new.columns = now.columns.clone();
        let mut manifest = current.as_ref().clone();
        manifest.seq = inner.files.lock().take_seq();
        manifest.horizon = manifest.horizon.max(horizon.min(manifest.ts));
        manifest.tables.retain(|t| t.storage != new.storage);
        if new.files().next().is_some() {
            let at = manifest.tables.partition_point(|t| t.storage < new.storage);
            manifest.tables.insert(at, new);
        }
        let manifest = Arc::new(manifest);
        if wrote {
            sync(&inner.dir, &inner.disk)?;
        }
        write_manifest(&inner.dir, &inner.disk, &manifest)?;
        inner.counts.merged.fetch_add(bytes, Ordering::Relaxed);
        let mut files = inner.files.lock();
        // It takes the place of the one it says the same as.
        files.retained.pop();
        files.retained.push(manifest.clone());
        let base = Arc::new(files.base(manifest, &inner.dir, &inner.disk, &inner.cache));
        drop(files);
        inner.view.write().base = base;
        Ok(())
    }
}
