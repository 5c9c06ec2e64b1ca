//! The messages of a planned handover.

use super::{Positions, malformed, narrow};
use crate::peer::{self, HandoverStep, Receipt};
use base::{ClusterId, Epoch, Error, Lsn, Result, Timestamp};

/// See [`peer::HandoverRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct HandoverRequest {
    #[prost(string, tag = "1")]
    database: String,
    #[prost(fixed64, tag = "2")]
    id: u64,
    #[prost(uint32, tag = "3")]
    cluster: u32,
    #[prost(string, tag = "4")]
    cluster_name: String,
    #[prost(fixed64, tag = "5")]
    promotion_epoch: u64,
    #[prost(message, optional, tag = "6")]
    gate: Option<Gate>,
    #[prost(message, optional, tag = "7")]
    abort: Option<Abort>,
    #[prost(message, optional, tag = "8")]
    done: Option<Done>,
}

/// See [`HandoverStep::Gate`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Gate {
    #[prost(uint64, tag = "1")]
    limit_ms: u64,
}

/// See [`HandoverStep::Abort`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Abort {
    #[prost(string, tag = "1")]
    reason: String,
}

/// See [`HandoverStep::Done`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Done {
    #[prost(string, tag = "1")]
    host: String,
    #[prost(uint32, tag = "2")]
    port: u32,
    #[prost(string, tag = "3")]
    database: String,
    #[prost(string, tag = "4")]
    from: String,
    #[prost(string, tag = "5")]
    to: String,
    #[prost(fixed64, tag = "6")]
    epoch: u64,
    #[prost(fixed64, tag = "7")]
    cut: u64,
    #[prost(uint64, repeated, tag = "8")]
    positions: Vec<u64>,
    #[prost(uint64, tag = "9")]
    without_writes_ms: u64,
}

/// See [`peer::HandoverAnswer`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct HandoverAnswer {
    #[prost(message, optional, tag = "1")]
    positions: Option<Positions>,
    #[prost(string, optional, tag = "2")]
    verifier: Option<String>,
    #[prost(string, tag = "3")]
    cluster_name: String,
}

impl From<peer::HandoverRequest> for HandoverRequest {
    fn from(m: peer::HandoverRequest) -> Self {
        let mut message = HandoverRequest {
            database: m.database,
            id: m.id,
            cluster: m.cluster.0.into(),
            cluster_name: m.cluster_name,
            promotion_epoch: m.promotion_epoch.to_u64(),
            ..HandoverRequest::default()
        };
        match m.step {
            HandoverStep::Gate { limit_ms } => message.gate = Some(Gate { limit_ms }),
            HandoverStep::Abort { reason } => message.abort = Some(Abort { reason }),
            HandoverStep::Done { address: (host, port), database, receipt } => {
                message.done = Some(Done {
                    host,
                    port: port.into(),
                    database,
                    from: receipt.from,
                    to: receipt.to,
                    epoch: receipt.epoch.to_u64(),
                    cut: receipt.cut.0,
                    positions: receipt.positions.into_iter().map(|l| l.0).collect(),
                    without_writes_ms: receipt.without_writes_ms,
                });
            }
        }
        message
    }
}

impl TryFrom<HandoverRequest> for peer::HandoverRequest {
    type Error = Error;
    fn try_from(m: HandoverRequest) -> Result<Self> {
        let step = match (m.gate, m.abort, m.done) {
            (Some(Gate { limit_ms }), None, None) => HandoverStep::Gate { limit_ms },
            (None, Some(Abort { reason }), None) => HandoverStep::Abort { reason },
            (None, None, Some(done)) => HandoverStep::Done {
                address: (done.host, narrow(done.port, "port")?),
                database: done.database,
                receipt: Receipt {
                    id: m.id,
                    from: done.from,
                    to: done.to,
                    epoch: Epoch::from_u64(done.epoch),
                    cut: Timestamp(done.cut),
                    positions: done.positions.into_iter().map(Lsn).collect(),
                    without_writes_ms: done.without_writes_ms,
                },
            },
            _ => return Err(malformed("step of a handover")),
        };
        Ok(peer::HandoverRequest {
            database: m.database,
            id: m.id,
            cluster: ClusterId(narrow(m.cluster, "cluster")?),
            cluster_name: m.cluster_name,
            promotion_epoch: Epoch::from_u64(m.promotion_epoch),
            step,
        })
    }
}

impl From<peer::HandoverAnswer> for HandoverAnswer {
    fn from(m: peer::HandoverAnswer) -> Self {
        let positions = Some(m.positions.into());
        let verifier = m.verifier.map(Into::into);
        HandoverAnswer { positions, verifier, cluster_name: m.cluster_name }
    }
}

impl TryFrom<HandoverAnswer> for peer::HandoverAnswer {
    type Error = Error;
    fn try_from(m: HandoverAnswer) -> Result<Self> {
        let verifier = m.verifier.map(|text| text.try_into().map_err(|_| malformed("verifier")));
        Ok(peer::HandoverAnswer {
            positions: m.positions.unwrap_or_default().into(),
            verifier: verifier.transpose()?,
            cluster_name: m.cluster_name,
        })
    }
}
