//! Bases that targets are copying: pinned, so that their files stay.

use crate::peer::Fetch;
use base::{DatabaseId, Error, Result, SqlState};
use bytes::{Buf, Bytes};
use env::Disk;
use state::BasePin;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A base that nobody has fetched from for so long is let go.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// The most one fetch returns.
const PIECE_BYTES: u32 = 4 << 20;

/// Whose base: database, slot, partition.
type Owner = (DatabaseId, String, u16);

/// The pinned bases.
#[derive(Debug, Default)]
pub(super) struct Bases {
    last: u64,
    pinned: BTreeMap<u64, Pinned>,
}

#[derive(Debug)]
struct Pinned {
    owner: Owner,
    base: BasePin,
    /// Files that were made for this target alone, by name.
    made: BTreeMap<String, Bytes>,
    used: Duration,
}

/// Where a file of a base is.
pub(super) enum Place {
    Disk(PathBuf),
    Memory(Bytes),
}

impl Bases {
    /// Pins a base in place of the owner's last one.
    pub(super) fn add(
        &mut self,
        owner: Owner,
        base: BasePin,
        made: BTreeMap<String, Bytes>,
        now: Duration,
    ) -> u64 {
        self.pinned.retain(|_, p| p.owner != owner && now.saturating_sub(p.used) < IDLE_MAX);
        self.last += 1;
        self.pinned.insert(self.last, Pinned { owner, base, made, used: now });
        self.last
    }

    /// True if somebody has a base to copy from.
    pub(super) fn is_copied(&self, owner: &Owner) -> bool {
        self.pinned.values().any(|p| p.owner == *owner)
    }

    /// Who copies a base: database and slot.
    pub(super) fn whose(&self, pin: u64) -> Result<(DatabaseId, String)> {
        let pinned = self.pinned.get(&pin).ok_or_else(gone)?;
        Ok((pinned.owner.0, pinned.owner.1.clone()))
    }

    /// Where a file of a base is.
    pub(super) fn place(&mut self, fetch: &Fetch, now: Duration) -> Result<Place> {
        let pinned = self.pinned.get_mut(&fetch.pin).ok_or_else(gone)?;
        pinned.used = now;
        if let Some(bytes) = pinned.made.get(&fetch.file) {
            return Ok(Place::Memory(bytes.clone()));
        }
        if !pinned.base.files.contains(&fetch.file) {
            return Err(gone().detail(format!("it has no file {}", fetch.file)));
        }
        Ok(Place::Disk(pinned.base.dir.join(&fetch.file)))
    }
}

fn gone() -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "that base is no longer offered")
}

/// Reads a piece of a file.
pub(super) fn read(disk: &Arc<dyn Disk>, place: &Place, fetch: &Fetch) -> Result<Bytes> {
    let len = fetch.len.min(PIECE_BYTES) as usize;
    let path = match place {
        Place::Disk(path) => path,
        Place::Memory(bytes) => {
            let mut rest = bytes.clone();
            rest.advance(usize::try_from(fetch.offset).map_or(rest.len(), |n| n.min(rest.len())));
            return Ok(rest.slice(..len.min(rest.len())));
        }
    };
    let io = |e| Error::io(format!("reading {}", path.display()), &e);
    let file = disk.open(path).map_err(io)?;
    let left = file.len().map_err(io)?.saturating_sub(fetch.offset);
    let mut piece = vec![0; left.min(len as u64) as usize];
    file.read_at(&mut piece, fetch.offset).map_err(io)?;
    Ok(piece.into())
}
