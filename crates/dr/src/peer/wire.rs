//! The link's messages as they travel over gRPC (protobuf, tags never reused).

mod compare;
mod content;
mod handover;
mod invite;
mod verify;

pub use compare::{CompareRequest, Compared};
pub use content::{Content, ContentRequest};
pub use handover::{HandoverAnswer, HandoverRequest};
pub use invite::{Invitation, Invited};
pub use verify::{Verified, VerifyRequest};

use crate::peer;
use base::{ClusterId, Epoch, EpochHistory, Error, LineId, Lsn, Result, SqlState, Timestamp};
use bytes::Bytes;
use format::Manifest;
use format::vault::DivergedPart;
use meta::DatabaseState;

/// One step of a SCRAM exchange, either way.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Scram {
    /// The SCRAM message.
    #[prost(string, tag = "1")]
    pub message: String,
    /// Which exchange; 0 begins one.
    #[prost(uint64, tag = "2")]
    pub exchange: u64,
    /// With the server's last message: what to show from now on.
    #[prost(string, tag = "3")]
    pub token: String,
}

/// Nothing.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Empty {}

/// What [`peer::Peer::databases`] answers.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Databases {
    /// Their names.
    #[prost(string, repeated, tag = "1")]
    pub names: Vec<String>,
}

/// See [`peer::HelloRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct HelloRequest {
    #[prost(string, tag = "1")]
    database: String,
    #[prost(bytes = "vec", optional, tag = "2")]
    line: Option<Vec<u8>>,
    #[prost(uint32, tag = "3")]
    cluster: u32,
    #[prost(string, tag = "4")]
    cluster_name: String,
    #[prost(string, tag = "5")]
    slot: String,
    #[prost(fixed64, tag = "6")]
    promotion_epoch: u64,
    #[prost(uint32, tag = "7")]
    format_version: u32,
    #[prost(uint32, tag = "8")]
    mode: u32,
    #[prost(bool, tag = "9")]
    own_rights: bool,
}

/// See [`peer::Hello`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Hello {
    #[prost(bytes = "vec", tag = "1")]
    line: Vec<u8>,
    #[prost(uint32, tag = "2")]
    partitions: u32,
    #[prost(uint32, tag = "3")]
    cluster: u32,
    #[prost(fixed64, tag = "4")]
    promotion_epoch: u64,
    #[prost(bool, tag = "5")]
    primary: bool,
    #[prost(uint32, tag = "6")]
    format_version: u32,
    #[prost(fixed64, tag = "7")]
    now: u64,
    #[prost(bool, tag = "8")]
    own_rights: bool,
}

/// A stretch of an epoch history.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct EpochFrom {
    #[prost(fixed64, tag = "1")]
    epoch: u64,
    #[prost(uint64, tag = "2")]
    first: u64,
}

impl EpochFrom {
    fn new(epoch: Epoch, first: Lsn) -> EpochFrom {
        EpochFrom { epoch: epoch.to_u64(), first: first.0 }
    }

    fn pair(self) -> (Epoch, Lsn) {
        (Epoch::from_u64(self.epoch), Lsn(self.first))
    }
}

/// See [`peer::SubscribeRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct SubscribeRequest {
    #[prost(string, tag = "1")]
    database: String,
    #[prost(string, tag = "2")]
    slot: String,
    #[prost(uint32, tag = "3")]
    partition: u32,
    #[prost(uint64, tag = "4")]
    end: u64,
    #[prost(message, repeated, tag = "5")]
    history: Vec<EpochFrom>,
    #[prost(fixed64, tag = "6")]
    promotion_epoch: u64,
    #[prost(bool, tag = "7")]
    own_rights: bool,
}

/// First the answer, then batches.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StreamItem {
    #[prost(message, optional, tag = "1")]
    answer: Option<Answer>,
    #[prost(message, optional, tag = "2")]
    batch: Option<FrameBatch>,
}

