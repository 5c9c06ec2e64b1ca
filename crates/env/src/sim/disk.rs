//! The [`Disk`] of one life of a simulated node.

use super::model::Model;
use super::names::{Entry, parent};
use super::node::NodeShared;
use crate::{Disk, DiskFile, DiskLock};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The node's disk as seen by one life.
#[derive(Debug)]
pub(super) struct SimDisk {
    pub(super) node: Arc<NodeShared>,
    pub(super) life: u64,
}

fn dead() -> Error {
    Error::other("this simulated node has crashed")
}

fn failed(what: &str) -> Error {
    Error::other(format!("simulated {what} failure"))
}

fn not_found(path: &Path) -> Error {
    Error::new(ErrorKind::NotFound, format!("{} does not exist", path.display()))
}

/// Looks at the disk in a life that must still go on.
fn look<T>(node: &NodeShared, life: u64, f: impl FnOnce(&mut Model) -> Result<T>) -> Result<T> {
    if !node.lives(life) {
        return Err(dead());
    }
    f(&mut node.disk.lock())
}

/// Changes the disk, and carries out an end that was ordered for this very change: `f` has
/// been started, but nobody will know how far it came.
fn change<T>(node: &NodeShared, life: u64, f: impl FnOnce(&mut Model) -> Result<T>) -> Result<T> {
    if !node.lives(life) {
        return Err(dead());
    }
    let (result, end) = {
        let mut disk = node.disk.lock();
        disk.count += 1;
        let end = disk.faults.end_after.take_if(|end| end.changes == 0);
        if let Some(later) = &mut disk.faults.end_after {
            later.changes -= 1;
        }
        (f(&mut disk), end)
    };
    if let Some(end) = end {
        node.end(end.power_loss);
        return Err(dead());
    }
    result
}

