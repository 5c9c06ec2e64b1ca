//! The messages of a comparison of contents.

use super::narrow;
use crate::fingerprint::Sum;
use crate::peer::verify;
use base::{Error, Result, StorageId, Timestamp};
use bytes::Bytes;

/// See [`verify::VerifyRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct VerifyRequest {
    #[prost(string, tag = "1")]
    database: String,
    #[prost(fixed64, tag = "2")]
    session: u64,
    #[prost(uint32, tag = "3")]
    partition: u32,
    #[prost(uint32, tag = "4")]
    storage: u32,
    #[prost(bytes = "bytes", tag = "5")]
    start: Bytes,
    #[prost(bytes = "bytes", tag = "6")]
    end: Bytes,
    #[prost(bytes = "bytes", repeated, tag = "7")]
    cuts: Vec<Bytes>,
    #[prost(uint32, tag = "8")]
    rows: u32,
    #[prost(bool, tag = "9")]
    done: bool,
}

/// See [`verify::Verified`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Verified {
    #[prost(fixed64, tag = "1")]
    session: u64,
    #[prost(fixed64, tag = "2")]
    at: u64,
    #[prost(uint64, repeated, tag = "3")]
    counts: Vec<u64>,
    #[prost(fixed64, repeated, tag = "4")]
    sums: Vec<u64>,
    #[prost(bytes = "bytes", repeated, tag = "5")]
    keys: Vec<Bytes>,
    #[prost(fixed64, repeated, tag = "6")]
    hashes: Vec<u64>,
    #[prost(bool, tag = "7")]
    indexes: bool,
}

impl From<verify::VerifyRequest> for VerifyRequest {
    fn from(m: verify::VerifyRequest) -> Self {
        VerifyRequest {
            database: m.database,
            session: m.session,
            partition: m.partition.into(),
            storage: m.storage.0,
            start: m.range.0,
            end: m.range.1,
            cuts: m.cuts,
            rows: m.rows,
            done: m.done,
        }
    }
}

impl TryFrom<VerifyRequest> for verify::VerifyRequest {
    type Error = Error;
    fn try_from(m: VerifyRequest) -> Result<Self> {
        Ok(verify::VerifyRequest {
            database: m.database,
            session: m.session,
            partition: narrow(m.partition, "partition")?,
            storage: StorageId(m.storage),
            range: (m.start, m.end),
            cuts: m.cuts,
            rows: m.rows,
            done: m.done,
        })
    }
}

impl From<verify::Verified> for Verified {
    fn from(m: verify::Verified) -> Self {
        let (counts, sums) = m.sums.into_iter().map(|s| (s.rows, s.hash)).unzip();
        let (keys, hashes) = m.rows.into_iter().unzip();
        Verified { session: m.session, at: m.at.0, counts, sums, keys, hashes, indexes: m.indexes }
    }
}

impl From<Verified> for verify::Verified {
    fn from(m: Verified) -> Self {
        let sums = m.counts.into_iter().zip(m.sums).map(|(rows, hash)| Sum { rows, hash });
        verify::Verified {
            session: m.session,
            at: Timestamp(m.at),
            sums: sums.collect(),
            rows: m.keys.into_iter().zip(m.hashes).collect(),
            indexes: m.indexes,
        }
    }
}
