//! Coming back by content: the target makes a new base from what it has and from the rows in which the
//! source differs. Everything is about one moment, at which the source has pinned its bases.

use crate::fingerprint::Sum;
use base::{Epoch, StorageId, Timestamp};
use bytes::Bytes;
use format::Manifest;

/// Asks for a part of the difference.
#[derive(Clone, Debug, PartialEq)]
pub struct ContentRequest {
    /// The source's database.
    pub database: String,
    /// Whose log is kept from that moment on.
    pub slot: String,
    /// As in [`HelloRequest::promotion_epoch`](super::HelloRequest::promotion_epoch).
    pub promotion_epoch: Epoch,
    /// From the first answer; 0 with [`ContentStep::Begin`].
    pub session: u64,
    /// What is asked.
    pub step: ContentStep,
}

/// A key range of one partition.
#[derive(Clone, Debug, PartialEq)]
pub struct ContentRange {
    /// Which partition.
    pub partition: u16,
    /// Which key space.
    pub storage: StorageId,
    /// The first key.
    pub start: Bytes,
    /// The one above the last.
    pub end: Bytes,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum ContentStep {
    /// Pin bases of one moment, and keep the log from there on.
    Begin,
    /// Fingerprints of the parts into which keys cut a range.
    Sums {
        /// The range.
        range: ContentRange,
        /// Where it is cut.
        cuts: Vec<Bytes>,
    },
    /// Keys that cut a range into parts of about so many rows.
    Cuts {
        /// The range.
        range: ContentRange,
        /// Rows of a part.
        rows: u32,
    },
    /// The rows in some parts of a range that the target does not have.
    Rows {
        /// What encloses the parts.
        range: ContentRange,
        /// The parts, ascending.
        parts: Vec<(Bytes, Bytes)>,
        /// Hashes of the rows that the target has in them.
        have: Vec<u64>,
    },
    /// The target has what it wanted.
    End,
}

/// A version of a row that the target lacks.
#[derive(Clone, Debug, PartialEq)]
pub struct ContentRow {
    /// Its key.
    pub key: Bytes,
    /// When it was committed.
    pub ts: Timestamp,
    /// The row as stored.
    pub row: Bytes,
}

/// The source's answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    /// Names the session in what follows. It is forgotten if nothing follows for long.
    pub session: u64,
    /// To [`ContentStep::Begin`]: per partition the manifest of its base, without files.
    pub bases: Vec<Manifest>,
    /// And how many bytes the files have.
    pub bytes: u64,
    /// To [`ContentStep::Sums`].
    pub sums: Vec<Sum>,
    /// To [`ContentStep::Cuts`].
    pub cuts: Vec<Bytes>,
    /// To [`ContentStep::Rows`], by ascending key.
    pub rows: Vec<ContentRow>,
    /// Those of the hashes sent that the source does not have.
    pub lost: Vec<u64>,
    /// There are more rows, from this key on: ask again.
    pub next: Option<Bytes>,
}

impl ContentRequest {
    /// About how many bytes travel.
    pub fn size(&self) -> u64 {
        let keys = |keys: &[Bytes]| keys.iter().map(|k| k.len() as u64 + 2).sum::<u64>();
        let of = match &self.step {
            ContentStep::Begin | ContentStep::Cuts { .. } | ContentStep::End => 0,
            ContentStep::Sums { cuts, .. } => keys(cuts),
            ContentStep::Rows { parts, have, .. } => {
                let parts = parts.iter().map(|(a, b)| (a.len() + b.len()) as u64 + 6);
                parts.sum::<u64>() + have.len() as u64 * 8
            }
        };
        of + 64
    }
}

impl Content {
    /// About how many bytes travel.
    pub fn size(&self) -> u64 {
        let rows = self.rows.iter().map(|r| (r.key.len() + r.row.len()) as u64 + 14);
        let cuts = self.cuts.iter().map(|k| k.len() as u64 + 2).sum::<u64>();
        let fixed = (self.sums.len() * 12 + self.lost.len() * 8) as u64;
        rows.sum::<u64>() + cuts + fixed + self.bases.len() as u64 * 64 + 16
    }
}