impl SimDisk {
    fn handle(&self, file: u64) -> Arc<dyn DiskFile> {
        self.node.disk.lock().opened(file);
        Arc::new(SimFile { node: self.node.clone(), life: self.life, file })
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        let file = look(&self.node, self.life, |disk| match disk.names.get(path) {
            Some(Entry::File(file)) => Ok(file),
            Some(Entry::Dir) => Err(Error::from(ErrorKind::IsADirectory)),
            None => Err(not_found(path)),
        })?;
        Ok(self.handle(file))
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn DiskFile>> {
        let file = change(&self.node, self.life, |disk| {
            if disk.names.get(path).is_some() {
                return Err(Error::from(ErrorKind::AlreadyExists));
            }
            if !disk.names.is_dir(parent(path)) {
                return Err(not_found(parent(path)));
            }
            Ok(disk.create_file(path))
        })?;
        Ok(self.handle(file))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        look(&self.node, self.life, |disk| match disk.names.is_dir(dir) {
            true => Ok(disk.names.list(dir)),
            false => Err(not_found(dir)),
        })
    }

    fn create_dir(&self, dir: &Path) -> Result<()> {
        change(&self.node, self.life, |disk| {
            let taken = |d: &&Path| matches!(disk.names.get(d), Some(Entry::File(_)));
            if dir.ancestors().find(taken).is_some() {
                return Err(Error::from(ErrorKind::NotADirectory));
            }
            disk.create_dir(dir);
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        change(&self.node, self.life, |disk| {
            let entry = disk.names.get(from).ok_or_else(|| not_found(from))?;
            if !disk.names.is_dir(parent(to)) {
                return Err(not_found(parent(to)));
            }
            match (entry, disk.names.get(to)) {
                (Entry::File(_), Some(Entry::Dir)) => Err(Error::from(ErrorKind::IsADirectory)),
                (Entry::Dir, Some(Entry::File(_))) => Err(Error::from(ErrorKind::NotADirectory)),
                (Entry::Dir, Some(Entry::Dir)) if !disk.names.below(to).is_empty() => {
                    Err(Error::from(ErrorKind::DirectoryNotEmpty))
                }
                _ => {
                    disk.rename(from, to, entry);
                    Ok(())
                }
            }
        })
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        change(&self.node, self.life, |disk| {
            if disk.faults.links {
                return Err(Error::from(ErrorKind::Unsupported));
            }
            let file = match disk.names.get(from) {
                Some(Entry::File(file)) => file,
                Some(Entry::Dir) => return Err(Error::from(ErrorKind::IsADirectory)),
                None => return Err(not_found(from)),
            };
            if disk.names.get(to).is_some() {
                return Err(Error::from(ErrorKind::AlreadyExists));
            }
            if !disk.names.is_dir(parent(to)) {
                return Err(not_found(parent(to)));
            }
            disk.link(file, to);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> Result<()> {
        change(&self.node, self.life, |disk| match disk.names.get(path) {
            Some(Entry::File(_)) => {
                disk.remove(path);
                Ok(())
            }
            Some(Entry::Dir) => Err(Error::from(ErrorKind::IsADirectory)),
            None => Err(not_found(path)),
        })
    }

    fn remove_dir(&self, dir: &Path) -> Result<()> {
        change(&self.node, self.life, |disk| {
            if disk.names.get(dir) == Some(Entry::Dir) {
                // Deepest first, as the real one does.
                for path in disk.names.below(dir).iter().rev() {
                    disk.remove(path);
                }
                disk.remove(dir);
            }
            Ok(())
        })
    }

    fn exists(&self, path: &Path) -> bool {
        let found =
            |disk: &mut Model| Ok(disk.names.is_dir(path) || disk.names.get(path).is_some());
        look(&self.node, self.life, found).unwrap_or(false)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        if !look(&self.node, self.life, |disk| Ok(disk.names.is_dir(dir)))? {
            return Err(not_found(dir));
        }
        sync(&self.node, self.life, |disk| disk.sync_dir(dir))
    }

    fn lock(&self, dir: &Path) -> Result<Box<dyn DiskLock>> {
        look(&self.node, self.life, |disk| {
            if !disk.names.is_dir(dir) {
                return Err(not_found(dir));
            }
            match disk.locks.insert(dir.to_owned()) {
                true => Ok(()),
                false => Err(Error::from(ErrorKind::WouldBlock)),
            }
        })?;
        Ok(Box::new(SimLock { node: self.node.clone(), life: self.life, dir: dir.to_owned() }))
    }

    fn free_bytes(&self, _dir: &Path) -> Result<u64> {
        look(&self.node, self.life, |disk| {
            Ok(disk.capacity.unwrap_or(1 << 40).saturating_sub(disk.used()))
        })
    }
}

/// A sync in which the power fails has not happened.
fn sync(node: &NodeShared, life: u64, f: impl FnOnce(&mut Model)) -> Result<()> {
    change(node, life, |disk| {
        if disk.faults.syncs {
            return Err(failed("sync"));
        }
        Ok(())
    })?;
    look(node, life, |disk| {
        f(disk);
        Ok(())
    })
}

/// An open file of one life.
#[derive(Debug)]
struct SimFile {
    node: Arc<NodeShared>,
    life: u64,
    file: u64,
}

impl DiskFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        look(&self.node, self.life, |disk| {
            if disk.faults.reads {
                return Err(failed("read"));
            }
            match disk.read(self.file, buf, offset as usize) {
                true => Ok(()),
                false => Err(Error::from(ErrorKind::UnexpectedEof)),
            }
        })
    }

    fn write_at(&self, data: &[u8], offset: u64) -> Result<()> {
        change(&self.node, self.life, |disk| {
            if disk.faults.writes {
                return Err(failed("write"));
            }
            match disk.write(self.file, data, offset as usize) {
                true => Ok(()),
                false => Err(Error::from(ErrorKind::StorageFull)),
            }
        })
    }

    fn sync(&self) -> Result<()> {
        sync(&self.node, self.life, |disk| disk.sync(self.file))
    }

    fn len(&self) -> Result<u64> {
        look(&self.node, self.life, |disk| Ok(disk.len(self.file) as u64))
    }

    fn set_len(&self, len: u64) -> Result<()> {
        change(&self.node, self.life, |disk| match disk.set_len(self.file, len as usize) {
            true => Ok(()),
            false => Err(Error::from(ErrorKind::StorageFull)),
        })
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.node.disk.lock().closed(self.file);
    }
}

#[derive(Debug)]
struct SimLock {
    node: Arc<NodeShared>,
    life: u64,
    dir: PathBuf,
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        if self.node.lives(self.life) {
            self.node.disk.lock().locks.remove(&self.dir);
        }
    }
}
