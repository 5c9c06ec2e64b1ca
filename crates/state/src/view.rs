//! What a reader sees: a manifest's layers and the generations of the delta, as one consistent set.

use crate::delta::{Generation, Version};
use crate::layer::Layer;
use crate::walk::Walk;
use base::{Error, Result, SqlState, StorageId, Timestamp};
use bytes::Bytes;
use format::Manifest;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A manifest with its chunks ready to be read.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) manifest: Arc<Manifest>,
    /// The layers of each key space, the oldest first: the base, perhaps empty, then the runs.
    pub(crate) tables: BTreeMap<StorageId, Vec<Arc<Layer>>>,
}

impl Base {
    /// The layers of a key space, the oldest first.
    pub(crate) fn layers(&self, storage: StorageId) -> &[Arc<Layer>] {
        self.tables.get(&storage).map_or(&[], Vec::as_slice)
    }
}

/// Everything that holds rows. Cheap to clone; a clone keeps showing the same rows at timestamps
/// up to the one at which it was taken, whatever is spilled or merged meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) base: Arc<Base>,
    /// Takes new versions.
    pub(crate) active: Arc<Generation>,
    /// What a running spill is writing down.
    pub(crate) frozen: Option<Arc<Generation>>,
}

impl View {
    /// The generations of the delta.
    pub(crate) fn generations(&self) -> impl Iterator<Item = &Arc<Generation>> {
        std::iter::once(&self.active).chain(&self.frozen)
    }

    /// What the delta shows at `ts` in a half-open range of keys.
    pub(crate) fn walk(&self, start: Bytes, end: Bytes, ts: Timestamp) -> Walk {
        Walk::new(self.generations().cloned(), start, end, ts)
    }

    /// Refuses timestamps whose versions were merged away.
    pub(crate) fn check(&self, ts: Timestamp) -> Result<()> {
        let oldest = self.base.manifest.horizon;
        if ts >= oldest {
            return Ok(());
        }
        Err(Error::new(
            SqlState::SNAPSHOT_TOO_OLD,
            format!("rows as of {ts} are gone, the oldest readable time is {oldest}"),
        ))
    }

    /// The newest version the delta has of a key at `ts`.
    pub(crate) fn in_delta(&self, key: &[u8], ts: Timestamp) -> Option<Version> {
        self.generations().filter_map(|g| g.get(key, ts)).max_by_key(|v| v.ts)
    }
}