/// See [`peer::Answer`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Answer {
    /// 1 continue, 2 rewind, 3 base.
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(uint64, tag = "2")]
    common: u64,
    #[prost(fixed64, optional, tag = "3")]
    cut: Option<u64>,
    #[prost(uint64, tag = "4")]
    pin: u64,
    #[prost(bytes = "bytes", tag = "5")]
    manifest: Bytes,
    #[prost(string, tag = "6")]
    reason: String,
    #[prost(bool, tag = "7")]
    unrelated: bool,
}

/// See [`peer::FrameBatch`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct FrameBatch {
    #[prost(bytes = "bytes", tag = "1")]
    bytes: Bytes,
    #[prost(uint64, tag = "2")]
    source_end: u64,
    #[prost(fixed64, tag = "3")]
    source_now: u64,
    #[prost(fixed64, tag = "4")]
    last_commit: u64,
    #[prost(bool, tag = "5")]
    gated: bool,
    #[prost(bool, tag = "6")]
    awaited: bool,
}

/// See [`peer::Ack`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Ack {
    #[prost(string, tag = "1")]
    database: String,
    #[prost(string, tag = "2")]
    slot: String,
    #[prost(uint64, repeated, tag = "3")]
    durable: Vec<u64>,
    #[prost(fixed64, tag = "4")]
    replicated: u64,
    #[prost(fixed64, tag = "5")]
    promotion_epoch: u64,
    #[prost(bool, tag = "6")]
    promotable: bool,
}

/// See [`peer::Acked`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Acked {
    #[prost(bool, tag = "1")]
    handover_wanted: bool,
    #[prost(fixed64, tag = "2")]
    handover_bound: u64,
    #[prost(fixed64, tag = "3")]
    show: u64,
    #[prost(string, tag = "4")]
    group: String,
}

/// A database's name.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Named {
    /// The source's database.
    #[prost(string, tag = "1")]
    pub database: String,
}

/// See [`peer::Positions`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Positions {
    #[prost(bool, tag = "1")]
    gated: bool,
    #[prost(uint64, repeated, tag = "2")]
    ends: Vec<u64>,
    #[prost(fixed64, repeated, tag = "3")]
    commits: Vec<u64>,
}

/// See [`peer::Fetch`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Fetch {
    #[prost(uint64, tag = "1")]
    pin: u64,
    #[prost(string, tag = "2")]
    file: String,
    #[prost(uint64, tag = "3")]
    offset: u64,
    #[prost(uint32, tag = "4")]
    len: u32,
}

/// A piece of a file.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Piece {
    /// Its bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub bytes: Bytes,
}

/// See [`peer::SaveDiverged`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct SaveDiverged {
    #[prost(string, tag = "1")]
    database: String,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    parts: Vec<Bytes>,
    #[prost(fixed64, repeated, tag = "3")]
    settled: Vec<u64>,
}

fn malformed(what: &str) -> Error {
    Error::new(SqlState::PROTOCOL_VIOLATION, format!("malformed link message: {what}"))
}

fn narrow<T: TryFrom<u32>>(v: u32, what: &str) -> Result<T> {
    T::try_from(v).map_err(|_| malformed(what))
}

fn line(bytes: &[u8]) -> Result<LineId> {
    let bytes = bytes.try_into().map_err(|_| malformed("line"))?;
    Ok(LineId(u128::from_le_bytes(bytes)))
}

impl From<peer::HelloRequest> for HelloRequest {
    fn from(m: peer::HelloRequest) -> Self {
        HelloRequest {
            database: m.database,
            line: m.line.map(|l| l.0.to_le_bytes().to_vec()),
            cluster: m.cluster.0.into(),
            cluster_name: m.cluster_name,
            slot: m.slot,
            promotion_epoch: m.promotion_epoch.to_u64(),
            format_version: m.format_version,
            mode: match m.mode {
                peer::Mode::Copy => 1,
                peer::Mode::Follow => 2,
                peer::Mode::Differential => 3,
            },
            own_rights: m.own_rights,
        }
    }
}

