//! The files of a partition's folder: which manifests are kept, which chunks are in use, and what
//! is garbage.

use crate::cache::PageCache;
use crate::chunk::Chunk;
use crate::layer::Layer;
use crate::view::Base;
use base::{Error, Result, Timestamp};
use env::Disk;
use format::{ChunkMeta, Manifest};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// What is known about the folder.
#[derive(Debug)]
pub(crate) struct Files {
    /// Manifests on disk, ascending; the last is the current one.
    pub(crate) retained: Vec<Arc<Manifest>>,
    /// Chunks that some reader, pin or manifest in use holds.
    chunks: BTreeMap<String, Weak<Chunk>>,
    /// Never given twice in the life of this process, so that no file name is reused.
    next_seq: u64,
    /// Numbers in the names of files that are being written and that no manifest names yet.
    writing: BTreeSet<u64>,
}

impl Files {
    pub(crate) fn new(retained: Vec<Arc<Manifest>>) -> Files {
        let next_seq = retained.last().map_or(1, |m| m.seq + 1);
        Files { retained, chunks: BTreeMap::new(), next_seq, writing: BTreeSet::new() }
    }

    /// A number for a manifest, larger than all before.
    pub(crate) fn take_seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq - 1
    }

    /// A number for the names of files about to be written; until [`Files::written`] they are
    /// nobody's garbage.
    pub(crate) fn writing(&mut self) -> u64 {
        let seq = self.take_seq();
        self.writing.insert(seq);
        seq
    }

    /// A manifest names the files with this number by now, or nobody wants them.
    pub(crate) fn written(&mut self, seq: u64) {
        self.writing.remove(&seq);
    }

    /// A manifest's chunks; those in use already are shared.
    pub(crate) fn base(
        &mut self,
        manifest: Arc<Manifest>,
        dir: &Path,
        disk: &Arc<dyn Disk>,
        cache: &Arc<PageCache>,
    ) -> Base {
        let mut open = |meta: &ChunkMeta| {
            let known = self.chunks.get(&meta.file).and_then(Weak::upgrade);
            let chunk = known.unwrap_or_else(|| {
                let path = dir.join(&meta.file);
                Arc::new(Chunk::new(meta.clone(), path, disk.clone(), cache.clone()))
            });
            self.chunks.insert(meta.file.clone(), Arc::downgrade(&chunk));
            chunk
        };
        let mut tables = BTreeMap::new();
        for table in &manifest.tables {
            let base = (Timestamp::ZERO, &table.chunks);
            let runs = table.runs.iter().map(|r| (r.lo, &r.chunks));
            let layers = std::iter::once(base).chain(runs).map(|(lo, metas)| {
                Arc::new(Layer { lo, chunks: metas.iter().map(&mut open).collect() })
            });
            tables.insert(table.storage, layers.collect());
        }
        Base { manifest, tables }
    }

    /// Removes manifests that are not retained and chunks that neither a retained manifest names
    /// nor anyone uses. Manifests go first and for sure: one whose chunks are gone must never
    /// come back after a crash. The caller holds the lock of maintenance: half written manifests
    /// look like garbage, too.
    pub(crate) fn collect(&mut self, dir: &Path, disk: &Arc<dyn Disk>) -> Result<()> {
        self.chunks.retain(|_, chunk| chunk.strong_count() > 0);
        let seqs: BTreeSet<u64> = self.retained.iter().map(|m| m.seq).collect();
        let mut used: BTreeSet<&str> = self.chunks.keys().map(String::as_str).collect();
        used.extend(self.retained.iter().flat_map(|m| m.chunks()).map(|c| c.file.as_str()));
        let names = list(dir, disk)?;
        let stale = names.iter().filter(|n| manifest_seq(n).is_some_and(|s| !seqs.contains(&s)));
        remove(dir, disk, stale)?;
        let busy = |name: &str| chunk_seq(name).is_some_and(|seq| self.writing.contains(&seq));
        let stale =
            names.iter().filter(|n| is_garbage(n) && !used.contains(n.as_str()) && !busy(n));
        remove(dir, disk, stale)
    }
}

/// Our own kinds of files only; what someone else put there stays.
fn is_garbage(name: &str) -> bool {
    let ours = name.starts_with("chunk-") || name.starts_with("manifest-");
    ours && (name.ends_with(".parquet") || name.ends_with(".tmp"))
}

fn list(dir: &Path, disk: &Arc<dyn Disk>) -> Result<Vec<String>> {
    disk.list(dir).map_err(|e| Error::io(format!("listing {}", dir.display()), &e))
}

fn remove<'a>(
    dir: &Path,
    disk: &Arc<dyn Disk>,
    names: impl Iterator<Item = &'a String>,
) -> Result<()> {
    let mut any = false;
    for name in names {
        let path = dir.join(name);
        disk.remove(&path).map_err(|e| Error::io(format!("removing {}", path.display()), &e))?;
        any = true;
    }
    if any { sync(dir, disk) } else { Ok(()) }
}

/// Makes names in the folder durable.
pub(crate) fn sync(dir: &Path, disk: &Arc<dyn Disk>) -> Result<()> {
    disk.sync_dir(dir).map_err(|e| Error::io(format!("syncing {}", dir.display()), &e))
}

/// Where a manifest is.
pub(crate) fn manifest_path(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("manifest-{seq}"))
}

fn manifest_seq(name: &str) -> Option<u64> {
    name.strip_prefix("manifest-")?.parse().ok()
}

/// The number in the name of a chunk of this copy.
fn chunk_seq(name: &str) -> Option<u64> {
    name.strip_prefix("chunk-")?.split('-').next()?.parse().ok()
}

/// All manifests in the folder, ascending.
pub(crate) fn load_manifests(dir: &Path, disk: &Arc<dyn Disk>) -> Result<Vec<Arc<Manifest>>> {
    let names = list(dir, disk)?;
    let mut manifests = Vec::new();
    for seq in names.iter().filter_map(|n| manifest_seq(n)) {
        let path = manifest_path(dir, seq);
        let bytes = disk
            .read(&path)
            .map_err(|e| Error::io(format!("reading manifest {}", path.display()), &e))?;
        let manifest = Manifest::decode(&bytes).and_then(|m| {
            if m.seq == seq { Ok(m) } else { Err(Error::corrupt("it is under a wrong name")) }
        });
        let manifest = manifest.map_err(|mut e| {
            e.message = format!("manifest {}: {}", path.display(), e.message);
            e
        })?;
        manifests.push(Arc::new(manifest));
    }
    manifests.sort_by_key(|m| m.seq);
    for manifest in &manifests {
        if let Some(c) = manifest.chunks().find(|c| names.binary_search(&c.file).is_err()) {
            return Err(Error::corrupt(format!(
                "chunk {} is missing, manifest {} names it",
                dir.join(&c.file).display(),
                manifest.seq
            )));
        }
    }
    Ok(manifests)
}

/// Writes a manifest; it is durable, with all names in the folder before it, when this returns.
pub(crate) fn write_manifest(dir: &Path, disk: &Arc<dyn Disk>, m: &Manifest) -> Result<()> {
    let path = manifest_path(dir, m.seq);
    disk.replace(&path, &m.encode())
        .map_err(|e| Error::io(format!("writing manifest {}", path.display()), &e))
}
