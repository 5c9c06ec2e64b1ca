//! Segment files: their header, how they are made and recycled.
//!
//! ```text
//!   0  "ANTIPLOG"
//!   8  u32 version 1      12  zero
//!  16  u64 number         24  u64 nonce, drawn anew for each life of the file
//!  32  u64 capacity (length of the file)
//!  40  zero               60  u32 crc32c of bytes 0..60
//!  64  frames, see [`format::frame`]
//! ```
//! A file gets its final name only when its header is safe, so a bad header is damage, never a
//! crash.

use base::{Error, Result};
use env::{Disk, DiskFile};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where frames begin.
pub(crate) const HEADER: u64 = 64;

const MAGIC: &[u8; 8] = b"ANTIPLOG";
const VERSION: u32 = 1;
const ZEROS: usize = 1 << 20;
/// Zeros are synced in pieces, so that a commit's sync never waits behind a whole segment of them.
const SYNC_EVERY: u64 = 8 << 20;

/// An open segment file.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    /// Seeds the checksums of its frames.
    pub(crate) seed: u32,
    /// Length of the file.
    pub(crate) capacity: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) path: PathBuf,
}

/// The file of a segment.
pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.seg"))
}

/// The segment number that a file name stands for.
pub(crate) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    (digits.len() >= 10).then(|| digits.parse().ok()).flatten()
}

/// The name of a segment in the making.
pub(crate) fn unfinished(dir: &Path) -> PathBuf {
    dir.join("new.tmp")
}

fn seed(number: u64, nonce: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&number.to_le_bytes()), &nonce.to_le_bytes())
}

fn header(number: u64, nonce: u64, capacity: u64) -> [u8; HEADER as usize] {
    let mut b = [0; HEADER as usize];
    b[0..8].copy_from_slice(MAGIC);
    b[8..12].copy_from_slice(&VERSION.to_le_bytes());
    b[16..24].copy_from_slice(&number.to_le_bytes());
    b[24..32].copy_from_slice(&nonce.to_le_bytes());
    b[32..40].copy_from_slice(&capacity.to_le_bytes());
    let crc = crc32c::crc32c(&b[..60]);
    b[60..].copy_from_slice(&crc.to_le_bytes());
    b
}

/// What a new life of a segment file needs.
pub(crate) struct Birth {
    pub(crate) number: u64,
    pub(crate) nonce: u64,
    pub(crate) capacity: u64,
}

/// Makes a segment full of zeros. Durable when it returns; leaves nothing behind if it fails.
pub(crate) fn create(disk: &dyn Disk, dir: &Path, birth: &Birth) -> io::Result<Segment> {
    let tmp = unfinished(dir);
    if disk.exists(&tmp) {
        disk.remove(&tmp)?;
    }
    let made = disk.create(&tmp).and_then(|file| {
        fill(&*file, birth.capacity)?;
        finish(disk, dir, file, birth)
    });
    if made.is_err() && disk.exists(&tmp) {
        // Give the space back; if that fails too, the next attempt begins with it.
        let _ = disk.remove(&tmp);
    }
    made
}

/// Gives the file of a segment that is not needed any more a new life.
pub(crate) fn recycle(
    disk: &dyn Disk,
    dir: &Path,
    old: &Segment,
    birth: &Birth,
) -> io::Result<Segment> {
    let tmp = unfinished(dir);
    disk.rename(&old.path, &tmp)?;
    // The old name must be gone for sure before the next older one goes: no gaps.
    disk.sync_dir(dir)?;
    finish(disk, dir, old.file.clone(), birth)
}

fn fill(file: &dyn DiskFile, capacity: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS];
    let (mut at, mut synced) = (0, 0);
    while at < capacity {
        let n = (capacity - at).min(ZEROS as u64);
        file.write_at(&zeros[..n as usize], at)?;
        at += n;
        if at - synced >= SYNC_EVERY {
            file.sync()?;
            synced = at;
        }
    }
    Ok(())
}

fn finish(
    disk: &dyn Disk,
    dir: &Path,
    file: Arc<dyn DiskFile>,
    birth: &Birth,
) -> io::Result<Segment> {
    file.write_at(&header(birth.number, birth.nonce, birth.capacity), 0)?;
    file.sync()?;
    let path = path(dir, birth.number);
    disk.rename(&unfinished(dir), &path)?;
    disk.sync_dir(dir)?;
    Ok(Segment {
        number: birth.number,
        seed: seed(birth.number, birth.nonce),
        capacity: birth.capacity,
        file,
        path,
    })
}

/// Opens a segment file and checks its header.
pub(crate) fn open(disk: &dyn Disk, dir: &Path, number: u64) -> Result<Segment> {
    let path = path(dir, number);
    let io = |e: io::Error| Error::io(format!("opening log segment {}", path.display()), &e);
    let corrupt = |why: String| {
        Error::corrupt(format!("log segment {} is corrupt at offset 0: {why}", path.display()))
    };
    let file = disk.open(&path).map_err(io)?;
    let length = file.len().map_err(io)?;
    if length < HEADER {
        return Err(corrupt(format!("it has only {length} bytes")));
    }
    let mut b = [0; HEADER as usize];
    file.read_at(&mut b, 0).map_err(io)?;
    let u64_at = |at: usize| b[at..at + 8].iter().rev().fold(0, |v, x| v << 8 | u64::from(*x));
    let version = u64_at(8) as u32;
    if b[..8] != MAGIC[..] || u64_at(56) >> 32 != u64::from(crc32c::crc32c(&b[..60])) {
        return Err(corrupt("its header is damaged".into()));
    }
    if version != VERSION {
        let why = format!("log segment {} has format version {version}", path.display());
        return Err(Error::new(base::SqlState::FEATURE_NOT_SUPPORTED, why)
            .hint("it was written by a newer Antipode; start that one"));
    }
    let (found, nonce, capacity) = (u64_at(16), u64_at(24), u64_at(32));
    if found != number {
        return Err(corrupt(format!("its header says that it is segment {found}")));
    }
    if length != capacity {
        return Err(corrupt(format!("it has {length} bytes and should have {capacity}")));
    }
    Ok(Segment { number, seed: seed(number, nonce), capacity, file, path })
}
