//! The state of one partition: opening, applying, reading.

use crate::cache::PageCache;
use crate::delta::{Generation, SLICE, Version};
use crate::files::{Files, load_manifests, sync, write_manifest};
use crate::merging::Claims;
use crate::scan::{Scan, ScanSpec};
use crate::settings::Settings;
use crate::stats::Counts;
use crate::view::View;
use base::{Error, Lsn, Result, SqlState, Timestamp};
use bytes::Bytes;
use env::{Disk, Env};
use format::{Block, Manifest, Op, key};
use parking_lot::{Mutex, RwLock};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One partition's rows. Cheap to clone. All calls are synchronous; those that may read files
/// (`get`, `scan`, `spill`, `merge`) block for it.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) cache: Arc<PageCache>,
    pub(crate) settings: Settings,
    pub(crate) view: RwLock<View>,
    pub(crate) files: Mutex<Files>,
    /// Held by what changes the view otherwise than by adding versions.
    pub(crate) maintenance: Mutex<()>,
    /// Held by the merge in the background, which takes that of maintenance at its end.
    pub(crate) merging: Mutex<()>,
    /// Held by a spill, which may wait for the one above, and takes that of maintenance.
    pub(crate) spilling: Mutex<()>,
    pub(crate) claims: Mutex<Claims>,
    /// Nothing may be written to the folder any more.
    pub(crate) closed: AtomicBool,
    pub(crate) counts: Counts,
}

impl State {
    /// Opens a partition's folder, or begins a new one there. Files that no manifest names are
    /// removed.
    pub fn open(
        env: &Env,
        dir: PathBuf,
        cache: Arc<PageCache>,
        settings: Settings,
    ) -> Result<State> {
        let disk = env.disk.clone();
        let manifests = Self::manifests_in(&disk, &dir)?;
        let mut files = Files::new(manifests);
        // What a killed process removed may not be durable: a manifest that is not there now could
        // come back, and must find its chunks then.
        sync(&dir, &disk)?;
        files.collect(&dir, &disk)?;
        let newest = files.retained.last().cloned().unwrap_or_default();
        let base = Arc::new(files.base(newest, &dir, &disk, &cache));
        let view = View { base, active: Arc::default(), frozen: None };
        let inner = Inner {
            disk,
            dir,
            cache,
            settings,
            view: RwLock::new(view),
            files: Mutex::new(files),
            maintenance: Mutex::new(()),
            merging: Mutex::new(()),
            spilling: Mutex::new(()),
            claims: Mutex::default(),
            closed: AtomicBool::new(false),
            counts: Counts::default(),
        };
        Ok(State { inner: Arc::new(inner) })
    }

