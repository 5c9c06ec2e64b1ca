//! Comparing contents: the target asks for fingerprints of key ranges at one moment.

use crate::fingerprint::Sum;
use base::{StorageId, Timestamp};
use bytes::Bytes;

/// Asks for fingerprints.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifyRequest {
    /// The source's database.
    pub database: String,
    /// From the first answer; 0 begins, and has no other meaning.
    pub session: u64,
    /// Which partition.
    pub partition: u16,
    /// Which key space.
    pub storage: StorageId,
    /// The first key, and the one above the last.
    pub range: (Bytes, Bytes),
    /// Where the range is cut.
    pub cuts: Vec<Bytes>,
    /// Row by row instead, so many at most; 0 for fingerprints of the parts.
    pub rows: u32,
    /// The last request of the session.
    pub done: bool,
}

/// The source's answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verified {
    /// Names the session in what follows. It is forgotten if nothing follows for a while.
    pub session: u64,
    /// The moment that all its fingerprints are about.
    pub at: Timestamp,
    /// Of each part.
    pub sums: Vec<Sum>,
    /// Keys and hashes of rows.
    pub rows: Vec<(Bytes, u64)>,
    /// The source compares entries of indexes too.
    pub indexes: bool,
}
