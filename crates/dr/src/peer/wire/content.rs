//! The messages of coming back by content.

use super::{malformed, narrow};
use crate::fingerprint::Sum;
use crate::peer::content::{self, ContentRange, ContentStep};
use base::{Epoch, Error, Result, StorageId, Timestamp};
use bytes::Bytes;
use format::Manifest;

/// See [`content::ContentRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct ContentRequest {
    #[prost(string, tag = "1")]
    database: String,
    #[prost(string, tag = "2")]
    slot: String,
    #[prost(fixed64, tag = "3")]
    promotion_epoch: u64,
    #[prost(fixed64, tag = "4")]
    session: u64,
    /// 1 begin, 2 sums, 3 cuts, 4 rows, 5 end.
    #[prost(uint32, tag = "5")]
    step: u32,
    #[prost(uint32, tag = "6")]
    partition: u32,
    #[prost(uint32, tag = "7")]
    storage: u32,
    #[prost(bytes = "bytes", tag = "8")]
    start: Bytes,
    #[prost(bytes = "bytes", tag = "9")]
    end: Bytes,
    #[prost(bytes = "bytes", repeated, tag = "10")]
    keys: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "11")]
    ends: Vec<Bytes>,
    #[prost(fixed64, repeated, tag = "12")]
    have: Vec<u64>,
    #[prost(uint32, tag = "13")]
    rows: u32,
}

/// See [`content::Content`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Content {
    #[prost(fixed64, tag = "1")]
    session: u64,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    bases: Vec<Bytes>,
    #[prost(uint64, tag = "3")]
    bytes: u64,
    #[prost(uint64, repeated, tag = "4")]
    counts: Vec<u64>,
    #[prost(fixed64, repeated, tag = "5")]
    sums: Vec<u64>,
    #[prost(bytes = "bytes", repeated, tag = "6")]
    cuts: Vec<Bytes>,
    #[prost(message, repeated, tag = "7")]
    rows: Vec<Row>,
    #[prost(fixed64, repeated, tag = "8")]
    lost: Vec<u64>,
    #[prost(bytes = "bytes", optional, tag = "9")]
    next: Option<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Row {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(fixed64, tag = "2")]
    ts: u64,
    #[prost(bytes = "bytes", tag = "3")]
    row: Bytes,
}

impl From<content::ContentRequest> for ContentRequest {
    fn from(m: content::ContentRequest) -> Self {
        let mut wire = ContentRequest {
            database: m.database,
            slot: m.slot,
            promotion_epoch: m.promotion_epoch.to_u64(),
            session: m.session,
            ..ContentRequest::default()
        };
        let range = match m.step {
            ContentStep::Begin => None,
            ContentStep::Sums { range, cuts } => {
                wire.keys = cuts;
                Some((2, range))
            }
            ContentStep::Cuts { range, rows } => {
                wire.rows = rows;
                Some((3, range))
            }
            ContentStep::Rows { range, parts, have } => {
                (wire.keys, wire.ends) = parts.into_iter().unzip();
                wire.have = have;
                Some((4, range))
            }
            ContentStep::End => {
                wire.step = 5;
                return wire;
            }
        };
        wire.step = range.as_ref().map_or(1, |(step, _)| *step);
        if let Some((_, range)) = range {
            wire.partition = range.partition.into();
            wire.storage = range.storage.0;
            (wire.start, wire.end) = (range.start, range.end);
        }
        wire
    }
}

impl TryFrom<ContentRequest> for content::ContentRequest {
    type Error = Error;
    fn try_from(m: ContentRequest) -> Result<Self> {
        let range = ContentRange {
            partition: narrow(m.partition, "partition")?,
            storage: StorageId(m.storage),
            start: m.start,
            end: m.end,
        };
        let step = match m.step {
            1 => ContentStep::Begin,
            2 => ContentStep::Sums { range, cuts: m.keys },
            3 => ContentStep::Cuts { range, rows: m.rows },
            4 if m.keys.len() == m.ends.len() => {
                let parts = m.keys.into_iter().zip(m.ends).collect();
                ContentStep::Rows { range, parts, have: m.have }
            }
            5 => ContentStep::End,
            _ => return Err(malformed("step of a comparison")),
        };
        Ok(content::ContentRequest {
            database: m.database,
            slot: m.slot,
            promotion_epoch: Epoch::from_u64(m.promotion_epoch),
            session: m.session,
            step,
        })
    }
}

impl From<content::Content> for Content {
    fn from(m: content::Content) -> Self {
        let (counts, sums) = m.sums.into_iter().map(|s| (s.rows, s.hash)).unzip();
        let rows = m.rows.into_iter().map(|r| Row { key: r.key, ts: r.ts.0, row: r.row });
        Content {
            session: m.session,
            bases: m.bases.iter().map(Manifest::encode).collect(),
            bytes: m.bytes,
            counts,
            sums,
            cuts: m.cuts,
            rows: rows.collect(),
            lost: m.lost,
            next: m.next,
        }
    }
}

impl TryFrom<Content> for content::Content {
    type Error = Error;
    fn try_from(m: Content) -> Result<Self> {
        let sums = m.counts.into_iter().zip(m.sums).map(|(rows, hash)| Sum { rows, hash });
        let row = |r: Row| content::ContentRow { key: r.key, ts: Timestamp(r.ts), row: r.row };
        Ok(content::Content {
            session: m.session,
            bases: m.bases.iter().map(|b| Manifest::decode(b)).collect::<Result<_>>()?,
            bytes: m.bytes,
            sums: sums.collect(),
            cuts: m.cuts,
            rows: m.rows.into_iter().map(row).collect(),
            lost: m.lost,
            next: m.next,
        })
    }
}