    /// The folder's manifests; a new folder gets the empty one.
    fn manifests_in(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Vec<Arc<Manifest>>> {
        if !disk.exists(dir) {
            let parent = dir.parent().unwrap_or(Path::new("."));
            disk.create_dir(dir)
                .and_then(|()| disk.sync_dir(parent))
                .map_err(|e| Error::io(format!("creating {}", dir.display()), &e))?;
        }
        let mut manifests = load_manifests(dir, disk)?;
        if manifests.is_empty() {
            let empty = Manifest::empty();
            write_manifest(dir, disk, &empty)?;
            manifests.push(Arc::new(empty));
        }
        Ok(manifests)
    }

    /// The current manifest.
    pub fn manifest(&self) -> Arc<Manifest> {
        self.inner.view.read().base.manifest.clone()
    }

    /// All manifests that are kept, ascending; the last is the current one. The log is needed from
    /// the smallest `replay_from` of these.
    pub fn manifests(&self) -> Vec<Arc<Manifest>> {
        self.inner.files.lock().retained.clone()
    }

    /// Adds versions. Those that the chunks hold already are left out, so that a log may be replayed
    /// from anywhere at or before the manifest's `replay_from`.
    pub fn apply(&self, ts: Timestamp, lsn: Lsn, ops: &[Op]) {
        for ops in ops.chunks(SLICE) {
            // The lock keeps a spill from freezing the generation between choosing and filling it.
            let view = self.inner.view.read();
            if ts <= view.base.manifest.ts {
                return;
            }
            let versions =
                ops.iter().map(|op| (op.key.clone(), Version { ts, lsn, row: op.row.clone() }));
            view.active.add(versions);
        }
    }

    /// Adds the rows of blocks, as [`State::apply`] does.
    pub fn apply_blocks(&self, ts: Timestamp, lsn: Lsn, blocks: Vec<Block>) {
        for block in blocks {
            let view = self.inner.view.read();
            if ts <= view.base.manifest.ts {
                return;
            }
            view.active.add_block(ts, lsn, block);
        }
    }

    /// The newest version of a key at or below `ts`, also if it is a deletion.
    pub fn get(&self, key: &[u8], ts: Timestamp) -> Result<Option<Version>> {
        let counts = &self.inner.counts;
        counts.gets.fetch_add(1, Ordering::Relaxed);
        let mut looked = 1;
        let (delta, base) = {
            let view = self.inner.view.read();
            view.check(ts)?;
            (view.in_delta(key, ts), view.base.clone())
        };
        let mut found = delta;
        let mut layers = base.layers(key::storage_of(key)).iter().rev();
        while found.is_none()
            && let Some(layer) = layers.next()
        {
            looked += 1;
            found = layer.get(key, ts)?;
        }
        counts.get_layers.fetch_add(looked, Ordering::Relaxed);
        Ok(found)
    }

    /// The newest version of a key.
    pub fn newest(&self, key: &[u8]) -> Result<Option<Version>> {
        self.get(key, Timestamp::MAX)
    }

    /// True if no key of a half-open range within one key space has any version, also none that was
    /// deleted, as far as it can be told without much reading.
    pub fn is_vacant(&self, start: &[u8], end: &[u8]) -> Result<bool> {
        let view = self.view();
        if view.generations().any(|g| g.touches(start, end)) {
            return Ok(false);
        }
        for layer in view.base.layers(key::storage_of(start)) {
            if layer.touches(start, end)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// True if a key of a half-open range has a version above `since` among those applied before the
    /// call, also if it is a deletion. Lets writers in between; reads files only if versions above
    /// `since` were spilled. Also true if versions above `since` were merged away so far that it can
    /// not be told any more; the caller's snapshot at `since` keeps them from that.
    pub fn changed_since(&self, since: Timestamp, start: &Bytes, end: &Bytes) -> Result<bool> {
        let view = self.view();
        let newer = |generation: &Arc<Generation>| {
            let mut from = start.clone();
            loop {
                match generation.newer(since, &from, end) {
                    ControlFlow::Break(found) => return found,
                    ControlFlow::Continue(next) => from = next,
                }
            }
        };
        if view.base.manifest.horizon > since || view.generations().any(newer) {
            return Ok(true);
        }
        if view.base.manifest.ts <= since {
            return Ok(false);
        }
        // A range of keys lies in one key space.
        for layer in view.base.layers(key::storage_of(start)) {
            if layer.changed_since(since, start, end)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Begins a scan. It goes on showing the rows of its timestamp whatever is applied or spilled
    /// meanwhile.
    pub fn scan(&self, spec: ScanSpec) -> Result<Scan> {
        let view = self.view();
        view.check(spec.ts)?;
        let layers = view.base.layers(spec.storage).len() as u64 + 1;
        self.inner.counts.scans.fetch_add(1, Ordering::Relaxed);
        self.inner.counts.scan_layers.fetch_add(layers, Ordering::Relaxed);
        Ok(Scan::new(view, spec))
    }

    /// About how many bytes the delta takes.
    pub fn delta_bytes(&self) -> usize {
        self.inner.view.read().generations().map(|g| g.bytes()).sum()
    }

    /// Takes versions above `cut` out of the delta. No one may be reading above `cut`.
    pub fn drop_above(&self, cut: Timestamp) {
        let _one_at_a_time = self.inner.maintenance.lock();
        self.view().generations().for_each(|g| g.drop_above(cut));
    }

    /// Removes all manifests above `ts`, durably. If that takes the current one, the newest one left
    /// becomes current and the delta is emptied: the result is true, and the log must be replayed
    /// from [`State::manifest`]'s `replay_from`. An error if none would be left.
    pub fn drop_manifests_above(&self, ts: Timestamp) -> Result<bool> {
        let inner = &*self.inner;
        let _one_at_a_time = inner.maintenance.lock();
        let mut files = inner.files.lock();
        let kept: Vec<_> = files.retained.iter().filter(|m| m.ts <= ts).cloned().collect();
        let Some(newest) = kept.last().cloned() else {
            return Err(Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("no state of this partition at or before {ts} is kept"),
            )
            .hint("a full copy is needed"));
        };
        if kept.len() == files.retained.len() {
            return Ok(false);
        }
        let changed = files.retained.last() != Some(&newest);
        files.retained = kept;
        if changed {
            let base = Arc::new(files.base(newest, &inner.dir, &inner.disk, &inner.cache));
            let active = Arc::new(Generation::default());
            *inner.view.write() = View { base, active, frozen: None };
        }
        files.collect(&inner.dir, &inner.disk)?;
        Ok(changed)
    }
}