impl TryFrom<HelloRequest> for peer::HelloRequest {
    type Error = Error;
    fn try_from(m: HelloRequest) -> Result<Self> {
        Ok(peer::HelloRequest {
            database: m.database,
            line: m.line.as_deref().map(line).transpose()?,
            cluster: ClusterId(narrow(m.cluster, "cluster")?),
            cluster_name: m.cluster_name,
            slot: m.slot,
            promotion_epoch: Epoch::from_u64(m.promotion_epoch),
            format_version: m.format_version,
            mode: match m.mode {
                1 => peer::Mode::Copy,
                2 => peer::Mode::Follow,
                3 => peer::Mode::Differential,
                _ => return Err(malformed("mode")),
            },
            own_rights: m.own_rights,
        })
    }
}

impl From<peer::Hello> for Hello {
    fn from(m: peer::Hello) -> Self {
        Hello {
            line: m.line.0.to_le_bytes().to_vec(),
            partitions: m.partitions.into(),
            cluster: m.cluster.0.into(),
            promotion_epoch: m.promotion_epoch.to_u64(),
            primary: m.state == DatabaseState::Primary,
            format_version: m.format_version,
            now: m.now.0,
            own_rights: m.own_rights,
        }
    }
}

impl TryFrom<Hello> for peer::Hello {
    type Error = Error;
    fn try_from(m: Hello) -> Result<Self> {
        Ok(peer::Hello {
            line: line(&m.line)?,
            partitions: narrow(m.partitions, "partitions")?,
            cluster: ClusterId(narrow(m.cluster, "cluster")?),
            promotion_epoch: Epoch::from_u64(m.promotion_epoch),
            state: if m.primary { DatabaseState::Primary } else { DatabaseState::Standby },
            format_version: m.format_version,
            now: Timestamp(m.now),
            own_rights: m.own_rights,
        })
    }
}

impl From<peer::SubscribeRequest> for SubscribeRequest {
    fn from(m: peer::SubscribeRequest) -> Self {
        let history = m.history.0.iter();
        SubscribeRequest {
            database: m.database,
            slot: m.slot,
            partition: m.partition.into(),
            end: m.end.0,
            history: history
                .map(|(epoch, first)| EpochFrom { epoch: epoch.to_u64(), first: first.0 })
                .collect(),
            promotion_epoch: m.promotion_epoch.to_u64(),
            own_rights: m.own_rights,
        }
    }
}

impl TryFrom<SubscribeRequest> for peer::SubscribeRequest {
    type Error = Error;
    fn try_from(m: SubscribeRequest) -> Result<Self> {
        let history = m.history.iter().map(|e| (Epoch::from_u64(e.epoch), Lsn(e.first)));
        Ok(peer::SubscribeRequest {
            database: m.database,
            slot: m.slot,
            partition: narrow(m.partition, "partition")?,
            end: Lsn(m.end),
            history: EpochHistory(history.collect()),
            promotion_epoch: Epoch::from_u64(m.promotion_epoch),
            own_rights: m.own_rights,
        })
    }
}

impl From<peer::Answer> for StreamItem {
    fn from(answer: peer::Answer) -> Self {
        let answer = match answer {
            peer::Answer::Continue { cut } => {
                Answer { kind: 1, cut: cut.map(|t| t.0), ..Answer::default() }
            }
            peer::Answer::RewindTo { common, cut } => {
                Answer { kind: 2, common: common.0, cut: Some(cut.0), ..Answer::default() }
            }
            peer::Answer::NeedBase(offer) => Answer {
                kind: 3,
                common: offer.diverged.map_or(0, |d| d.0.0),
                cut: offer.diverged.map(|d| d.1.0),
                pin: offer.pin,
                manifest: offer.manifest.encode(),
                reason: offer.reason,
                unrelated: offer.unrelated,
            },
        };
        StreamItem { answer: Some(answer), batch: None }
    }
}

impl From<peer::FrameBatch> for StreamItem {
    fn from(m: peer::FrameBatch) -> Self {
        let batch = FrameBatch {
            bytes: m.bytes,
            source_end: m.source_end.0,
            source_now: m.source_now.0,
            last_commit: m.last_commit.0,
            gated: m.gated,
            awaited: m.awaited,
        };
        StreamItem { answer: None, batch: Some(batch) }
    }
}

