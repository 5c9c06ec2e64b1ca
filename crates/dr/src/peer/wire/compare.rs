//! The messages of a comparison.

use super::{EpochFrom, line, narrow};
use crate::peer::compare;
use base::{ClusterId, Epoch, EpochHistory, Error, Lsn, Result, Timestamp};

/// See [`compare::CompareRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct CompareRequest {
    #[prost(string, tag = "1")]
    database: String,
    #[prost(message, repeated, tag = "2")]
    partitions: Vec<Have>,
}

/// What the asker has of one partition.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Have {
    #[prost(uint64, tag = "1")]
    end: u64,
    #[prost(message, repeated, tag = "2")]
    history: Vec<EpochFrom>,
}

/// See [`compare::Compared`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Compared {
    #[prost(bytes = "vec", tag = "1")]
    line: Vec<u8>,
    #[prost(uint32, tag = "2")]
    cluster: u32,
    #[prost(string, tag = "3")]
    cluster_name: String,
    #[prost(fixed64, tag = "4")]
    promotion_epoch: u64,
    #[prost(bool, tag = "5")]
    gated: bool,
    #[prost(message, repeated, tag = "6")]
    partitions: Vec<ComparedPartition>,
}

/// See [`compare::ComparedPartition`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct ComparedPartition {
    #[prost(uint64, tag = "1")]
    end: u64,
    #[prost(uint64, tag = "2")]
    common: u64,
    #[prost(fixed64, optional, tag = "3")]
    cut: Option<u64>,
    #[prost(bool, tag = "4")]
    logged: bool,
    #[prost(uint64, tag = "5")]
    bytes: u64,
}

impl From<compare::CompareRequest> for CompareRequest {
    fn from(m: compare::CompareRequest) -> Self {
        let from = |(epoch, first): (Epoch, Lsn)| EpochFrom::new(epoch, first);
        let have = |(end, history): (Lsn, EpochHistory)| Have {
            end: end.0,
            history: history.0.into_iter().map(from).collect(),
        };
        let partitions = m.partitions.into_iter().map(have).collect();
        CompareRequest { database: m.database, partitions }
    }
}

impl From<CompareRequest> for compare::CompareRequest {
    fn from(m: CompareRequest) -> Self {
        let have = |h: Have| {
            let history = h.history.into_iter().map(EpochFrom::pair).collect();
            (Lsn(h.end), EpochHistory(history))
        };
        let partitions = m.partitions.into_iter().map(have).collect();
        compare::CompareRequest { database: m.database, partitions }
    }
}

impl From<compare::Compared> for Compared {
    fn from(m: compare::Compared) -> Self {
        let one = |p: compare::ComparedPartition| ComparedPartition {
            end: p.end.0,
            common: p.common.0,
            cut: p.cut.map(|t| t.0),
            logged: p.logged,
            bytes: p.bytes,
        };
        Compared {
            line: m.line.0.to_le_bytes().to_vec(),
            cluster: m.cluster.0.into(),
            cluster_name: m.cluster_name,
            promotion_epoch: m.promotion_epoch.to_u64(),
            gated: m.gated,
            partitions: m.partitions.into_iter().map(one).collect(),
        }
    }
}

impl TryFrom<Compared> for compare::Compared {
    type Error = Error;
    fn try_from(m: Compared) -> Result<Self> {
        let one = |p: ComparedPartition| compare::ComparedPartition {
            end: Lsn(p.end),
            common: Lsn(p.common),
            cut: p.cut.map(Timestamp),
            logged: p.logged,
            bytes: p.bytes,
        };
        Ok(compare::Compared {
            line: line(&m.line)?,
            cluster: ClusterId(narrow(m.cluster, "cluster")?),
            cluster_name: m.cluster_name,
            promotion_epoch: Epoch::from_u64(m.promotion_epoch),
            gated: m.gated,
            partitions: m.partitions.into_iter().map(one).collect(),
        })
    }
}
