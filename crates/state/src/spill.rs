//! Spilling: the delta's older versions become part of new chunks, under a new manifest.
//!
//! 1. Freeze the active generation and begin a new one.
//! 2. Merge what the frozen one shows at `at` into the chunks it touches; write the new files.
//! 3. Write the new manifest: from here on a restart begins with it.
//! 4. Move versions above `at` from the frozen into the active generation.
//! 5. Switch readers to the new manifest and the active generation, in one step.
//! 6. Remove manifests that are no longer wanted, and files nobody names or uses.
//!
//! A crash before step 3 leaves garbage files and the old manifest; after it, the new one. An error
//! before step 5 moves all versions back and leaves everything as it was.

use crate::State;
use crate::columns::schema;
use crate::delta::Generation;
use crate::files::{sync, write_manifest};
use crate::merge::{OldRows, merge};
use crate::plan::{Step, plan};
use crate::view::{Base, View};
use crate::walk::Walk;
use crate::write::{ChunkWriter, Namer};
use base::{EpochHistory, Lsn, Result, StorageId, Timestamp};
use bytes::Bytes;
use format::{ChunkMeta, ColumnLayout, Manifest, TableChunks, key};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What to spill.
pub struct SpillRequest<'a> {
    /// Versions at or below this go into chunks. All of them have been applied and are durable, and
    /// no reader reads below it any more.
    pub at: Timestamp,
    /// A restart replays the log from here: every record before it has all its versions at or below
    /// `at`, or is not needed.
    pub replay_from: Lsn,
    /// The epochs of the log up to there.
    pub history: EpochHistory,
    /// The columns of a key space as of `at`; `None` if its table is gone and its rows with it.
    pub layouts: &'a dyn Fn(StorageId) -> Option<Vec<ColumnLayout>>,
    /// Besides the new manifest, keep the newest one at or below this.
    pub keep_newest_at_or_below: Timestamp,
}

impl State {
    /// Moves versions at or below `at` into chunks. Blocks; readers and [`State::apply`] go on.
    /// Does nothing if the chunks hold all that already.
    pub fn spill(&self, request: SpillRequest<'_>) -> Result<()> {
        let _one_at_a_time = self.inner.maintenance.lock();
        let old = self.manifest();
        let same = request.at == old.ts && request.replay_from <= old.replay_from;
        if request.at < old.ts || same {
            self.retain(None, request.keep_newest_at_or_below);
            return Ok(());
        }
        let frozen = self.freeze();
        match self.write_down(&request, &frozen) {
            Ok(base) => {
                self.thaw(&frozen, request.at, Some(base.clone()));
                self.retain(Some(base.manifest.clone()), request.keep_newest_at_or_below);
                Ok(())
            }
            Err(e) => {
                self.thaw(&frozen, Timestamp::ZERO, None);
                // What was written so far only takes room now.
                self.collect();
                Err(e)
            }
        }
    }

    fn freeze(&self) -> Arc<Generation> {
        let mut view = self.inner.view.write();
        let frozen = std::mem::take(&mut view.active);
        view.frozen = Some(frozen.clone());
        frozen
    }

    /// Ends the freeze: versions above `above` go on in the active generation.
    fn thaw(&self, frozen: &Generation, above: Timestamp, base: Option<Arc<Base>>) {
        let active = self.inner.view.read().active.clone();
        active.add_newer_of(frozen, above);
        let mut view = self.inner.view.write();
        view.frozen = None;
        if let Some(base) = base {
            view.base = base;
        }
    }

    /// Writes chunks and manifest.
    fn write_down(
        &self,
        request: &SpillRequest<'_>,
        frozen: &Arc<Generation>,
    ) -> Result<Arc<Base>> {
        let inner = &*self.inner;
        let old = self.view().base;
        let mut namer = Namer { seq: inner.files.lock().take_seq(), count: 0 };
        let mut storages: BTreeSet<StorageId> = old.tables.keys().copied().collect();
        storages.extend(frozen.storages());
        let mut tables = Vec::new();
        for storage in storages {
            let Some(mut columns) = (request.layouts)(storage) else { continue };
            columns.sort_by_key(|c| c.id);
            let table = self.merge_table(storage, columns, &old, frozen, request.at, &mut namer)?;
            if !table.chunks.is_empty() {
                tables.push(table);
            }
        }
        let manifest = Arc::new(Manifest {
            seq: namer.seq,
            ts: request.at,
            replay_from: request.replay_from.max(old.manifest.replay_from),
            history: request.history.clone(),
            tables,
        });
        if namer.count > 0 {
            sync(&inner.dir, &inner.disk)?;
        }
        write_manifest(&inner.dir, &inner.disk, &manifest)?;
        let mut files = inner.files.lock();
        Ok(Arc::new(files.base(manifest, &inner.dir, &inner.disk, &inner.cache)))
    }

    fn merge_table(
        &self,
        storage: StorageId,
        columns: Vec<ColumnLayout>,
        old: &Base,
        frozen: &Arc<Generation>,
        at: Timestamp,
        namer: &mut Namer,
    ) -> Result<TableChunks> {
        let inner = &*self.inner;
        let chunks = old.chunks(storage);
        let metas: Vec<ChunkMeta> = chunks.iter().map(|c| c.meta.clone()).collect();
        let walk = |start: &Bytes, end: &Bytes| {
            Walk::new(std::iter::once(frozen.clone()), start.clone(), end.clone(), at)
        };
        let changed = |start: &Bytes, end: &Bytes| walk(start, end).next().is_some();
        let target = inner.settings.chunk_bytes;
        let steps = plan(&metas, key::range(storage), target, changed);
        let mut written = Vec::with_capacity(chunks.len());
        let mut rewritten = false;
        for step in steps {
            match step {
                Step::Keep(i) => written.push(metas[i].clone()),
                Step::Rewrite { chunks: which, start, end } => {
                    rewritten = true;
                    let schema = schema(&columns, true);
                    let rows = OldRows::new(&chunks[which], &columns, schema.clone());
                    let mut out =
                        ChunkWriter::new(&inner.disk, &inner.dir, &inner.settings, namer, schema);
                    merge(rows, walk(&start, &end), &mut out)?;
                    written.extend(out.finish()?);
                }
            }
        }
        let columns = match old.manifest.table(storage) {
            Some(table) if !rewritten => table.columns.clone(),
            _ => columns,
        };
        Ok(TableChunks { storage, columns, chunks: written })
    }

    /// Keeps the newest manifest and the newest one at or below `keep`, and removes what is garbage
    /// then.
    fn retain(&self, newest: Option<Arc<Manifest>>, keep: Timestamp) {
        let mut files = self.inner.files.lock();
        files.retained.extend(newest);
        let last = files.retained.len().saturating_sub(1);
        let kept = files.retained.iter().rposition(|m| m.ts <= keep);
        let mut i = 0;
        files.retained.retain(|_| {
            i += 1;
            i - 1 == last || Some(i - 1) == kept
        });
        drop(files);
        self.collect();
    }

    /// Removes garbage. Failing at it is not the spill's failure: the next one tries again.
    fn collect(&self) {
        let inner = &*self.inner;
        if let Err(e) = inner.files.lock().collect(&inner.dir, &inner.disk) {
            tracing::warn!(error = %e, "could not remove old files");
        }
    }

    /// What readers see now.
    pub(crate) fn view(&self) -> View {
        self.inner.view.read().clone()
    }
}
