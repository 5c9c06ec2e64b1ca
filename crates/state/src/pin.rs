//! Bases: a manifest with its files, handed to another copy of the partition.

use crate::State;
use crate::files::{load_manifests, manifest_path, sync, write_manifest};
use crate::scan::{Scan, ScanSpec};
use crate::view::{Base, View};
use base::{Error, Result, SqlState, Timestamp};
use env::Env;
use format::Manifest;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Keeps the files of a manifest while they are copied.
#[derive(Clone, Debug)]
pub struct BasePin {
    /// What is pinned.
    pub manifest: Arc<Manifest>,
    /// The folder of the files.
    pub dir: PathBuf,
    /// Their names.
    pub files: Vec<String>,
    chunks: Arc<Base>,
}

impl BasePin {
    /// The rows of a key range at the manifest's timestamp, whatever is spilled or merged meanwhile.
    pub fn scan(&self, spec: ScanSpec) -> Result<Scan> {
        let view = View { base: self.chunks.clone(), active: Arc::default(), frozen: None };
        Ok(Scan::new(view, ScanSpec { ts: self.manifest.ts, ..spec }))
    }
}

impl State {
    /// Pins the current manifest: its files stay as long as the pin (or a clone of it) lives.
    pub fn pin_base(&self) -> BasePin {
        let base = self.view().base;
        BasePin {
            manifest: base.manifest.clone(),
            dir: self.inner.dir.clone(),
            files: base.manifest.chunks().map(|c| c.file.clone()).collect(),
            chunks: base,
        }
    }

    /// Makes copied files a partition's state: the chunk files named by `manifest` are in `dir`
    /// already. Every one is checked against the manifest, made durable, and the manifest written.
    /// Doing it again after a crash is fine; a folder that holds other data is refused.
    pub fn install_base(env: &Env, dir: &Path, manifest: &Manifest) -> Result<()> {
        let disk = &env.disk;
        let (empty, full): (Vec<_>, Vec<_>) = load_manifests(dir, disk)?
            .into_iter()
            .partition(|m| m.tables.is_empty() && m.ts == Timestamp::ZERO);
        if let Some(other) = full.first() {
            let same = full.len() == 1 && other.tables == manifest.tables;
            if same && (other.ts, other.horizon) == (manifest.ts, manifest.horizon) {
                return Ok(());
            }
            return Err(Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("{} holds another state of a partition", dir.display()),
            ));
        }
        for chunk in manifest.chunks() {
            let path = dir.join(&chunk.file);
            let io = |e| Error::io(format!("checking chunk {}", path.display()), &e);
            let bytes = disk.read(&path).map_err(io)?;
            if bytes.len() as u64 != chunk.bytes || crc32c::crc32c(&bytes) != chunk.crc32c {
                return Err(Error::corrupt(format!(
                    "chunk {} was copied wrongly: its checksum is not the one in the manifest",
                    path.display()
                )));
            }
            disk.open(&path).and_then(|f| f.sync()).map_err(io)?;
        }
        for old in empty {
            let path = manifest_path(dir, old.seq);
            disk.remove(&path)
                .map_err(|e| Error::io(format!("removing {}", path.display()), &e))?;
        }
        sync(dir, disk)?;
        write_manifest(dir, disk, manifest)
    }
}
