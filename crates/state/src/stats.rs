//! Figures.

use crate::State;
use base::StorageId;
use format::Run;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was done since the partition was opened.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) spilled: AtomicU64,
    pub(crate) merged: AtomicU64,
    pub(crate) gets: AtomicU64,
    pub(crate) get_layers: AtomicU64,
    pub(crate) scans: AtomicU64,
    pub(crate) scan_layers: AtomicU64,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Chunk files of the current manifest.
    pub chunks: usize,
    /// Row versions in them, deletions included.
    pub chunk_rows: u64,
    /// Their bytes.
    pub chunk_bytes: u64,
    /// Keys in the delta.
    pub delta_keys: usize,
    /// About how many bytes the delta takes.
    pub delta_bytes: usize,
    /// Runs of all key spaces.
    pub runs: usize,
    /// Bytes of runs.
    pub run_bytes: u64,
    /// Bytes of bases.
    pub base_bytes: u64,
    /// The most runs any key space has.
    pub runs_deepest: usize,
    /// Bytes written by spills since the partition was opened.
    pub spilled_bytes: u64,
    /// Bytes written by merges since then.
    pub merged_bytes: u64,
    /// Single keys read since then.
    pub gets: u64,
    /// Layers looked into for them: the delta, runs, the base.
    pub get_layers: u64,
    /// Scans begun since then.
    pub scans: u64,
    /// Layers they went through.
    pub scan_layers: u64,
    /// A spill is being written now.
    pub spilling: bool,
    /// A merge is, in the background.
    pub merging: bool,
}

impl Stats {
    /// Bytes written for each byte spilled: 1 if nothing was ever merged.
    pub fn write_amplification(&self) -> f64 {
        match self.spilled_bytes {
            0 => 1.0,
            spilled => (spilled + self.merged_bytes) as f64 / spilled as f64,
        }
    }
}

impl State {
    /// About how many rows a key space has: the row versions in its chunks and its keys in the delta.
    pub fn rows_of(&self, storage: StorageId) -> u64 {
        let view = self.view();
        let chunks = view.base.manifest.table(storage);
        let chunks: u64 = chunks.map_or(0, |t| t.files().map(|c| c.rows).sum());
        chunks + view.generations().map(|g| g.keys_of(storage) as u64).sum::<u64>()
    }

    /// How much there is.
    pub fn stats(&self) -> Stats {
        let view = self.view();
        let manifest = &view.base.manifest;
        let runs = || manifest.tables.iter().map(|t| t.runs.len());
        let counts = &self.inner.counts;
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        Stats {
            chunks: manifest.chunks().count(),
            chunk_rows: manifest.chunks().map(|c| c.rows).sum(),
            chunk_bytes: manifest.chunks().map(|c| c.bytes).sum(),
            delta_keys: view.generations().map(|g| g.keys()).sum(),
            delta_bytes: self.delta_bytes(),
            run_bytes: manifest.tables.iter().flat_map(|t| &t.runs).map(Run::bytes).sum(),
            base_bytes: manifest.tables.iter().flat_map(|t| &t.chunks).map(|c| c.bytes).sum(),
            runs: runs().sum(),
            runs_deepest: runs().max().unwrap_or(0),
            spilled_bytes: count(&counts.spilled),
            merged_bytes: count(&counts.merged),
            gets: count(&counts.gets),
            get_layers: count(&counts.get_layers),
            scans: count(&counts.scans),
            scan_layers: count(&counts.scan_layers),
            spilling: self.inner.spilling.is_locked(),
            merging: self.inner.merging.is_locked(),
        }
    }
}
