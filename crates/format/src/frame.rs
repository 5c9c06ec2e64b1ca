//! A frame: one record with its place in a partition's log.

use base::{Epoch, Lsn};
use bytes::Bytes;

/// One record in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its position in the partition's log.
    pub lsn: Lsn,
    /// The writer's epoch.
    pub epoch: Epoch,
    /// Which [`crate::Record`] the payload is.
    pub kind: u8,
    /// The encoded record.
    pub payload: Bytes,
}
