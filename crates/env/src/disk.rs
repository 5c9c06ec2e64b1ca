//! Files. All calls block; call them from [`crate::Tasks::spawn_thread`] or
//! [`crate::Tasks::blocking`], never straight from an async task that serves clients
//! (short metadata writes excepted).

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder tree. Errors are plain [`io::Error`]s; the caller says what it was doing.
pub trait Disk: Send + Sync + Debug {
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Creates a new file; `AlreadyExists` if it is there.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// The names in a folder, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a folder and its parents, durably; fine if they are there.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Renames atomically, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives an existing file a second name in another place, under which it lives on whatever
    /// becomes of the first one. `AlreadyExists` if that is taken; other errors may mean that this
    /// file system cannot do it.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder and all in it; fine if it is not there.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
    /// True if the file or folder exists.
    fn exists(&self, path: &Path) -> bool;
    /// Makes creations, renames and removals in this folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the one lock of a data folder (file `LOCK`); `WouldBlock` if another process has it.
    fn lock(&self, dir: &Path) -> io::Result<Box<dyn DiskLock>>;
    /// Bytes still free on the file system of this folder.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;

    /// The whole content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path)?;
        let mut buf = vec![0; file.len()? as usize];
        file.read_at(&mut buf, 0)?;
        Ok(buf)
    }

    /// Replaces a file durably and atomically: temporary file, sync, rename, sync of the folder.
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let tmp: PathBuf = path.with_extension("tmp");
        if self.exists(&tmp) {
            self.remove(&tmp)?;
        }
        let file = self.create(&tmp)?;
        file.write_at(content, 0)?;
        file.sync()?;
        self.rename(&tmp, path)?;
        self.sync_dir(path.parent().unwrap_or(Path::new(".")))
    }
}

/// An open file.
pub trait DiskFile: Send + Sync + Debug {
    /// Fills `buf` from `offset`; `UnexpectedEof` if the file ends first.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `data` at `offset`, growing the file if needed.
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()>;
    /// Makes everything written so far durable (fdatasync).
    fn sync(&self) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// True for an empty file.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts or grows (with zeros) to `len` bytes.
    fn set_len(&self, len: u64) -> io::Result<()>;
}

/// Holds a data folder until dropped.
pub trait DiskLock: Send + Sync + Debug {}