impl StreamItem {
    /// The first item of a stream.
    pub fn into_answer(self) -> Result<peer::Answer> {
        let m = self.answer.ok_or_else(|| malformed("no answer"))?;
        let cut = m.cut.map(Timestamp);
        Ok(match (m.kind, cut) {
            (1, cut) => peer::Answer::Continue { cut },
            (2, Some(cut)) => peer::Answer::RewindTo { common: Lsn(m.common), cut },
            (3, cut) => peer::Answer::NeedBase(Box::new(peer::BaseOffer {
                pin: m.pin,
                manifest: Manifest::decode(&m.manifest)?,
                reason: m.reason,
                diverged: cut.map(|cut| (Lsn(m.common), cut)),
                unrelated: m.unrelated,
            })),
            _ => return Err(malformed("answer")),
        })
    }

    /// Any later item.
    pub fn into_batch(self) -> Result<peer::FrameBatch> {
        let m = self.batch.ok_or_else(|| malformed("no frames"))?;
        Ok(peer::FrameBatch {
            bytes: m.bytes,
            source_end: Lsn(m.source_end),
            source_now: Timestamp(m.source_now),
            last_commit: Timestamp(m.last_commit),
            gated: m.gated,
            awaited: m.awaited,
        })
    }
}

impl From<peer::Ack> for Ack {
    fn from(m: peer::Ack) -> Self {
        Ack {
            database: m.database,
            slot: m.slot,
            durable: m.durable.into_iter().map(|l| l.0).collect(),
            replicated: m.replicated.0,
            promotion_epoch: m.promotion_epoch.to_u64(),
            promotable: m.promotable,
        }
    }
}

impl From<Ack> for peer::Ack {
    fn from(m: Ack) -> Self {
        peer::Ack {
            database: m.database,
            slot: m.slot,
            durable: m.durable.into_iter().map(Lsn).collect(),
            replicated: Timestamp(m.replicated),
            promotion_epoch: Epoch::from_u64(m.promotion_epoch),
            promotable: m.promotable,
        }
    }
}

impl From<peer::Acked> for Acked {
    fn from(m: peer::Acked) -> Self {
        Acked {
            handover_wanted: m.handover_wanted,
            handover_bound: m.handover_bound,
            group: m.group,
            show: m.show.0,
        }
    }
}

impl From<Acked> for peer::Acked {
    fn from(m: Acked) -> Self {
        peer::Acked {
            handover_wanted: m.handover_wanted,
            handover_bound: m.handover_bound,
            group: m.group,
            show: Timestamp(m.show),
        }
    }
}

impl From<peer::Positions> for Positions {
    fn from(m: peer::Positions) -> Self {
        let (ends, commits) = m.partitions.iter().map(|(end, ts)| (end.0, ts.0)).unzip();
        Positions { gated: m.gated, ends, commits }
    }
}

impl From<Positions> for peer::Positions {
    fn from(m: Positions) -> Self {
        let partitions = m.ends.into_iter().map(Lsn).zip(m.commits.into_iter().map(Timestamp));
        peer::Positions { gated: m.gated, partitions: partitions.collect() }
    }
}

impl From<peer::Fetch> for Fetch {
    fn from(m: peer::Fetch) -> Self {
        Fetch { pin: m.pin, file: m.file, offset: m.offset, len: m.len }
    }
}

impl From<Fetch> for peer::Fetch {
    fn from(m: Fetch) -> Self {
        peer::Fetch { pin: m.pin, file: m.file, offset: m.offset, len: m.len }
    }
}

impl From<peer::SaveDiverged> for SaveDiverged {
    fn from(m: peer::SaveDiverged) -> Self {
        SaveDiverged {
            database: m.database,
            parts: m.parts.iter().map(DivergedPart::encode).collect(),
            settled: m.settled.into_iter().map(Epoch::to_u64).collect(),
        }
    }
}

impl TryFrom<SaveDiverged> for peer::SaveDiverged {
    type Error = Error;
    fn try_from(m: SaveDiverged) -> Result<Self> {
        Ok(peer::SaveDiverged {
            database: m.database,
            parts: m.parts.iter().map(|p| DivergedPart::decode(p)).collect::<Result<_>>()?,
            settled: m.settled.into_iter().map(Epoch::from_u64).collect(),
        })
    }
}
