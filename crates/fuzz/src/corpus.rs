//! Inputs worth keeping: `corpus/TARGET/*`, one file each.

use crate::Target;
use env::{Disk, real};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The folder of kept inputs.
#[derive(Clone, Debug)]
pub struct Corpus {
    dir: PathBuf,
}

impl Corpus {
    /// The corpus in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Corpus {
        Corpus { dir: dir.into() }
    }

    /// The corpus of this source tree.
    pub fn here() -> Corpus {
        Corpus::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"))
    }

    /// All kept inputs of a target, by name. A target without a folder has none.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(&self, target: &Target) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
        let (dir, disk) = (self.dir.join(target.name), disk());
        if !disk.exists(&dir) {
            return Ok(Vec::new());
        }
        let files = disk.list(&dir)?.into_iter().map(|name| dir.join(name));
        files.map(|path| Ok((path.clone(), disk.read(&path)?))).collect()
    }

    /// Keeps an input under the name of its checksum.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn keep(&self, target: &Target, input: &[u8]) -> io::Result<PathBuf> {
        let (dir, disk) = (self.dir.join(target.name), disk());
        disk.create_dir(&dir)?;
        let path = dir.join(format!("{:08x}", crc32c::crc32c(input)));
        disk.replace(&path, input)?;
        Ok(path)
    }
}

fn disk() -> Arc<dyn Disk> {
    real::env().disk
}
