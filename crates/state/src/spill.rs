//! Spilling: the delta's older versions become a new run of every key space they are in, under a
//! new manifest. The base and the older runs are not touched.
//!
//! 1. Freeze the active generation and begin a new one.
//! 2. Write the versions at or below `at` that somebody may still ask for into new files.
//! 3. Write the new manifest: from here on a restart begins with it.
//! 4. Move versions above `at` from the frozen into the active generation.
//! 5. Switch readers to the new manifest and the active generation, in one step.
//! 6. Remove manifests that are no longer wanted, and files nobody names or uses.
//!
//! A crash before step 3 leaves garbage files and the old manifest; after it, the new one. An error
//! before step 5 moves all versions back and leaves everything as it was.

use crate::State;
use crate::columns::file_schema;
use crate::delta::{Generation, Version};
use crate::files::{sync, write_manifest};
use crate::merge::Retain;
use crate::rows::RowsBuilder;
use crate::view::{Base, View};
use crate::write::{ChunkWriter, Namer};
use base::{Epoch, EpochHistory, Lsn, Result, StorageId, Timestamp};
use bytes::Bytes;
use format::{ChunkMeta, ColumnLayout, Manifest, Run, TableChunks, key};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Rows written at a time, by number and by bytes.
const BATCH_ROWS: usize = 8192;
const BATCH_BYTES: usize = 4 << 20;

/// What to spill.
pub struct SpillRequest<'a> {
    /// Versions at or below this go into chunks. All of them have been applied and are durable.
    pub at: Timestamp,
    /// No reader reads below this any more.
    pub horizon: Timestamp,
    /// A restart replays the log from here: every record before it has all its versions at or below
    /// `at`, or is not needed.
    pub replay_from: Lsn,
    /// The epochs of the log up to there.
    pub history: EpochHistory,
    /// At which cuts they began.
    pub cuts: Vec<(Epoch, Timestamp)>,
    /// All columns that a key space has for any reader from `horizon` on; `None` if its table is
    /// gone for all of them, and its rows with it.
    pub layouts: &'a dyn Fn(StorageId) -> Option<Vec<ColumnLayout>>,
    /// Besides the new manifest, keep the newest one at or below this.
    pub keep_newest_at_or_below: Timestamp,
}

impl State {
    /// Moves versions at or below `at` into chunks. Blocks; readers and [`State::apply`] go on.
    /// Does nothing if the chunks hold all that already. Merges runs first where there are too many.
    pub fn spill(&self, request: SpillRequest<'_>) -> Result<()> {
        let _one_at_a_time = self.inner.spilling.lock();
        self.make_room(request.horizon)?;
        let _maintenance = self.inner.maintenance.lock();
        if self.is_closed() {
            return Ok(());
        }
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
    fn write_down(&self, request: &SpillRequest<'_>, frozen: &Generation) -> Result<Arc<Base>> {
        let inner = &*self.inner;
        let old = self.view().base;
        let seq = inner.files.lock().take_seq();
        let namer = Namer::new(&inner.dir, seq);
        let mut storages: BTreeSet<StorageId> = old.tables.keys().copied().collect();
        storages.extend(frozen.storages());
        let mut tables = Vec::new();
        let mut bytes = 0;
        for storage in storages {
            let Some(mut columns) = (request.layouts)(storage) else { continue };
            columns.sort_by_key(|c| c.id);
            let known = old.manifest.table(storage);
            let retain = Retain::new(request.horizon, known.is_none());
            let stretch = (old.manifest.ts, request.at);
            let chunks = self.write_run(storage, &columns, frozen, stretch, retain, &namer)?;
            let mut table = known.cloned().unwrap_or_else(|| TableChunks::new(storage));
            if !chunks.is_empty() {
                let run = Run { lo: old.manifest.ts, hi: request.at, chunks };
                bytes += run.bytes();
                table.runs.push(run);
                table.columns = columns;
            }
            tables.extend(Some(table).filter(|t| t.files().next().is_some()));
        }
        let manifest = Arc::new(Manifest {
            seq,
            ts: request.at,
            horizon: old.manifest.horizon.max(request.horizon.min(request.at)),
            replay_from: request.replay_from.max(old.manifest.replay_from),
            history: request.history.clone(),
            cuts: request.cuts.clone(),
            tables,
        });
        if namer.count() > 0 {
            sync(&inner.dir, &inner.disk)?;
        }
        write_manifest(&inner.dir, &inner.disk, &manifest)?;
        inner.counts.spilled.fetch_add(bytes, Ordering::Relaxed);
        let mut files = inner.files.lock();
        Ok(Arc::new(files.base(manifest, &inner.dir, &inner.disk, &inner.cache)))
    }

    /// Writes what one key space has in a stretch of time.
    pub(crate) fn write_run(
        &self,
        storage: StorageId,
        columns: &[ColumnLayout],
        frozen: &Generation,
        stretch: (Timestamp, Timestamp),
        mut retain: Retain,
        namer: &Namer,
    ) -> Result<Vec<ChunkMeta>> {
        let inner = &*self.inner;
        let (start, end) = key::range(storage);
        let with_deleted = frozen.deletes(&start, &end);
        let schema = file_schema(columns, with_deleted);
        let mut out = ChunkWriter::new(&inner.disk, &inner.settings, namer, schema);
        let mut rows = RowsBuilder::for_file(columns, with_deleted);
        let mut versions: Vec<(Bytes, Version)> = Vec::new();
        let mut from = Some(start);
        while let Some(start) = from {
            from = frozen.versions(&start, &end, stretch, &mut versions);
            for (key, version) in versions.drain(..) {
                if !retain.keeps(&key, version.ts, version.row.is_none()) {
                    continue;
                }
                match &version.row {
                    Some(row) => rows.push(&key, version.ts, row)?,
                    None => rows.push_deleted(&key, version.ts)?,
                }
                let full = inner.settings.row_group_bytes.min(BATCH_BYTES);
                if rows.rows() == BATCH_ROWS || rows.bytes() >= full {
                    out.write(&rows.finish()?)?;
                }
            }
        }
        if rows.rows() > 0 {
            out.write(&rows.finish()?)?;
        }
        out.finish()
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

    /// Removes garbage. Failing at it is nobody's failure: the next spill tries again. The caller holds the lock of maintenance.
    pub(crate) fn collect(&self) {
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
