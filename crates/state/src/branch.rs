//! Branches: what a partition held at one time, as the beginning of another one. Files are shared by
//! a second name, so that either side may remove its own whenever it likes; no file is written twice.
//!
//! ```text
//!   source   base  [chunk][chunk]    run  run   run ──┬── run      delta
//!                     │      │        │    │     │    at             │
//!   branch   base  [chunk][chunk]    run  run   run ──┘  or  run ◀───┘ versions at or below `at`
//! ```
//!
//! 1. Link the base, and the runs that end at or before `at`.
//! 2. Of the run that goes on beyond `at`, or else of the delta, write the versions up to `at` as the
//!    last run.
//! 3. Write the manifest: from here on the folder is a partition.
//!
//! A crash before step 3 leaves files without a manifest; whoever ordered the branch removes them.

use crate::State;
use crate::chunk::Chunk;
use crate::files::{load_manifests, sync, write_manifest};
use crate::merge::{Retain, Shape, Source, any_deleted};
use crate::view::View;
use crate::write::Namer;
use base::{Epoch, EpochHistory, Error, Lsn, Result, SqlState, StorageId, Timestamp};
use env::Disk;
use format::{ChunkMeta, ColumnLayout, Manifest, Run, TableChunks, key};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// The log of a branch goes on here. What was before is in its chunks, and nobody's log has it: a
/// copy of the branch begins with the chunks, too.
const FIRST: Lsn = Lsn(2);

/// What to branch, and where to.
pub struct BranchRequest<'a> {
    /// As of when. All commits at or below it have been applied, and it is not below the horizon.
    pub at: Timestamp,
    /// The new partition's folder, without a manifest.
    pub dir: &'a Path,
    /// Who wrote what is taken over.
    pub epoch: Epoch,
    /// As in [`SpillRequest::layouts`](crate::SpillRequest::layouts); what has none stays behind.
    pub layouts: &'a dyn Fn(StorageId) -> Option<Vec<ColumnLayout>>,
}

impl State {
    /// Makes a new partition of what this one holds at a time. Blocks; everything else goes on, but
    /// for spills and for going back in time: the caller keeps these from beginning. Returns the
    /// bytes that were shared, and those that were written.
    ///
    /// # Errors
    /// 72000 if what was then is gone, and what the disk says.
    pub fn branch(&self, request: &BranchRequest<'_>) -> Result<(u64, u64)> {
        let inner = &*self.inner;
        let _no_spill = inner.spilling.lock();
        let view = self.view();
        view.check(request.at)?;
        let io = |e| Error::io(format!("making {}", request.dir.display()), &e);
        inner.disk.create_dir(request.dir).map_err(io)?;
        if !load_manifests(request.dir, &inner.disk)?.is_empty() {
            return Err(Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("{} holds another partition", request.dir.display()),
            ));
        }
        let seq = view.base.manifest.seq + 1;
        let namer = Namer::new(request.dir, seq);
        let mut storages: BTreeSet<StorageId> = view.base.tables.keys().copied().collect();
        storages.extend(view.generations().flat_map(|g| g.storages()));
        let (mut tables, mut shared, mut written) = (Vec::new(), 0, 0);
        for storage in storages {
            let Some(mut columns) = (request.layouts)(storage) else { continue };
            columns.sort_by_key(|c| c.id);
            let mut table = self.link_table(&view, storage, request)?;
            shared += table.files().map(|c| c.bytes).sum::<u64>();
            if let Some(run) = self.last_run(&view, storage, &columns, request.at, &namer)? {
                written += run.bytes();
                table.runs.push(run);
                table.columns = columns;
            }
            tables.extend(Some(table).filter(|t| t.files().next().is_some()));
        }
        sync(request.dir, &inner.disk)?;
        let manifest = Manifest {
            seq,
            ts: request.at,
            horizon: view.base.manifest.horizon,
            replay_from: FIRST,
            history: EpochHistory(vec![(request.epoch, Lsn(1))]),
            cuts: Vec::new(),
            tables,
        };
        write_manifest(request.dir, &inner.disk, &manifest)?;
        Ok((shared, written))
    }

    /// The files of a key space that hold nothing newer than the branch.
    fn link_table(
        &self,
        view: &View,
        storage: StorageId,
        request: &BranchRequest<'_>,
    ) -> Result<TableChunks> {
        let known = view.base.manifest.table(storage).cloned();
        let mut table = known.unwrap_or_else(|| TableChunks::new(storage));
        table.runs.retain(|run| run.hi <= request.at);
        for chunk in table.files() {
            if self.is_closed() {
                let message = "the database is being closed or dropped";
                return Err(Error::new(SqlState::OBJECT_IN_USE, message));
            }
            link(&self.inner.disk, &self.inner.dir, request.dir, chunk)?;
        }
        Ok(table)
    }

    /// What lies between the shared files and the branch's time.
    fn last_run(
        &self,
        view: &View,
        storage: StorageId,
        columns: &[ColumnLayout],
        at: Timestamp,
        namer: &Namer,
    ) -> Result<Option<Run>> {
        let manifest = &view.base.manifest;
        let mut runs = manifest.table(storage).into_iter().flat_map(|t| &t.runs).enumerate();
        let (lo, chunks) = if manifest.ts < at {
            let (retain, stretch) = (Retain::upto(at), (manifest.ts, at));
            (manifest.ts, self.write_run(storage, columns, &view.active, stretch, retain, namer)?)
        } else if let Some((i, run)) = runs.find(|(_, run)| run.lo < at && run.hi > at) {
            // The base comes before the runs.
            let layer = view.base.layers(storage).get(i + 1);
            let layer = layer.ok_or_else(|| Error::internal("a run without its chunks"))?;
            (run.lo, self.write_upto(&layer.chunks, storage, columns, at, namer)?)
        } else {
            return Ok(None);
        };
        Ok(Some(Run { lo, hi: at, chunks }).filter(|run| !run.chunks.is_empty()))
    }

    fn write_upto(
        &self,
        chunks: &[Arc<Chunk>],
        storage: StorageId,
        columns: &[ColumnLayout],
        at: Timestamp,
        namer: &Namer,
    ) -> Result<Vec<ChunkMeta>> {
        let shape = Shape { columns, with_deleted: any_deleted(chunks)? };
        let source = Source::new(chunks.iter().cloned(), key::range(storage), &shape);
        self.write(vec![source], &shape, Retain::upto(at), namer)
    }
}

/// Gives a file a second name; copies it where the file system cannot do that.
fn link(disk: &Arc<dyn Disk>, from: &Path, to: &Path, chunk: &ChunkMeta) -> Result<()> {
    let (from, to) = (from.join(&chunk.file), to.join(&chunk.file));
    let io = |e| Error::io(format!("sharing {} as {}", from.display(), to.display()), &e);
    match disk.link(&from, &to) {
        Ok(()) => Ok(()),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) => Err(io(e)),
        Err(_) => copy(disk, &from, &to, chunk.bytes).map_err(io),
    }
}

/// A wrong copy is found by its checksum when it is first read.
fn copy(disk: &Arc<dyn Disk>, from: &Path, to: &Path, bytes: u64) -> std::io::Result<()> {
    const PIECE_BYTES: u64 = 1 << 20;
    let (source, target) = (disk.open(from)?, disk.create(to)?);
    let mut at = 0;
    while at < bytes {
        let mut piece = vec![0; PIECE_BYTES.min(bytes - at) as usize];
        source.read_at(&mut piece, at)?;
        target.write_at(&piece, at)?;
        at += piece.len() as u64;
    }
    target.sync()
}
